"""What runs in the browser: a Streamlit component (v2) put together from files, without a build step."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

_SHARED: Final = Path(__file__).with_name("browser")  # .js and .css of every part


@cache
def part(package: str, *scripts: str) -> ComponentRenderer:
    """The component of a package, registered with the first page that shows it.

    Args:
        package: whose ``<name>.html``, ``<name>.css`` and scripts are used; what is missing is empty.
        scripts: joined into one module after ``browser.js``, in this order; default: ``<name>.js``.
    """
    name = package.rpartition(".")[2]
    files = resources.files(package)

    def text(file: str) -> str:
        found = files.joinpath(file)
        return found.read_text(encoding="utf-8") if found.is_file() else ""

    return st.components.v2.component(
        f"deepfake_monitor.{name}",
        html=text(f"{name}.html") or "<span hidden></span>",
        css=_SHARED.with_suffix(".css").read_text(encoding="utf-8") + text(f"{name}.css"),
        js="\n".join([_SHARED.with_suffix(".js").read_text(encoding="utf-8"), *map(text, scripts or (f"{name}.js",))]),
    )
