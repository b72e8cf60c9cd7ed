"""Builds Streamlit components (v2) from HTML, CSS and JavaScript files, without a build step."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

_SHARED: Final = Path(__file__).with_name("browser")  # .js and .css of every component


@cache
def load_component(package: str, *scripts: str) -> ComponentRenderer:
    """Loads the component of a package; the first call registers it with Streamlit.

    Args:
        package: holds ``<name>.html``, ``<name>.css`` and the scripts; a missing file counts as empty.
        scripts: joined into one module after ``browser.js``, in this order; default: ``<name>.js``.
    """
    name = package.rpartition(".")[2]
    files = resources.files(package)

    def read(file: str) -> str:
        path = files.joinpath(file)
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    return st.components.v2.component(
        f"deepfake_monitor.{name}",
        html=read(f"{name}.html") or "<span hidden></span>",
        css=_SHARED.with_suffix(".css").read_text(encoding="utf-8") + read(f"{name}.css"),
        js="\n".join([_SHARED.with_suffix(".js").read_text(encoding="utf-8"), *map(read, scripts or (f"{name}.js",))]),
    )
