"""The .safetensors format by hand: eight bytes of length, a JSON header, raw little-endian arrays."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

HEADER_LIMIT = 100_000_000  # bytes; the format's own bound
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # has no NumPy type: widened to float32, exactly
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "<?",
}
NAMES = {np.dtype(code): name for name, code in DTYPES.items() if name != "BF16"}


def parse(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Reads the bytes of a .safetensors file.

    Args:
      data: the whole file.
    Returns:
      (names to arrays, read-only views of data; the file's metadata).
    Raises:
      ValueError: the header is too large, torn or not as the format says; the arrays overlap, leave holes or do not
        fill the file.
    """
    if len(data) < 8:
        raise ValueError("not a .safetensors file: shorter than its header's length")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(HEADER_LIMIT, len(data) - 8):
        raise ValueError(f"not a .safetensors file: a header of {length} bytes in a file of {len(data)}")
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("not a .safetensors file: its header is nested too deeply") from error
    if not isinstance(header, dict):
        raise ValueError("not a .safetensors file: its header is not a dictionary")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("the .safetensors metadata must map text to text")
    body = memoryview(data)[8 + length :]
    entries = {name: _entry(name, entry) for name, entry in header.items()}
    position = 0
    for name, (_, _, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != position:
            raise ValueError(f"array {name!r} begins at byte {begin} where {position} was expected")
        position = end
    if position != len(body):
        raise ValueError(f"the arrays end at byte {position} of {len(body)}")
    return {name: _array(body, *entry) for name, entry in entries.items()}, metadata


def dump(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """Writes arrays and metadata as the bytes of a .safetensors file; equal input gives equal bytes.

    Raises:
      ValueError: a dtype that the format does not have, or the reserved name "__metadata__".
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts, position = [], 0
    for name, array in sorted(arrays.items()):
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if little.dtype not in NAMES or name in header:
            raise ValueError(f"cannot store array {name!r} of {array.dtype} as .safetensors")
        parts.append(little.tobytes())
        end = position + len(parts[-1])
        header[name] = {"dtype": NAMES[little.dtype], "shape": list(array.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # arrays begin at a multiple of eight
    return b"".join([struct.pack("<Q", len(text)), text, *parts])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("not a .safetensors file: a name occurs twice in its header")
    return dict(pairs)


def _entry(name: str, entry: Any) -> tuple[str, list[int], int, int]:
    """Returns (dtype, shape, begin, end) once they agree."""
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if dtype in DTYPES:
            whole = all(type(n) is int and n >= 0 for n in (*shape, begin))
            if whole and end - begin == math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
                return dtype, shape, begin, end
    raise ValueError(f"array {name!r} has an impossible entry: {entry!r:.200}")


def _array(body: memoryview, dtype: str, shape: list[int], begin: int, end: int) -> np.ndarray:
    array = np.frombuffer(body[begin:end], DTYPES[dtype]).reshape(shape)
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else array
