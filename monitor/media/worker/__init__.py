"""Decodes untrusted media in a separate process.

FFmpeg may crash, hang or exhaust the memory of that process without stopping the monitor.

    isolated_source  the parent's view of a source, and the start and end of its process
    task             calls one function over a file in that process
    jpeg_decoder     decodes pushed JPEGs in that process
    process          the main program of that process
    ipc_channel      messages between the two processes
    process_clock    the seconds that the other process had for its work
    frame_ring       shared memory for pixels

Messages from that process are never unpickled, because a process that decodes untrusted media is not trusted.
"""
