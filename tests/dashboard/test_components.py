"""A component contains the files of its folder; other tests run the components in a browser."""

from typing import Any

import pytest
import streamlit as st

from monitor.dashboard.components import load_component


def test_a_component_contains_the_files_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(st.components.v2, "component", lambda name, **files: made.setdefault(name, files))
    load_component.cache_clear()
    load_component("monitor.dashboard.keys")
    load_component("monitor.dashboard.viewer", "feed.js", "picture.js", "viewer.js")
    load_component.cache_clear()
    assert set(made["deepfake_monitor.keys"]["css"].split()) >= {".component", "{"}, "the shared style sheet"
    assert "isTyping" in made["deepfake_monitor.keys"]["js"]
    assert "keydown" in made["deepfake_monitor.keys"]["js"]
    viewer = made["deepfake_monitor.viewer"]
    assert viewer["js"].index("WebSocket") < viewer["js"].index("export default")
    assert "canvas" in viewer["html"]
