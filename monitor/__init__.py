"""An open, self-hosted monitor that says, for every face and over time, whether it looks manipulated.

The river (a module is a stage, a folder is several of the same kind, a file is named after what it returns)::

    source     url -> Iterator[Frame]              webcam, RTSP, HTTP/HLS, file, image, folder, screen, demo;
                                                   decoded in a process of its own
    buffer     bounded hand-over, every loss counted
    faces      pixels -> Faces                     MTCNN, as a fast cascade
    scenes     pixels -> is this a cut?
    integrity  Frame -> Hint                       frozen, looped, out of time: of the stream, beside the verdicts
    tracks     Faces -> TrackedFaces               the detector rests between its beats
    quality    TrackedFaces -> Qualities           size, blur, darkness, pose
    crops      boxes -> the squares a classifier sees
    scores     TrackedFaces, crops -> Scores       logit + evidence map
    verdicts   Scores -> Verdict, LabelChange      evidence over time, hysteresis, reasons
    segments   Verdict -> Segment                  suspicious spans of media time
    overlay    Frame, Observation -> pixels        boxes, labels, heat-map

    models/    detectors and their model cards     backends/  engines that run them
    pipeline   the order of the stages: step(frame) -> Observation
    session/   when they run: the threads, failures, pace, a source that comes and goes
    evidence/  what is kept: report, timeline, annotated video; flags, their clips, log and files
    analysis   an open source to its results
    doctor     is this machine ready?
    metrics    the figures that a monitoring system collects;  logs  what is written down, without passwords
    lab/       data, pseudo-fakes, training, and measuring the thing that ships
    dashboard/ what people at a browser see and do
    cli/       what a person types

    types, errors, settings   the vocabulary that all of them share
    files      a file that appears whole, or not at all;  jpeg  pixels as a JPEG file, and back
    memory     what is free goes back to the system

``Source -> Frame -> [Buffer] -> Faces -> TrackedFaces -> crops -> Scores -> Verdict -> Segment -> Observation``
"""

__version__ = "0.1.0"
