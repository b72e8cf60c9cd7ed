"""Serves streams, uploads, flags to browsers or programs.

service    the watched sources, the uploads, the flags, and who may see them
stream     one watched source and its observers
broadcaster     its newest frame;  quality_levels  how large it is sent;  verdict_history  its latest verdicts
uploads    analyses of uploaded files, one after the other
routes     frames, files, uploads;  frame_messages  a frame as bytes;  webcam_route  pictures of a browser's own camera
address_policy  which addresses may be opened
health     is everything well?;  metrics  the figures that Prometheus collects
auth/      who may do what
app        all of it on one port, beside the pages
"""
