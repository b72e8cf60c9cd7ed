"""Decodes what comes from outside in a process of its own.

FFmpeg may crash, hang or eat memory there, and the monitor goes on.

    isolated_source  the source as this process sees it, and how its process is started and ended
    task             one function over a file, called there
    jpeg_decoder     pushed pictures, decoded there
    process          what runs in that process
    ipc_channel      what the two say to each other
    frame_ring       the memory in which pictures cross

Nothing that comes from there is pickled: a process that decodes what strangers sent is not trusted.
"""
