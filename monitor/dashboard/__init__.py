"""What people at a browser see and do: Streamlit pages, a live viewer, and the routes beside them.

station    the watched sources, the analyses, the flags, and who may see them
channel    one watched source and all who are told what it sees
hub        its newest frame;  rolling  what was said lately;  analyses  uploads, one after the other
messages   a frame as bytes;  routes  frames, files, uploads;  policy  which addresses may be opened
viewer/, webcam/, upload/, keys/   run in the browser, each a Streamlit component made by parts
pages/     what is shown;  server  all of it on one port
"""
