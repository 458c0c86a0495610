"""The explorer's server: Gradio with everything left out that is not the page's own, on this machine alone.

Gradio can also serve files, fetch addresses for a browser, take uploads and record screens. The page does without: it
carries its pictures itself. So all paths but those that a page needs are refused before they reach Gradio, and so are
hosts that are not this machine's names: a page elsewhere cannot reach this one by a name of its own (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MAX_REQUEST = 30_000_000  # bytes of a request: a picture in base64 and a little more
# What a page asks for: itself, its scripts and styles, and the calls of its controls. No file=, proxy=, upload, ...
PATHS = re.compile(
    r"/(|config|theme\.css|favicon\.ico|manifest\.json|robots\.txt"
    r"|(static|assets|svelte)/[\w./@%~+-]*"
    r"|gradio_api/(startup-events|app_id|theme\.css|queue/(join|data)|run/predict|heartbeat/\w+))/?"
)
SHOWN = re.compile(r"/gradio_api/heartbeat/\w+")  # what a page asks for once it is shown

Scope = MutableMapping[str, Any]
Call = Callable[..., Awaitable[Any]]


def guarded(app: Call, hosts: tuple[str, ...] | None) -> Call:
    """Wraps a server, so that it answers what the page asks for and nothing else.

    Args:
      app: an ASGI application.
      hosts: names that this machine is asked by; None: any.
    Returns:
      An ASGI application.
    """

    async def call(scope: Scope, receive: Call, send: Call) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        host = re.sub(r":\d*$", "", headers.get(b"host", b"").decode("latin-1")).lower()
        if hosts is not None and host not in hosts:
            await _refuse(send, 421, f"this server is not {host!r}")
        elif not PATHS.fullmatch(scope["path"]) or ".." in scope["path"]:
            await _refuse(send, 404, "there is nothing here")
        elif not length.isdigit() or int(length) > MAX_REQUEST or b"transfer-encoding" in headers:
            await _refuse(send, 413, f"a request has at most {MAX_REQUEST} bytes, and says how many")
        else:
            if SHOWN.fullmatch(scope["path"]):
                _import_matplotlib()
            await app(scope, receive, send)

    return call


def hosts_of(host: str) -> tuple[str, ...] | None:
    """Returns the names that a server on this address may be asked by; None, any, where others can reach it."""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return ("localhost", "127.0.0.1", "[::1]", host.lower()) if local else None


async def _refuse(send: Call, status: int, words: str) -> None:
    body = words.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(page: Any, *, host: str, port: int | None, inline: bool, look: dict[str, Any]) -> str:
    """Starts to serve a page, in a thread of its own.

    Args:
      page: Gradio's Blocks.
      host: address to listen on.
      port: likewise; None: the first free one from 7860 on.
      inline: show it in the notebook that this is called from.
      look: theme and css.
    Returns:
      The page's address.
    Raises:
      ValueError: the address is not this machine's, or the port is taken.
    """
    from starlette.middleware import Middleware

    if port is not None and not 0 < port < 65536:
        raise ValueError(f"--port {port} is no port; use 1..65535")
    wrapped: Any = guarded
    try:
        page.launch(
            server_name=host,
            server_port=port,
            inline=inline,
            height=860,
            inbrowser=False,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            allowed_paths=[],
            blocked_paths=["/"],
            footer_links=[],
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            run_history=False,
            state_session_capacity=64,
            app_kwargs={"middleware": [Middleware(wrapped, hosts=hosts_of(host))], "docs_url": None, "redoc_url": None},
            **look,
        )
    except OSError as error:
        where = f"{host}:{port}" if port else host
        raise ValueError(f"nothing can be served at {where}: is it taken, or of another machine? Use --port") from error
    return str(page.local_url)


@functools.cache
def _import_matplotlib() -> None:
    """Imports what Gradio imports at its first call where it is installed: half a second that no click waits for.

    In a thread, a second after a page was shown: before, that page would wait for it.
    """

    def work() -> None:
        with contextlib.suppress(ImportError):
            import matplotlib.pyplot  # noqa: F401

    later = threading.Timer(1.0, work)
    later.daemon = True
    later.start()
