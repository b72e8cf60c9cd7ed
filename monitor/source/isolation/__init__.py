"""Decoding in a process of its own: FFmpeg may crash, hang or eat memory there, and the monitor goes on.

    isolated   the source as this process sees it, and how its process is started and ended
    child      what runs in that process
    wire       what the two say to each other
    ring       the memory in which pictures cross

Nothing that crosses is pickled: a process that decodes what strangers sent is not trusted.
"""
