"""Turns the frames of one stream into observations.

pipeline          the order of the stages: step(frame) -> Observation
scenes            pixels -> scene cut or not
integrity         Frame -> Hint: frozen, looped or mistimed streams; independent of the verdicts;
                  virtual_cameras  names of programs that feed a camera
face_orientation  pixels -> Faces, also on their side or upside down
tracks            Faces -> TrackedFaces
quality           TrackedFaces -> Qualities: size, blur, darkness, pose
score_schedule    TrackedFaces -> the faces that are due for a score
scores            TrackedFaces, crops -> Scores: log-odds + evidence map
paced_scorer      the same at a lower rate; the last score holds in between
verdicts/         Scores -> Verdict, LabelChange: evidence over time, hysteresis, reasons
segments          Verdict -> Segment: suspicious spans of media time
"""
