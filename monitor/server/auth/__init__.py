"""Decides who may use the service.

user           User and Role;  accounts  people with passwords;  oidc  people that a provider vouches for
login_throttle      back-off after wrong passwords
sessions       who is signed in, and the tokens of their pages
authorization  which requests are answered;  sign_in_route  the route that takes a password
audit          who did what;  tables  of people and audit
client_address      where a request comes from
access_middleware   who gets to the port at all, and the headers of every answer
"""
