"""Every part has what it is made of; browsers run them in other tests."""

from typing import Any

import pytest
import streamlit as st

from monitor.dashboard.components import part


def test_a_part_is_made_of_the_files_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(st.components.v2, "component", lambda name, **files: made.setdefault(name, files))
    part.cache_clear()
    part("monitor.dashboard.keys")
    part("monitor.dashboard.viewer", "feed.js", "picture.js", "viewer.js")
    part.cache_clear()
    assert set(made["deepfake_monitor.keys"]["css"].split()) >= {".part", "{"}, "how every part looks"
    assert "isTyping" in made["deepfake_monitor.keys"]["js"]
    assert "keydown" in made["deepfake_monitor.keys"]["js"]
    viewer = made["deepfake_monitor.viewer"]
    assert viewer["js"].index("WebSocket") < viewer["js"].index("export default")
    assert "canvas" in viewer["html"]
