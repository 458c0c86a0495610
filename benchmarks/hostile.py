"""Wrong values: of flags, of JSON, of bytes, and pictures that are none; each drawn from a seeded `random.Random`."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

WORDS = ("", " ", ".", "x", "None", "nan", "-1", "{}", "%s", "a\nb", "a" * 300, "\N{SNOWMAN}", "\udcff", "--", "-x")
INTEGERS = ("-1", "0", "1", "2", "3", "7", "31", "-9223372036854775809", "9223372036854775808", "1" + "0" * 30)
INTEGERS += ("1.5", "1e3", "0x10", "\N{ARABIC-INDIC DIGIT THREE}", " 3 ", "1_0", "9" * 5000)
FLOATS = ("nan", "inf", "-inf", "-1", "0", "-0.0", "1", "2", "1e-320", "1e30", "1e300", "1e400", "1,5", "-1e-3")
PATHS = ("", ".", "missing", "missing/deep", "run", "run/config.json", "pictures", "pictures/0.png", "/dev/null")
PATHS += (
    "/proc/none",
    "a" * 300,
    "a\nb",
    "\udcff",
    "\N{SNOWMAN}",
    "~",
    "..",
    "empty",
    "pipe",
    "loop",
    "run/summary.json",
)
PATHS += ("weights.npz", "weights.pth", "text.py", "evaluation.json", "run/checkpoints", "-1")
PAGES = (None, True, -1, 0, 1, 2**70, 1e308, float("nan"), float("inf"), "", "x", "\N{SNOWMAN}", [], {}, [[]], {"x": 1})
DEEP = "[" * 100_000  # more levels than a parser that recurses can go down


def value(random: Random, kind: str) -> list[str]:
    """Draws what stands behind a flag, of the kind that `--help` names: "INT", "INT|{latest,best}", "" for a switch."""
    if not kind:
        return random.choice(([], [], [], ["3"], ["True"], [""]))
    if kind.startswith("["):
        return [word for _ in range(random.randrange(4)) for word in value(random, "STR")]
    part = random.choice(re.sub(r"\{None\}\|", "", kind).split("|"))
    if part.startswith("{"):
        return [random.choice((*part.strip("{}").split(","), *WORDS))]
    values = {"INT": INTEGERS, "FLOAT": (*FLOATS, *INTEGERS), "PATH": PATHS, "STR": (*WORDS, *PATHS)}[part]
    return [random.choice((*values, *WORDS) if random.random() < 0.2 else values)]


def torn(random: Random, data: bytes) -> bytes:
    """Damages bytes in one of the ways in which files are damaged."""
    if not data:
        return b"\0"
    at = random.randrange(len(data))
    end = min(len(data), at + random.choice((1, 4, 64, 4096)))
    return random.choice(
        (
            data[:at],
            data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :],
            data[:at] + data[end:],
            data[:at] + random.randbytes(end - at) + data[end:],
            data[:at] + b"\xff" * (end - at) + data[end:],
            data[:at] + bytes(end - at) + data[end:],
            data + data[at:],
            b"",
        )
    )


def page(random: Random, text: str) -> bytes:
    """Damages a JSON page: mostly a node of it, in other cases its bytes."""
    chance = random.random()
    if chance < 0.15:
        return torn(random, text.encode())
    if chance < 0.2:
        return random.choice((DEEP.encode(), b'{"a":' * 100_000, b"9" * 5000, b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"NaN"))
    whole = json.loads(text)
    for _ in range(random.choice((1, 1, 2))):
        whole = _changed(random, whole)
    return json.dumps(whole).encode()


def _changed(random: Random, node: Any) -> Any:
    """Replaces one node, or leaves it out."""
    if not isinstance(node, dict | list) or not node or random.random() < 0.2:
        return random.choice(PAGES)
    where = random.choice(list(node) if isinstance(node, dict) else range(len(node)))
    if random.random() < 0.2:
        kept = [(key, child) for key, child in (node.items() if isinstance(node, dict) else enumerate(node))]
        kept = [(key, child) for key, child in kept if key != where]
        return dict(kept) if isinstance(node, dict) else [child for _, child in kept]
    changed = dict(node) if isinstance(node, dict) else list(node)
    changed[where] = _changed(random, node[where])  # type: ignore[index]
    return changed


def lines(random: Random, text: str) -> bytes:
    """Damages a page of one JSON object a line."""
    rows = text.splitlines() or ["{}"]
    at = random.randrange(len(rows))
    made = [row.encode() for row in rows]
    made[at] = page(random, rows[at])
    return b"\n".join(made) + random.choice((b"\n", b""))


def picture(random: Random, folder: Path, good: bytes) -> None:
    """Puts something into a folder of pictures that is named like one."""
    name = random.choice(
        ("x.png", "y.jpg", "Z.PNG", "w.webp", "a\nb.png", ".png", ".hidden.png", "\udcff.png", "t.tif")
    )
    path = folder / random.choice(("", "", "below")) / name
    path.parent.mkdir(exist_ok=True)
    if os.path.lexists(path):
        return  # and not through a link
    kind = random.randrange(9)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        os.mkfifo(path)
    elif kind == 2:
        path.symlink_to(random.choice(("missing", name, "/dev/zero", "..", "/proc/self/mem")))
    elif kind == 3:
        path.write_bytes(_png_of_size(*random.choice(((65535, 65535), (0, 0), (1 << 31, 1), (20000, 20000)))))
    elif kind <= 6:
        mode = random.choice(("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK"))
        size = random.choice(((1, 1), (1, 300), (31, 32), (64, 64)))
        data, form = io.BytesIO(), {"CMYK": "TIFF", "F": "TIFF", "I": "TIFF"}.get(mode, "PNG")
        Image.fromarray(np.full(size, random.randrange(256), np.uint8)).convert(mode).save(data, form)
        path.write_bytes(data.getvalue() if kind < 6 else torn(random, data.getvalue()))
    else:
        path.write_bytes(torn(random, good))


def _png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises these pixels, and whose data hold none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
