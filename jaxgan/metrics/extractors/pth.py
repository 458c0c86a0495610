"""Reads PyTorch's .pth files, and .pkl files of networks, without PyTorch, and without ever running what is in them.

A .pth file is a pickle beside raw arrays, and a pickle is a program. This room is the only one of the library that
reads one, and it does not run it: `pickletools` merely names the instructions, and a machine of two dozen of them
builds dictionaries, lists and descriptions of tensors. It has no instruction that imports or calls anything. A global
that is not on the list of `GLOBALS` is refused by its name, an instruction that is not known by its own.

A .pkl of StyleGAN2-ADA, StyleGAN3 or R3GAN holds objects besides: networks, with the source code of their classes. The
same machine describes those of `CLASSES` by their names and what they hold, for `modules`; the source code is a text to
it, and is dropped.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
import struct
import zipfile
from typing import Any, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C  # the first number of the legacy format (torch < 1.6)
LEGACY_VERSION = 1001  # its second
DTYPES = {  # by the storage's name; bfloat16 has no NumPy type and is widened to float32, exactly
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}
GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {name}" for name in DTYPES),
}
CLASSES = re.compile(  # of objects that a .pkl of networks may hold: described by their names, and never looked up
    r"torch Size|torch (float|bfloat|u?int)\d+|torch bool|(__builtin__|builtins) set|_codecs encode"
    r"|torch\.storage _load_from_bytes|torch_utils\.persistence _reconstruct_persistent_obj|dnnlib\.util EasyDict"
    r"|numpy dtype|numpy\._?core\.multiarray scalar"
    r"|torch\.nn\.modules\.(container|linear|conv|activation) [A-Z]\w*"
    r"|training\.networks (Generator|Discriminator)|R3GAN\.(Networks|FusedOperators|Resamplers) [A-Z]\w*"
)
PLAIN = (str, int, float, bool, type(None))  # what is kept of a module's attributes
MODULES, DEPTH = 20_000, 32  # how many a file may hold, and how deeply within each other
BROKEN = (  # what the machine, zipfile and NumPy raise when a file does not say what it should
    *(IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError, RuntimeError),
    *(struct.error, zipfile.BadZipFile),
)


class Global(NamedTuple):
    """A name that a pickle asked for; it is never looked up."""

    name: str  # "module attribute", one of GLOBALS


class Storage(NamedTuple):
    """Where a tensor's numbers lie."""

    kind: str  # a key of DTYPES
    key: str  # a decimal number
    size: int  # elements


class Tensor(NamedTuple):
    """A description of a tensor: a view into a storage."""

    storage: Storage
    offset: int  # elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # elements


class Object(NamedTuple):
    """What a pickle says of an object whose class is on the list of CLASSES; it is never made."""

    name: str  # "module attribute"; of a persistent class "persistent NAME"
    state: dict[Any, Any]  # its attributes


class Module(NamedTuple):
    """A network that a .pkl describes, and its parts by dotted names: "" is the network itself."""

    kinds: dict[str, str]  # names of classes
    attributes: dict[str, Any]  # by "part.attribute": those that are texts, numbers or None
    arrays: dict[str, np.ndarray]  # parameters and buffers, by "part.name"


