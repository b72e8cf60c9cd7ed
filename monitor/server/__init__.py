"""Serves streams, uploads, flags to browsers or programs.

service    the live streams, the uploads, the flags, the accounts
stream     one live source and its observers
broadcaster     its newest frame;  quality_levels  the size of sent pictures;  verdict_history  its latest verdicts
verdict_log     its verdicts of the last hours
uploads    the analyses of uploaded files, one at a time;  upload_body, downloads  receive or fetch a file
upload_size     the limit of its size;  idempotency_keys  a repeated request is done once
sent_files      files of flags and analyses as answers
routes     frames, files, uploads;  frame_messages  a frame as bytes;  webcam_route  pictures of a browser's own camera
address_policy  the addresses that a browser user may open
health     liveness, readiness;  metrics  the figures for Prometheus
api/       the REST API
notify/    the outlets, which send events to other programs
auth/      accounts, sessions and roles
app        the pages and the routes on one port;  http_server  serves them
"""
