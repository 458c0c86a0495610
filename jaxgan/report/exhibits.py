"""What a run leaves to be looked at, listened to and read, inside its page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

KINDS = {".png": "image/png", ".gif": "image/gif", ".wav": "audio/wav", ".txt": "text/plain"}  # by ending
LARGEST = 8_000_000  # bytes of a file that is put into a page
WORDS = 20_000  # characters of a text that are shown


def exhibits(shown: Sequence[tuple[str, Path]], kind: str) -> str:
    """Returns pictures (PNG, GIF that moves) and sounds (WAV) side by side, then texts, each with its caption.

    Args:
      shown: captions and files, whose endings are among `KINDS`.
      kind: "large", or "strip" for many small ones.
    """
    side = "".join(_figure(caption, path) for caption, path in shown if path.suffix != ".txt")
    texts = "".join(_text(caption, path) for caption, path in shown if path.suffix == ".txt")
    return (f'<div class="row {kind}">{side}</div>' if side else "") + texts


def _figure(caption: str, path: Path) -> str:
    text, data = escape(caption), path.read_bytes()
    if len(data) > LARGEST:
        text = f"{text}: {escape(path.name)} of {len(data):,} bytes, beside this page"
        return f"<figure><figcaption>{text}</figcaption></figure>"
    source = f"data:{KINDS[path.suffix]};base64,{base64.b64encode(data).decode()}"
    shown = (
        f'<audio controls src="{source}"></audio>' if path.suffix == ".wav" else f'<img src="{source}" alt="{text}">'
    )
    return f"<figure>{shown}<figcaption>{text}</figcaption></figure>"


def _text(caption: str, path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        words = file.read(WORDS + 1)
    more = f"\n(cut: {path.name} has more)" if len(words) > WORDS else ""
    return f"<h3>{escape(caption)}</h3><pre>{escape(words[:WORDS] + more)}</pre>"