def modules(data: bytes) -> dict[str, Module]:
    """Reads the networks of a .pkl file: StyleGAN2-ADA's, StyleGAN3's, R3GAN's.

    Args:
      data: the whole file, a dictionary that was pickled.
    Returns:
      The networks of the dictionary, by its keys ("G", "D", "G_ema"); what else it holds is left out.
    Raises:
      ValueError: a global or an instruction that is not on the list (named), a torn or inconsistent file, or none of a
        dictionary with networks.
    """
    storages: dict[str, bytes] = {}
    try:
        stream = io.BytesIO(data)
        root = run(stream, storages=storages)
        if not isinstance(root, dict):
            raise ValueError(f"the file holds a {type(root).__name__}, not a dictionary of networks")
        networks = {str(key): thing for key, thing in root.items() if isinstance(thing, Object) and _is_module(thing)}
        if not networks:
            raise ValueError(f"the file holds no network under {[str(key)[:40] for key in root][:10]}")
        count = [0]
        described = {key: _parts(network, count) for key, network in networks.items()}
        for _, _, tensors in described.values():
            _check_total(tensors, len(data))
        return {
            key: Module(kinds, attributes, {name: _array(name, t, storages) for name, t in tensors.items()})
            for key, (kinds, attributes, tensors) in described.items()
        }
    except BROKEN as error:
        raise ValueError(f"not a readable .pkl file: {type(error).__name__}: {error}") from error


def _is_module(thing: Object) -> bool:
    return all(isinstance(thing.state.get(part), dict) for part in ("_parameters", "_buffers", "_modules"))


def _parts(
    network: Object, count: list[int], prefix: str = "", depth: int = 0
) -> tuple[dict[str, str], dict[str, Any], dict[str, Tensor]]:
    """Returns classes, plain attributes and tensors of a network and of all that is in it, by dotted names.

    A pickle may put one object in two places, or in itself: what it unfolds to is bounded.
    """
    count[0] += 1
    if count[0] > MODULES or depth > DEPTH:
        raise ValueError(f"refused: more than {MODULES} parts of networks, or more than {DEPTH} within each other")
    start = f"{prefix}." if prefix else ""
    state = network.state
    kinds = {prefix: network.name.split(" ")[-1]}
    attributes = {f"{start}{name}": value for name, value in state.items() if isinstance(value, PLAIN)}
    tensors = dict[str, Tensor]()
    for name, value in (state["_parameters"] | state["_buffers"]).items():
        if isinstance(value, Tensor):
            tensors[f"{start}{name}"] = value
    for name, part in state["_modules"].items():
        if isinstance(part, Object) and _is_module(part):
            inner = _parts(part, count, f"{start}{name}", depth + 1)
            for mine, theirs in zip((kinds, attributes, tensors), inner, strict=True):
                mine.update(theirs)  # type: ignore[attr-defined]
    return kinds, attributes, tensors


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
        described, storages = _zipped(data) if data[:4] == b"PK\x03\x04" else _legacy(data)
        if isinstance(described, dict) and isinstance(described.get("model_state_dict"), dict):
            described = described["model_state_dict"]
        _check_state_dict(described, len(data))
        return {name: _array(name, tensor, storages) for name, tensor in described.items()}
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
        described = run(io.BytesIO(file.read(f"{roots[0]}data.pkl")))
        folder = f"{roots[0]}data/"
        keys = [name.removeprefix(folder) for name in names if name.startswith(folder)]
        return described, {key: file.read(folder + key) for key in keys}


def _legacy(data: bytes) -> tuple[Any, dict[str, bytes]]:
    """The same of the format of torch < 1.6: five pickles, then each storage with its length before it."""
    stream = io.BytesIO(data)
    if run(stream) != MAGIC or run(stream) != LEGACY_VERSION:
        raise ValueError("not a .pth file: neither the zip format nor the legacy one of torch.save")
    if run(stream).get("little_endian") is not True:
        raise ValueError("big-endian files are not supported; save it on a little-endian machine")
    announced: dict[str, Storage] = {}
    described = run(stream, announced)
    if isinstance(described, dict):
        _texts(list(described))
    storages = {}
    for key in run(stream):
        (size,) = struct.unpack("<q", stream.read(8))
        if size != announced[key].size:
            raise ValueError(f"storage {key} has {size} elements where {announced[key].size} were announced")
        storages[key] = stream.read(size * np.dtype(DTYPES[announced[key].kind]).itemsize)
    return described, storages


