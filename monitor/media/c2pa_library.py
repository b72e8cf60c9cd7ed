"""The C2PA library, without its network access."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_NAMES: Final = {"darwin": "libc2pa_c.dylib", "win32": "c2pa_c.dll"}
_NAME_VARIABLE: Final = "C2PA_LIBRARY_NAME"

_LARGEST_MANIFEST: Final = 64  # megabytes, decompressed


def offline_but(hosts: Sequence[str] = ()) -> dict[str, Any]:
    """Settings of the library that allow no request but those to ``hosts``, and no thumbnails.

    The list of hosts alone would suffice; the other switches say which requests there are.
    """
    return {
        "version": 1,
        "core": {
            "allowed_network_hosts": list(hosts),
            "allow_redirects": False,
            "decode_identity_assertions": False,
            "max_decompressed_manifest_size_in_mb": _LARGEST_MANIFEST,
        },
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }


@cache
def load_library() -> ModuleType:
    """The module ``c2pa``, with the compiled library of its own package.

    Raises:
        ImportError: there is no such package, or no compiled library for this system.
    """
    found = importlib.util.find_spec("c2pa")
    if found is None or found.origin is None:
        raise ImportError("the package c2pa-python is not installed")
    before = os.environ.get(_NAME_VARIABLE)
    if before is None:
        # The package looks in the working directory first: a file there, beside foreign media, would be executed.
        library = Path(found.origin).parent / "libs" / _NAMES.get(sys.platform, "libc2pa_c.so")
        os.environ[_NAME_VARIABLE] = str(library)
        if not library.is_file():
            del os.environ[_NAME_VARIABLE]
            raise ImportError("the package c2pa-python has no library for this system")
    try:
        return importlib.import_module("c2pa")
    except (OSError, RuntimeError, AttributeError) as error:  # of another processor or system
        raise ImportError("the library of the package c2pa-python cannot be loaded on this system") from error
    finally:
        if before is None:
            os.environ.pop(_NAME_VARIABLE, None)
