"""Turns the frames of one stream into observations.

pipeline          the order of the stages: step(frame) -> Observation
scenes            pixels -> scene cut or not
integrity         Frame -> Hint: frozen, looped or mistimed streams; independent of the verdicts
face_orientation  pixels -> Faces, also on their side or upside down
tracks            Faces -> TrackedFaces
quality           TrackedFaces -> Qualities: size, blur, darkness, pose
scores            TrackedFaces, crops -> Scores: log-odds + evidence map
verdicts/         Scores -> Verdict, LabelChange: evidence over time, hysteresis, reasons
segments          Verdict -> Segment: suspicious spans of media time
"""
