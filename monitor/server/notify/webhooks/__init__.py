"""Posts events to addresses of other programs, in the manner of Standard Webhooks.

subscription   who receives which events;  store  all subscriptions, in the database
message        an event as a body;  signature  its HMAC
outbox         the deliveries in the database: waiting, delivered, dead
destination    the addresses that may be used;  sender  one attempt;  backoff  the pause after a failure
attempt_deadline   the longest time of one attempt
delivery       one subscription's thread;  outlet  the events of all streams into the outbox
"""
