"""All code that reads or writes media bytes from outside.

sources/        address -> Source, an iterator of frames
worker/         runs a source, or a function over a file, in a separate process
packets         compressed packets as values
rgb             decoded picture -> upright RGB
media_clock     timestamps -> media time
frame_skipping  drops frames of a live source to hold a lower frame rate
failures        errors of FFmpeg or the system -> one sentence each
progress        progress reports of long reads and writes
span_cutter     a span of a local file -> clip
recovery_points where an intra refresh ends the damage of a loss
remux           packets -> mp4 without encoding
clip            the description of a written clip
clip_length     seconds of video in a clip
video_writer    pictures -> H.264 mp4
soundtrack      copies a file's sound into an mp4
"""
