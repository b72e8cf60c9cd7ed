"""The command line as a whole: version, completion, exit codes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import monitor

START = "import sys; sys.argv[0] = 'deepfake-monitor'; from monitor.cli import main; main()"


def completed(*words: str) -> list[str]:
    """What the shell offers after these words, in a fresh process."""
    environment = os.environ | {
        "_DEEPFAKE_MONITOR_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("deepfake-monitor", *words)),
        "COMP_CWORD": str(len(words)),
    }
    root = Path(monitor.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", START], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    return run.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["an"], ["analyze"]),
        (["flags", "ver"], ["verify"]),
        (["analyze", "--no-v"], ["--no-video"]),
        (["flags", "export", "--bl"], ["--blur"]),
        (["lab", "eval"], ["evaluate"]),
    ],
)
def test_the_shell_completes_commands_and_options(words: list[str], offered: list[str]) -> None:
    assert completed(*words) == offered


def test_the_version_is_printed(cli: Callable) -> None:
    said = cli("--version")
    assert (said.code, said.out.strip()) == (0, f"deepfake-monitor {monitor.__version__}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("analyze", "demo:", "--backend", "cuuda"), "did you mean cuda?"),
        (("analyze", "demo:", "--set", "classifier.model=mesonet5"), "unknown model 'mesonet5'"),
        (("analyze", "demo:", "--set", "detector.model=mtcn"), "did you mean mtcnn?"),
        (("analyze", "demo:", "--set", "tracker.maxage=1"), "did you mean tracker.max_age?"),
        (("engines", "bench", "--engine", "onnx-runtime"), "did you mean onnxruntime?"),
        (("flags", "veryfy"), "verify"),
        (("analyse", "demo:"), "analyze"),
        (("serve", "--port", "99999"), "--port"),
    ],
)
def test_wrong_usage_has_one_exit_code_and_a_suggestion(cli: Callable, arguments: tuple[str, ...], words: str) -> None:
    said = cli(*arguments)
    assert said.code == 2
    assert words in said.err


def test_a_number_as_a_source_leads_to_the_camera(cli: Callable) -> None:
    said = cli("watch", "0")
    assert said.code == 2
    assert "for the camera of this machine write webcam:0" in said.err
