"""Controls access to the service.

user           User and Role;  accounts  names and passwords;  oidc  users of an OpenID Connect provider
login_throttle      exponential back-off after failed logins
sessions       the signed-in users and the tokens of their pages
authorization  the role check of a request;  sign_in_route  the route for name and password
audit          the log of actions;  tables  of people and audit log
client_address      checks of a request's client address and host name
access_middleware   access without a sign-in, and the security headers of every answer
"""
