"""The documentation page."""

import re
from html.parser import HTMLParser

from support.api_client import api_client
from support.visitors import token_of

from monitor.server.api.docs_page import render
from monitor.server.api.mount import create_app
from monitor.server.auth.sessions import COOKIE
from monitor.server.auth.user import Role, User
from monitor.server.service import MonitorService


def test_the_page_needs_a_sign_in_or_a_key(api: MonitorService) -> None:
    nobody = api_client(api, None)
    answer = nobody.get("/docs")
    assert answer.status_code == 401
    assert "signed in" in answer.json()["detail"]
    assert nobody.get("/docs?token=guessed").status_code == 401
    assert nobody.get("/docs", headers={"Cookie": f"{COOKIE}=guessed"}).status_code == 401
    assert nobody.get("/docs", headers={"Authorization": "Bearer guessed"}).status_code == 401
    session = api.sessions.begin(User("eve", Role.VIEWER))
    assert nobody.get("/docs", headers={"Cookie": f"{COOKIE}={session}"}).status_code == 200
    assert nobody.get("/docs", params={"token": token_of(api, Role.VIEWER)}).status_code == 200
    assert api_client(api, Role.VIEWER, scopes=["model"]).get("/docs").status_code == 200


def test_the_page_loads_nothing_and_runs_no_script(api: MonitorService) -> None:
    answer = api_client(api).get("/docs")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    found: list[tuple[str, dict[str, str | None]]] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Tags().feed(answer.text)
    assert not [tag for tag, _ in found if tag in ("script", "link", "img", "iframe", "object", "form")]
    assert not [attrs for _, attrs in found if "src" in attrs or str(attrs.get("href", "")).startswith("http")]


def test_every_path_and_value_is_on_the_page() -> None:
    schema = create_app().openapi()
    page = render(schema)
    for path, methods in schema["paths"].items():
        for method in methods:
            assert f"<h3>{method.upper()} {path}</h3>" in page
    for name in schema["components"]["schemas"]:
        assert f'id="value-{name}"' in page
    assert 'Role: admin. Scope: streams. Body: <a href="#value-NewStream"><code>NewStream</code></a>.' in page
    assert not re.search(r"\{\{|\{%", page)


def test_text_of_the_description_is_escaped() -> None:
    schema = create_app().openapi() | {"info": {"title": "<b>", "version": "1", "description": "<i> `a<b`"}}
    page = render(schema)
    assert "<b>" not in page
    assert "&lt;i&gt; <code>a&lt;b</code>" in page