def run(
    stream: io.BytesIO, announced: dict[str, Storage] | None = None, *, storages: dict[str, bytes] | None = None
) -> Any:
    """Builds what one pickle describes; stops after its last instruction.

    Args:
      stream: bytes in memory, at the beginning of a pickle.
      announced: receives the storages by key, if given.
      storages: of a pickle that may hold objects of CLASSES, receives the bytes of its storages by new keys; None: it
        may not.
    Returns:
      Nested dict, list, tuple, str, numbers, Storage, Tensor, Object.
    Raises:
      ValueError: something that is not on the list, named; or torn.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(stream):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode.name])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode.name]())
            case "TUPLE":
                stack.append(tuple(_pop(stack, marks.pop())))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(_pop(stack, len(stack) - int(opcode.name[-1]))))
            case "SETITEM" | "SETITEMS" | "APPEND" | "APPENDS":
                _fill(opcode.name, stack, marks)
            case "GLOBAL":
                stack.append(_allowed(argument, storages is not None))
            case "STACK_GLOBAL":
                stack.append(_allowed(" ".join(_texts(_pop(stack, len(stack) - 2))), storages is not None))
            case "BINPERSID" if storages is None:
                stack.append(_storage(stack.pop()))
                if announced is not None:
                    announced[stack[-1].key] = stack[-1]
            case "REDUCE":
                arguments, what = stack.pop(), stack.pop()
                stack.append(_built(what, arguments) if storages is None else _described(what, arguments, storages))
            case name if storages is not None and name in OBJECTS:
                _object(name, argument, stack, marks, storages)
            case "BUILD":  # the attributes of an OrderedDict (its _metadata): of no use here
                if not (isinstance(stack.pop(), dict) and isinstance(stack[-1], dict)):
                    raise ValueError("refused: attributes of something else than a dictionary")
            case name:
                raise ValueError(f"refused: the pickle holds the instruction {name} {argument or ''}".rstrip())
    raise ValueError("torn: a pickle without end")


def _fill(name: str, stack: list[Any], marks: list[int]) -> None:
    """Puts items into the dictionary or the list that lies below them."""
    one = 2 if name.startswith("SET") else 1
    items = _pop(stack, marks.pop() if name.endswith("S") else len(stack) - one)
    if one == 2:
        stack[-1].update(zip(_keys(items[::2]), items[1::2], strict=True))
    else:
        stack[-1].extend(items)


OBJECTS = {"EMPTY_SET", "ADDITEMS", "BINBYTES", "SHORT_BINBYTES", "NEWOBJ", "BUILD"}  # beside those of a .pth


def _object(name: str, argument: Any, stack: list[Any], marks: list[int], storages: dict[str, bytes]) -> None:
    """Does one of OBJECTS."""
    match name:
        case "EMPTY_SET":
            stack.append([])
        case "ADDITEMS":
            items = _pop(stack, marks.pop())
            stack[-1].extend(items)
        case "BINBYTES" | "SHORT_BINBYTES":
            stack.append(argument)
        case "NEWOBJ":
            arguments, what = stack.pop(), stack.pop()
            stack.append(_described(what, arguments, storages))
        case "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Object) and isinstance(state, dict):
                stack[-1].state.update(state)
            elif not isinstance(stack[-1], Object | dict):
                raise ValueError("refused: attributes of something else than an object")


def _described(what: Any, arguments: Any, storages: dict[str, bytes]) -> Any:
    """Returns what is known of what a function or a class of the lists would make of its arguments."""
    match what, arguments:
        case Global("torch.storage _load_from_bytes"), (bytes(data),):  # a legacy file of one storage
            storage, inner = _legacy(data)
            if not isinstance(storage, Storage):
                raise ValueError("refused: bytes that hold something else than one storage of numbers")
            storages[str(len(storages))] = inner[storage.key]
            return storage._replace(key=str(len(storages) - 1))
        case Global("torch_utils.persistence _reconstruct_persistent_obj"), (dict(meta),):
            state = meta.get("state")
            if not isinstance(state, dict) or not isinstance(meta.get("class_name"), str):
                raise ValueError("refused: a persistent object without a state")
            return Object(f"persistent {meta['class_name']}", dict(state))
        case Global("dnnlib.util EasyDict"), ():
            return {}
        case Global("torch Size"), (tuple(size),):
            return size
        case Global("builtins set" | "__builtin__ set"), (list(items),):
            return items
        case Global("_codecs encode"), (str(text), "latin1"):  # how protocol 2 writes bytes
            return text.encode("latin1")
        case Global(name), tuple() if name not in GLOBALS:
            return Object(name, {})
    return _built(what, arguments)


def _pop(stack: list[Any], start: int) -> list[Any]:
    """Takes everything from start on."""
    if not 0 <= start <= len(stack):
        raise IndexError("stack underflow")
    items = stack[start:]
    del stack[start:]
    return items


def _texts(keys: list[Any]) -> list[str]:
    if not all(isinstance(key, str) for key in keys):
        raise TypeError(f"names must be text; got {sorted({type(key).__name__ for key in keys})}")
    return keys


def _keys(keys: list[Any]) -> list[Any]:
    if not all(isinstance(key, str | int) for key in keys):
        raise TypeError(f"names must be text or numbers; got {sorted({type(key).__name__ for key in keys})}")
    return keys


def _allowed(name: str, objects: bool) -> Global:
    if name not in GLOBALS and not (objects and CLASSES.fullmatch(name)):
        raise ValueError(
            f"refused: the file asks for {name.replace(' ', '.')!r}, which weights do not need. "
            "It may be harmful; get the weights as a plain state dict, or as .safetensors"
        )
    return Global(name)


def _built(what: Any, arguments: Any) -> Any:
    """Returns what one of the three known functions would make of its arguments."""
    match what, arguments:
        case Global("collections OrderedDict"), ():
            return {}
        case Global("torch._utils _rebuild_parameter"), (Tensor() as tensor, *_):
            return tensor
        case Global("torch._utils _rebuild_tensor_v2"), (Storage() as storage, offset, shape, strides, *_):
            numbers = (offset, *shape, *strides)
            if len(shape) != len(strides) or not all(type(n) is int and n >= 0 for n in numbers):
                raise ValueError("refused: a tensor whose offset, shape and strides are not whole numbers that agree")
            return Tensor(storage, offset, tuple(shape), tuple(strides))
    raise ValueError(f"refused: a call of {what.name if isinstance(what, Global) else type(what).__name__}")


def _storage(reference: Any) -> Storage:
    match reference:
        case ("storage", Global(name), str(key), str(), int(size), *rest) if rest in ([], [None]):
            if name.removeprefix("torch ") in DTYPES and key.isdecimal() and size >= 0:
                return Storage(name.removeprefix("torch "), key, size)
    raise ValueError("refused: a reference to something else than a storage of numbers")  # its repr may be endless


def _check_state_dict(described: Any, limit: int) -> None:
    if not isinstance(described, dict):
        raise ValueError(f"the file holds a {type(described).__name__}, not a state dict of named tensors")
    _texts(list(described))
    other = [name for name, tensor in described.items() if not isinstance(tensor, Tensor)]
    if other:
        raise ValueError(f"the file holds more than tensors, under {other[:5]}; save the plain state dict instead")
    _check_total(described, limit)


def _check_total(described: dict[str, Tensor], limit: int) -> None:
    """Refuses tensors that unfold to much more than the file has: of limit bytes."""
    # tensors may share storages (tied weights), but not so often that a small file becomes a large one
    total = sum(math.prod(t.shape) * np.dtype(DTYPES[t.storage.kind]).itemsize for t in described.values())
    if total > 2 * limit:
        raise ValueError(f"the tensors claim {total} bytes where the file has {limit}")


def _array(name: str, tensor: Tensor, storages: dict[str, bytes]) -> np.ndarray:
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
