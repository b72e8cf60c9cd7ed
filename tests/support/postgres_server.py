"""A real PostgreSQL server of a test's own, on a socket in a temporary folder."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def missing() -> str | None:
    """Why none can be started here, or None."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is missing (pip: psycopg)"
    if not _INSTALLED:
        return "PostgreSQL's server is missing (apt: postgresql)"
    if not os.geteuid() and shutil.which("runuser") is None:
        return "PostgreSQL does not run as root, and there is no runuser"
    return None


def run(program: str, *arguments: str) -> None:
    """One of its programs, as a user that is not root."""
    other = [] if os.geteuid() else ["runuser", "-u", "postgres", "--"]
    command = [*other, str(_INSTALLED[-1] / program), *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")


@contextlib.contextmanager
def serve() -> Iterator[Path]:
    """The folder of a server's socket, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        if not os.geteuid():
            shutil.chown(folder, "postgres")
        data = folder / "data"
        run("initdb", "-D", str(data), "-U", "monitor", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
        run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


@contextlib.contextmanager
def database(folder: Path, name: str) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh database."""
    run("createdb", "-h", str(folder), "-U", "monitor", name)
    yield f"postgresql+psycopg://monitor@/{name}?host={folder}"
    run("dropdb", "-h", str(folder), "-U", "monitor", "--force", name)
