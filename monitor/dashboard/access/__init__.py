"""Who uses the dashboard, what they may do, and what they did.

person     Role and Person;  accounts  people with passwords;  claims  people that a provider vouches for
guesses    wrong passwords, slowed down;  sessions  who is signed in, and the tokens of their pages
admission  which requests are answered;  sign_in  the route that takes a password
audit      who did what;  shield  who gets to the port at all, and the headers of every answer
"""
