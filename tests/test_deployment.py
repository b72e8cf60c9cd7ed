"""The examples of docs/deployment, as far as they can be checked without running them."""

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from monitor.cli import app
from monitor.settings import ENVIRONMENT_PREFIX, load_settings

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "deployment"
UNIT, DOCKERFILE = FOLDER / "deepfake-monitor.service", FOLDER / "Dockerfile"
SERVICE_KEYS = {
    "build", "cap_drop", "deploy", "environment", "image", "init", "mem_limit", "pids_limit", "ports", "profiles",
    "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "volumes",
}  # fmt: skip


def settings_of(pairs: dict[str, str]) -> None:
    """Read them as the program would; an unknown name or a bad value is an error."""
    load_settings(environment={name: value for name, value in pairs.items() if name.startswith(ENVIRONMENT_PREFIX)})


def parsed(arguments: list[str]) -> None:
    """Parse a command line, as far as its options go."""
    command = get_command(app).commands[arguments[0]]  # type: ignore[attr-defined]
    command.make_context(arguments[0], list(arguments[1:]))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


def test_compose_has_a_service_for_each_profile(compose: dict[str, Any]) -> None:
    profiles = {name: service["profiles"] for name, service in compose["services"].items()}
    assert profiles == {"monitor-cpu": ["cpu"], "monitor-gpu": ["gpu"]}
    for service in compose["services"].values():
        assert set(service) <= SERVICE_KEYS
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        context = (FOLDER / service["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / service["build"]["dockerfile"]) == DOCKERFILE
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(compose["volumes"])
    gpu = compose["services"]["monitor-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert [device["capabilities"] for device in gpu] == [["gpu"]]


def test_compose_names_settings_that_exist_and_lets_nobody_in_unasked(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        plain = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value)) for name, value in service["environment"].items()}
        settings_of(plain)
        assert plain["DEEPFAKE_MONITOR_ACCESS__MODE"] == "password"


def instructions() -> list[tuple[str, str]]:
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_runs_as_nobody_special_and_looks_after_itself() -> None:
    found = instructions()
    known = {
        "FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
        "ENTRYPOINT", "CMD",
    }  # fmt: skip
    assert {word for word, _ in found} <= known
    assert [rest for word, rest in found if word == "USER"] == ["monitor"]
    (check,) = [rest for word, rest in found if word == "HEALTHCHECK"]
    assert "http://127.0.0.1:8501/healthz" in check
    code = yaml.safe_load(check.partition("CMD ")[2])
    compile(code[-1], "healthcheck", "exec")
    environment = dict(pair.split("=", 1) for word, rest in found if word == "ENV" for pair in shlex.split(rest))
    settings_of(environment)
    (start,) = [yaml.safe_load(rest) for word, rest in found if word == "CMD"]
    parsed(start)
    for source in (rest.split()[:-1] for word, rest in found if word == "COPY" and "--from" not in rest):
        assert all((ROOT / name).exists() for name in source)


def test_the_image_takes_the_torch_that_is_tested() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    for requirement in wanted:
        if requirement.startswith("torch"):
            assert f'"{requirement}"' in DOCKERFILE.read_text(encoding="utf-8")


def test_what_the_image_needs_is_not_ignored() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = {
        name for word, rest in instructions() if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]
    }
    assert {f"!{name}" for name in wanted} <= set(ignored)


def test_the_unit_starts_what_there_is() -> None:
    text = UNIT.read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=\S+/deepfake-monitor (.*)$", text, re.MULTILINE)
    parsed(start.split())
    for line in ("DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert line in text.splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_says_what_was_not_run() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "Neither image was ever built" in page
    for name in re.findall(r"docs/deployment/([\w.-]+)", page):
        assert (FOLDER / name).is_file()
