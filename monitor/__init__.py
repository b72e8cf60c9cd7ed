"""An open, self-hosted monitor that says, for every face and over time, whether it looks manipulated.

The rooms, from the top; imports run downhill only::

    cli/          what a person types
    dashboard/    what people at a browser see
    server/       the service: streams, uploads, routes, sign-in, health, metrics
    lab/          data, pseudo-fakes, training, and measuring the thing that ships
    doctor        is this machine ready?
    flags/        the moments that somebody flagged: database, clips, files, export
    results/      what an analysis leaves: report, timeline, key frames
    runtime/      the stages in time: threads, failures, pace, a source that comes and goes
    overlay/      Frame, Observation -> pixels
    analysis/     the stages and their order: step(frame) -> Observation
    classifiers/  face crops -> logit + evidence map: registry, model cards, weights
    faces/        pixels -> Faces
    inference/    engines that run networks
    media/        url -> Source -> Frame: webcam, RTSP, HTTP/HLS, file, image, folder, screen, demo;
                  decoded in a process of its own
    system/       whole files, logs, masked addresses, memory, JPEG
    settings      every setting;  types/  the values that all rooms share;  errors

``Source -> Frame -> [FrameBuffer] -> Faces -> TrackedFaces -> crops -> Scores -> Verdict -> Segment -> Observation``
"""

__version__ = "0.1.0"
