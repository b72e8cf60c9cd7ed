"""The user of the operating system that runs this program, who may have neither a name nor a home folder.

Containers often run with a user id that the system does not list (``docker run --user 54321``).
"""

import getpass
import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from monitor.errors import UsageError

_PROGRAM = "deepfake-monitor"


def user_name() -> str:
    """The name of the user, or ``user 54321`` if the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # the exception depends on Python's version
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown user"


def cache_folder() -> Path:
    """The user's folder for files that can be made again.

    Raises:
        UsageError: the user has no home folder.
    """
    return _own_folder(platformdirs.user_cache_path, variable="XDG_CACHE_HOME", setting="cache_dir")


def data_folder() -> Path:
    """The user's folder for files to keep.

    Raises:
        UsageError: the user has no home folder.
    """
    return _own_folder(platformdirs.user_data_path, variable="XDG_DATA_HOME", setting="evidence.folder")


def _own_folder(find: Callable[..., Path], *, variable: str, setting: str) -> Path:
    try:
        return find(_PROGRAM, appauthor=False)
    except RuntimeError:
        raise UsageError(
            f"{user_name()} has no home folder; set the environment variable HOME or {variable} to a folder that can "
            f"be written, or the setting {setting}"
        ) from None
