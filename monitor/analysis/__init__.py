"""Turns the frames of one stream into observations.

pipeline   the order of the stages: step(frame) -> Observation
scenes     pixels -> is this a cut?
integrity  Frame -> Hint: frozen, looped, out of time; of the stream, beside the verdicts
tracks     Faces -> TrackedFaces
quality    TrackedFaces -> Qualities: size, blur, darkness, pose
scores     TrackedFaces, crops -> Scores: logit + evidence map
verdicts/  Scores -> Verdict, LabelChange: evidence over time, hysteresis, reasons
segments   Verdict -> Segment: suspicious spans of media time
"""
