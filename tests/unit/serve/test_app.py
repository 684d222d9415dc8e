"""The routes that need no worker: the page, and what is answered when something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spacy_cardioner.serve.pool import Dispatcher
from spacy_cardioner.serve.request import Refused
from spacy_cardioner.serve.settings import Service

NEEDS = 'needs "spacy_cardioner[serve]" and httpx'
pytest.importorskip("httpx", reason=NEEDS)
TestClient = pytest.importorskip("starlette.testclient", reason=NEEDS).TestClient
application = pytest.importorskip("spacy_cardioner.serve.app", reason=NEEDS)
Bodies = pytest.importorskip("spacy_cardioner.serve.body", reason=NEEDS).Bodies

SECRET = "Zacarias-Secreto"
SERVICE = Service(("x",), max_body=100)


def client(**options: object) -> Any:
    app = application.make_app(SERVICE._replace(**options), Dispatcher(SERVICE))
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("root_path", ["", "/cardioner"])
def test_the_page_is_served_with_its_files_and_no_others(
    root_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.py").touch()
    page = tmp_path / "page"
    page.mkdir()
    for name in ("index.html", "app.js", "style.css", "es.json"):
        (page / name).write_text("{}")
    monkeypatch.setattr(application, "PAGE", page)
    asked = client(root_path=root_path)
    types = {"": "text/html", "page/app.js": "text/javascript", "page/style.css": "text/css"}
    for path, kind in {**types, "page/es.json": "application/json"}.items():
        answer = asked.get(f"{root_path}/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    for path in ("page/../secret.py", "page/..%2fsecret.py", "page/%2e%2e/secret.py", "page/"):
        assert asked.get(f"{root_path}/{path}").status_code == 404


def test_a_fault_is_told_without_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(application, "parse", fail)
    answer = client().post("/annotate", json={"text": SECRET})
    assert answer.status_code == 500
    assert answer.json()["error"]
    printed = capsys.readouterr()
    assert "ValueError" in printed.err
    assert SECRET not in printed.err + printed.out + answer.text


def test_a_service_without_workers_is_not_ready() -> None:
    assert client().get("/ready").status_code == 503
    assert client().get("/health").status_code == 200


def test_only_so_many_large_bodies_are_in_memory() -> None:
    bodies = Bodies(SERVICE)
    with bodies.hold(900), pytest.raises(Refused) as raised, bodies.hold(200):
        pass
    assert (raised.value.status, raised.value.retry) == (503, True)
    with bodies.hold(1000):
        pass
    assert bodies.held == 0


def test_a_token_may_hold_anything_else_than_the_right_one() -> None:
    asked = client(token="right")
    for given in ("", "right", "Basic right", "Bearer wrong", "Bearer \xff", "Bearer right right"):
        headers = {"authorization": given.encode("latin-1")}
        assert asked.get("/metrics", headers=headers).status_code == 401
    for given in ("Bearer right", "bearer  right"):
        assert asked.get("/metrics", headers={"authorization": given}).status_code == 200
