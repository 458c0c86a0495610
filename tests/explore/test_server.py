"""What the explorer answers, and to whom, without a network."""

import asyncio

import pytest

from jaxgan.explore import server
from jaxgan.explore.server import MAX_REQUEST, guarded, hosts_of


def asked(path, host="127.0.0.1:7860", hosts="127.0.0.1", **headers):
    """The status of an answer, or "served" where the request reaches the server behind."""
    statuses = []

    async def app(scope, receive, send):
        statuses.append("served")

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    pairs = [(b"host", host.encode()), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())]
    scope = {"type": "http", "path": path, "headers": pairs}
    asyncio.run(guarded(app, hosts_of(hosts))(scope, None, send))
    return statuses


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/theme.css", "/assets/index-B1.js", "/static/js/frame.min.js", "/gradio_api/run/predict"],
)
def test_what_the_page_needs_is_served(path):
    assert asked(path) == ["served"]


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "//gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://example.org/",
        "/gradio_api/proxy=https://example.org/",
        "/gradio_api/upload",
        "/gradio_api/component_server",
        "/gradio_api/vibe-edit/",
        "/assets/../../../../etc/passwd",
        "/static/..%2f..%2fetc/passwd",
        "/monitoring",
        "/openapi.json",
        "/docs",
    ],
)
def test_nothing_else_is(path):
    assert asked(path) == [404]


def test_another_name_of_this_machine_is_not_answered():
    """A page elsewhere whose name is made to point here (DNS rebinding)."""
    assert asked("/", host="evil.example") == [421]
    assert asked("/", host="evil.example:7860") == [421]
    assert asked("/", host="localhost:7860") == ["served"]
    assert asked("/", host="[::1]:7860") == ["served"]
    assert asked("/", host="workstation:7860", hosts="0.0.0.0") == ["served"]


def test_large_requests_are_not_read():
    assert asked("/gradio_api/run/predict", content_length=str(MAX_REQUEST + 1)) == [413]
    assert asked("/gradio_api/run/predict", content_length="-1") == [413]
    assert asked("/gradio_api/run/predict", transfer_encoding="chunked") == [413]
    assert asked("/gradio_api/run/predict", content_length=str(MAX_REQUEST)) == ["served"]


def test_nothing_but_requests_of_pages_is_answered():
    reached = []

    async def app(scope, receive, send):
        reached.append(scope["type"])

    for kind in ("websocket", "lifespan"):
        asyncio.run(guarded(app, None)({"type": kind, "path": "/", "headers": []}, None, None))
    assert reached == ["lifespan"]


def test_what_a_click_needs_is_imported_once_a_page_is_shown(monkeypatch):
    """Not before: the page's own scripts would wait for it."""
    begun = []
    monkeypatch.setattr(server, "_import_matplotlib", lambda: begun.append(True))
    for path in ("/", "/assets/index-B1.js", "/theme.css", "/gradio_api/heartbeat/"):
        asked(path)
    assert not begun
    assert asked("/gradio_api/heartbeat/bre3y3ywahq") == ["served"]
    assert begun
