"""The values of the API: described, and light enough for a client."""

import subprocess
import sys

from monitor.server.api import answers
from monitor.server.api.answers import Answer, StreamAnswer
from monitor.types import Label

HEAVY = "torch", "streamlit", "av", "fastapi", "starlette", "cv2", "sqlalchemy", "onnxruntime"


def test_a_client_imports_them_without_the_server() -> None:
    program = f"import sys, monitor.server.api.answers; print([name for name in {HEAVY} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_every_value_has_a_sentence_that_describes_it() -> None:
    kinds = [kind for kind in vars(answers).values() if isinstance(kind, type) and issubclass(kind, Answer)]
    assert len(kinds) > 10
    assert [kind.__name__ for kind in kinds if not str(kind.__doc__).strip().endswith(".")] == []


def test_an_answer_is_read_as_it_was_written() -> None:
    one = StreamAnswer(
        id="1f2e3d4c",
        name="Door",
        address="rtsp://cam",
        state="live",
        reason="",
        connection=1,
        attempt=0,
        retry_after=None,
        source={"width": 640},
        label=Label.SUSPICIOUS,
        faces={Label.SUSPICIOUS: 1},
        hints=[],
        fps=24.9,
        latency_p50=0.02,
        latency_p95=0.03,
        viewers=0,
        counts=answers.StreamCounts(
            openings=1, frames_read=9, frames_analysed=8, dropped={"buffer": 1}, lost={}, label_changes={}, flags=0
        ),
    )
    assert StreamAnswer.model_validate_json(one.model_dump_json()) == one
