"""What people at a browser see and do: Streamlit pages, a live viewer, and the routes beside them.

station    the watched sources, the analyses, the flags, and who may see them
channel    one watched source and all who are told what it sees
hub        its newest frame;  levels  how large it is sent;  rolling  what was said lately
analyses   uploads, one after the other;  keyframes  the strongest moments of each face in them
messages   a frame as bytes;  routes  frames, files, uploads;  taking  pictures of a browser's own camera
policy     which addresses may be opened
access/    who uses it, what they may do, and what they did
viewer/, player/, gallery/, webcam/, upload/, keys/, sign_in/
           run in the browser, each a Streamlit component made by parts
pages/     what is shown;  server  all of it on one port
"""
