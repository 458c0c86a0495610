"""Describes what a pickle holds, without ever running what is in it.

A pickle is a program. This file is the only one of the library that reads one, and it does not run it: `pickletools`
merely names the instructions, and a machine of two dozen of them builds dictionaries, lists and descriptions of
tensors. It has no instruction that imports or calls anything. A global that is not on the list of `GLOBALS` is refused
by its name, an instruction that is not known by its own.

A .pkl of StyleGAN2-ADA, StyleGAN3 or R3GAN holds objects besides: networks, with the source code of their classes. The
same machine, if it is told so, describes those of `CLASSES` by their names and what they hold; the source code is a
text to it, and is dropped.
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

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


Load = Callable[[bytes], Storage]  # of a .pth within a .pkl: the storage that it holds


def describe(stream: io.BytesIO, announced: dict[str, Storage] | None = None, *, load: Load | None = None) -> Any:
    """Builds what one pickle describes; stops after its last instruction.

    Args:
      stream: bytes in memory, at the beginning of a pickle.
      announced: receives the storages by key, if given.
      load: of a pickle that may hold objects of CLASSES, reads the bytes of a file within it, which hold one storage;
        None: it may not.
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
                stack.append(_allowed(argument, load is not None))
            case "STACK_GLOBAL":
                stack.append(_allowed(" ".join(texts(_pop(stack, len(stack) - 2))), load is not None))
            case "BINPERSID" if load is None:
                stack.append(_storage(stack.pop()))
                if announced is not None:
                    announced[stack[-1].key] = stack[-1]
            case "REDUCE":
                arguments, what = stack.pop(), stack.pop()
                stack.append(_built(what, arguments) if load is None else _described(what, arguments, load))
            case name if load is not None and name in OBJECTS:
                _object(name, argument, stack, marks, load)
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


def _object(name: str, argument: Any, stack: list[Any], marks: list[int], load: Load) -> None:
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
            stack.append(_described(what, arguments, load))
        case "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Object) and isinstance(state, dict):
                stack[-1].state.update(state)
            elif not isinstance(stack[-1], Object | dict):
                raise ValueError("refused: attributes of something else than an object")


def _described(what: Any, arguments: Any, load: Load) -> Any:
    """Returns what is known of what a function or a class of the lists would make of its arguments."""
    match what, arguments:
        case Global("torch.storage _load_from_bytes"), (bytes(data),):  # a legacy file of one storage
            return load(data)
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


def texts(keys: list[Any]) -> list[str]:
    """Returns names as they are.

    Raises:
      TypeError: one is no text.
    """
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
