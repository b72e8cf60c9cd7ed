"""Everything that touches media bytes from outside.

sources/   address -> Source, an iterator of frames
worker/    any of these, and functions over a file, in a process of its own
packets    compressed video as values;  rgb  decoded picture -> upright RGB
media_clock     timestamps -> media time
frame_skipping  which frames are made where not all are wanted
failures   errors of FFmpeg or the system -> one sentence each
progress   signs of life of what decodes
span_cutter     a span of a local file -> clip;  remux  packets -> mp4, not encoded again;  clip  what was written
video_writer    pictures -> H.264 mp4;  soundtrack  the sound of a file beside them
"""
