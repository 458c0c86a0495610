"""Reads state dicts from PyTorch's .pth files, of the zip format and of the legacy one, without PyTorch.

A .pth is a pickle beside raw arrays: `pickles` describes the one, and here the others become arrays.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgan.metrics.extractors.pickles import DTYPES, Storage, Tensor, describe, texts

MAGIC = 0x1950A86A20F9469CFC6C  # the first number of the legacy format (torch < 1.6)
LEGACY_VERSION = 1001  # its second
BROKEN = (  # what the machine, zipfile and NumPy raise when a file does not say what it should
    *(IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError, RuntimeError),
    *(struct.error, zipfile.BadZipFile),
)


def parse(data: bytes) -> dict[str, np.ndarray]:
    """Reads a state dict from the bytes of a .pth file, of the zip format (torch >= 1.6) or the legacy one.

    Args:
      data: the whole file; of a checkpoint that holds one beside other things, "model_state_dict" is read.
    Returns:
      Names to arrays, read-only where they are views of data; bfloat16 is widened to float32.
    Raises:
      ValueError: a global or an instruction that is not on the list (named), a torn or inconsistent file, tensors that
        reach outside their storage, or a file that holds something else than a dictionary of tensors.
    """
    try:
        described, storages = _zipped(data) if data[:4] == b"PK\x03\x04" else legacy(data)
        if isinstance(described, dict) and isinstance(described.get("model_state_dict"), dict):
            described = described["model_state_dict"]
        _check_state_dict(described)
        return arrays(described, storages, len(data))
    except BROKEN as error:
        raise ValueError(f"not a readable .pth file: {type(error).__name__}: {error}") from error


def _zipped(data: bytes) -> tuple[Any, dict[str, bytes]]:
    """Returns what the pickle describes, and the bytes of the storages by key."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        entries = file.infolist()
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names) or any(entry.compress_type for entry in entries):
            raise ValueError("not written by torch.save: the archive has compressed or repeated entries")
        if sum(entry.file_size for entry in entries) > len(data):
            raise ValueError("the archive claims more bytes than it has")
        roots = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError(f"not written by torch.save: {len(roots)} entries named data.pkl in the archive")
        order = f"{roots[0]}byteorder"
        if order in names and file.read(order) != b"little":
            raise ValueError(f"byte order {file.read(order)!r} is not supported; save it on a little-endian machine")
        described = describe(io.BytesIO(file.read(f"{roots[0]}data.pkl")))
        folder = f"{roots[0]}data/"
        keys = [name.removeprefix(folder) for name in names if name.startswith(folder)]
        return described, {key: file.read(folder + key) for key in keys}


def legacy(data: bytes) -> tuple[Any, dict[str, bytes]]:
    """Reads the format of torch < 1.6: five pickles, then each storage with its length before it.

    Args:
      data: the whole file.
    Returns:
      What it describes, and the bytes of the storages by key.
    Raises:
      ValueError or one of BROKEN: it is not of this format, torn, or holds what weights do not need.
    """
    stream = io.BytesIO(data)
    if describe(stream) != MAGIC or describe(stream) != LEGACY_VERSION:
        raise ValueError("not a .pth file: neither the zip format nor the legacy one of torch.save")
    if describe(stream).get("little_endian") is not True:
        raise ValueError("big-endian files are not supported; save it on a little-endian machine")
    announced: dict[str, Storage] = {}
    described = describe(stream, announced)
    if isinstance(described, dict):
        texts(list(described))
    storages = {}
    for key in describe(stream):
        (size,) = struct.unpack("<q", stream.read(8))
        if size != announced[key].size:
            raise ValueError(f"storage {key} has {size} elements where {announced[key].size} were announced")
        storages[key] = stream.read(size * np.dtype(DTYPES[announced[key].kind]).itemsize)
    return described, storages


def _check_state_dict(described: Any) -> None:
    if not isinstance(described, dict):
        raise ValueError(f"the file holds a {type(described).__name__}, not a state dict of named tensors")
    texts(list(described))
    other = [name for name, tensor in described.items() if not isinstance(tensor, Tensor)]
    if other:
        raise ValueError(f"the file holds more than tensors, under {other[:5]}; save the plain state dict instead")


def arrays(described: Mapping[str, Tensor], storages: Mapping[str, bytes], limit: int) -> dict[str, np.ndarray]:
    """Makes arrays of what was described.

    Args:
      described: tensors by name.
      storages: bytes by key.
      limit: bytes of the file: what unfolds to much more is refused before anything is allocated.
    Returns:
      Names to arrays, read-only where they are views of a storage; bfloat16 is widened to float32.
    Raises:
      ValueError or KeyError: the tensors claim more, reach outside their storage, or have none.
    """
    # tensors may share storages (tied weights), but not so often that a small file becomes a large one
    total = sum(math.prod(t.shape) * np.dtype(DTYPES[t.storage.kind]).itemsize for t in described.values())
    if total > 2 * limit:
        raise ValueError(f"the tensors claim {total} bytes where the file has {limit}")
    return {name: _array(name, tensor, storages) for name, tensor in described.items()}


def _array(name: str, tensor: Tensor, storages: Mapping[str, bytes]) -> np.ndarray:
    """Returns the tensor's numbers; a view where they lie in order."""
    kind, key, size = tensor.storage
    dtype = np.dtype(DTYPES[kind])
    if len(storages[key]) != size * dtype.itemsize:
        raise ValueError(f"torn: storage {key} has {len(storages[key])} bytes for {size} elements of {dtype}")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if 0 in tensor.shape:
        flat = np.empty(tensor.shape, dtype)
    elif last >= size:
        raise ValueError(f"tensor {name!r} reaches element {last} of a storage of {size}")
    else:
        start = np.frombuffer(storages[key], dtype)[tensor.offset :]
        steps = tuple(step * dtype.itemsize for step in tensor.strides)
        flat = np.ascontiguousarray(np.lib.stride_tricks.as_strided(start, tensor.shape, steps, writeable=False))
        flat = flat.reshape(tensor.shape)  # a scalar stays one
    if kind == "BFloat16Storage":
        return (flat.astype(np.uint32) << 16).view(np.float32)
    return flat != 0 if kind == "BoolStorage" else flat
