"""Counts what a compiled step does: operations, what is sent between devices, bytes of memory. No clock is read.

An operation is a multiplication or an addition of a convolution or a matrix product; all else is left out. Taps of a
window that fall on padding count, as a kernel of fixed size pays for them (XLA's `cost_analysis` leaves them out);
those that fall into the holes of a dilated input do not, and no more do the holes of a dilated kernel.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

SIZES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2, "bf16": 2, "s32": 4, "u32": 4, "f32": 4}
SIZES |= {"s64": 8, "u64": 8, "f64": 8, "c64": 8}
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


@dataclasses.dataclass(frozen=True)
class Window:
    """One spatial dimension of a convolution."""

    size: int  # of the kernel
    stride: int = 1
    before: int = 0  # padding; negative: cropping
    holes: int = 1  # lhs dilation: the input has holes - 1 zeros between its entries
    spread: int = 1  # rhs dilation


class Operation(NamedTuple):
    """A convolution or a matrix product, as often as the program runs it."""

    kind: str  # "convolution" or "dot"
    operations: int  # all its runs together
    runs: int
    shape: tuple[int, ...]  # of its result
    form: str  # the window and the labels of the dimensions, as the program writes them
    source: str  # where the program says that it comes from
    operands: tuple[tuple[int, ...], tuple[int, ...]]  # their shapes


class Counts(NamedTuple):
    """What one run of a program does."""

    convolutions: int  # operations
    dots: int  # operations
    collectives: dict[str, int]  # how many of each kind; a kind that is not there is left out
    sent: int  # bytes of their results
    opaque: dict[str, int]  # custom calls, by target: what happens inside is not counted
    largest: tuple[Operation, ...]  # the convolutions and matrix products, the most expensive first


def taps(window: Window, outputs: int) -> int:
    """Counts the pairs of an output and a tap of the kernel that does not fall into a hole of the input.

    Args:
      window: of this dimension.
      outputs: length of the result.
    Returns:
      The count; outputs * size where the input has no holes.
    """
    if window.holes == 1:
        return outputs * window.size
    starts = [o * window.stride - window.before for o in range(outputs)]
    return sum((start + k * window.spread) % window.holes == 0 for start in starts for k in range(window.size))


def convolution(maps: int, inputs: int, windows: Iterable[Window], outputs: Iterable[int]) -> int:
    """Counts a convolution's operations.

    Args:
      maps: examples times features of the result.
      inputs: input features that each of them sees: the kernel's, whatever the groups.
      windows: of every spatial dimension.
      outputs: the result's length in each.
    Returns:
      Operations, two for each product.
    """
    return 2 * maps * inputs * math.prod(taps(w, o) for w, o in zip(windows, outputs, strict=True))


def dot(shape: Sequence[int], contracted: Sequence[int]) -> int:
    """Counts a matrix product's operations, from the shape of its result and the lengths of what is summed over."""
    return 2 * math.prod(shape) * math.prod(contracted)


# --- of a program as it was written: its jaxpr


def analytic(function: Callable[..., Any], *arguments: Any, branch: Callable[[list[int]], int] = max) -> int:
    """Counts the operations of a function as it is written, without what its results do not need.

    A loop of unknown length counts once.

    Args:
      function: what is traced.
      *arguments: arrays or their shapes.
      branch: which of a condition's ways counts, by their operations: max, or min for a step that rarely does more.
    Returns:
      Operations.
    """
    closed = jax.make_jaxpr(function)(*arguments)
    needed, _ = _needed(closed.jaxpr)
    return _equations(needed, branch)


def _needed(jaxpr: Any) -> tuple[Any, Any]:
    from jax.interpreters import partial_eval

    return partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=True)


def _equations(jaxpr: Any, branch: Callable[[list[int]], int]) -> int:
    return sum(_equation(each.primitive.name, each, branch) for each in jaxpr.eqns)


def _equation(name: str, equation: Any, branch: Callable[[list[int]], int]) -> int:
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        lhs = equation.invars[0].aval.shape
        return dot(equation.outvars[0].aval.shape, [lhs[axis] for axis in contracted])
    if name == "conv_general_dilated":
        return _convolution_of(equation)
    inside = [_equations(jaxpr, branch) for jaxpr in _jaxprs(equation.params.values())]
    if name == "cond":
        return branch(inside)
    return sum(inside) * (equation.params["length"] if name == "scan" else 1)


def _convolution_of(equation: Any) -> int:
    shape, kernel = equation.outvars[0].aval.shape, equation.invars[1].aval.shape
    given, dims = equation.params, equation.params["dimension_numbers"]
    windows = [
        Window(kernel[axis], *numbers)
        for axis, *numbers in zip(
            dims.rhs_spec[2:],
            given["window_strides"],
            [before for before, _ in given["padding"]],
            given["lhs_dilation"],
            given["rhs_dilation"],
            strict=True,
        )
    ]
    maps = shape[dims.out_spec[0]] * shape[dims.out_spec[1]]
    return convolution(maps, kernel[dims.rhs_spec[1]], windows, [shape[axis] for axis in dims.out_spec[2:]])


def _jaxprs(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _jaxprs(value)
        elif hasattr(value, "eqns"):
            yield value
        elif hasattr(value, "jaxpr") and hasattr(value.jaxpr, "eqns"):
            yield value.jaxpr


# --- of a compiled program: its HLO text

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_LINE = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:calls|body|condition|to_apply)=%?([\w.\-]+)")
_BRANCHES = re.compile(
    r"(?:branch_computations=\{([^}]*)\}|true_computation=%?([\w.\-]+), false_computation=%?([\w.\-]+))"
)
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


class _Instruction(NamedTuple):
    name: str
    shape: str
    kind: str
    rest: str


def compiled(text: str | None) -> Counts:
    """Counts an optimised program, from its entry on: what it calls, as often as it calls it.

    A loop counts as often as the compiler knows it to run, else once; of branches the most expensive counts.

    Args:
      text: `jax.jit(f).lower(...).compile().as_text()`, which is None where a backend has none.
    Returns:
      Counts.
    Raises:
      ValueError: the text has no entry, so that it is no HLO.
    """
    bodies, entry = _bodies(re.sub(r"/\*.*?\*/", "", text or ""))
    if text is None or entry is None:
        raise ValueError(
            f"this is no HLO text, which has an ENTRY; it begins {(text or '')[:40]!r}: give compile().as_text()"
        )
    runs = _runs(bodies, entry)
    done, sent = [], 0
    collectives: collections.Counter[str] = collections.Counter()
    opaque: collections.Counter[str] = collections.Counter()
    for body, times in runs.items():
        shapes = {each.name: each.shape for each in bodies[body]}
        for each in bodies[body]:
            kind = each.kind.removesuffix("-start")
            if each.kind in ("dot", "convolution"):
                done.append(_operation(each, shapes, times))
            elif kind in COLLECTIVES:
                collectives[kind] += times
                sent += times * _bytes(each.shape)
            elif each.kind == "custom-call":
                target = re.search(r'custom_call_target="([^"]*)"', each.rest)
                opaque[target[1] if target else "?"] += times
    sums = {kind: sum(each.operations for each in done if each.kind == kind) for kind in ("convolution", "dot")}
    largest = tuple(sorted(done, key=lambda each: -each.operations))
    return Counts(sums["convolution"], sums["dot"], dict(collectives), sent, dict(opaque), largest)


def merged(done: Iterable[Operation]) -> tuple[Operation, ...]:
    """Puts operations of the same form and shapes together, the most expensive first; sources are joined by a comma."""
    groups: dict[Any, list[Operation]] = {}
    for each in done:
        groups.setdefault((each.kind, each.shape, each.form, each.operands), []).append(each)
    sums = [
        same[0]._replace(
            operations=sum(each.operations for each in same),
            runs=sum(each.runs for each in same),
            source=", ".join(dict.fromkeys(each.source for each in same)),
        )
        for same in groups.values()
    ]
    return tuple(sorted(sums, key=lambda each: -each.operations))


def _bodies(text: str) -> tuple[dict[str, list[_Instruction]], str | None]:
    """Returns the instructions of every computation, and the name of the entry."""
    bodies: dict[str, list[_Instruction]] = {}
    entry, name = None, ""
    for line in text.splitlines():
        if head := _HEAD.match(line):
            name = head[2]
            bodies[name] = []
            entry = name if head[1] else entry
        elif name and (parts := _LINE.match(line)):
            bodies[name].append(_Instruction(*parts.groups()))
    return bodies, entry


def _runs(bodies: Mapping[str, list[_Instruction]], entry: str) -> collections.Counter[str]:
    """Counts how often each computation runs in one run of the entry."""

    @functools.cache
    def cost(body: str) -> int:
        shapes = {each.name: each.shape for each in bodies[body]}
        own = sum(_operation(e, shapes, 1).operations for e in bodies[body] if e.kind in ("dot", "convolution"))
        return own + sum(times * cost(other) for each in bodies[body] for other, times in called(each))

    def called(each: _Instruction) -> list[tuple[str, int]]:
        if each.kind == "conditional" and (ways := _BRANCHES.search(each.rest)):
            names = re.findall(r"[\w.\-]+", ways[1] or f"{ways[2]} {ways[3]}")
            return [(max(names, key=cost), 1)]
        trips = _TRIPS.search(each.rest) if each.kind == "while" else None
        return [(name, int(trips[1]) if trips else 1) for name in _CALLED.findall(each.rest) if name in bodies]

    runs: collections.Counter[str] = collections.Counter()

    def visit(body: str, times: int) -> None:
        runs[body] += times
        for each in bodies[body]:
            for other, more in called(each):
                visit(other, times * more)

    visit(entry, 1)
    return runs


def _operation(each: _Instruction, shapes: Mapping[str, str], times: int) -> Operation:
    source = re.search(r'op_name="([^"]*)"', each.rest)
    shape = _dimensions(each.shape)
    lhs, rhs = (_dimensions(shapes[name]) for name in _operands(each.rest)[:2])
    if each.kind == "dot":
        summed = [lhs[axis] for axis in _numbers(each.rest, r"lhs_contracting_dims=\{([\d,]*)\}")]
        count, form = dot(shape, summed), f"{list(lhs)} x {list(rhs)}"
    else:
        count, form = _hlo_convolution(each.rest, shape, rhs)
    return Operation(each.kind, count * times, times, shape, form, source[1] if source else "", (lhs, rhs))


def _hlo_convolution(rest: str, shape: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, str]:
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", rest)
    if not labels:
        raise ValueError(
            f"a convolution without dim_labels: {rest[:80]!r}; this is not the HLO text of a known version"
        )
    given = re.search(r"window=\{([^}]*)\}", rest)
    form = given[1] if given else ""
    spatial = sorted(label for label in labels[3] if label.isdigit())
    fields = {name: value.split("x") for name, value in re.findall(r"(\w+)=([\dx_\-]+)", form)}
    windows = [
        Window(
            kernel[labels[2].index(label)],
            *(int(fields[name][i].split("_")[0]) if name in fields else default for name, default in _DEFAULTS.items()),
        )
        for i, label in enumerate(spatial)
    ]
    maps = shape[labels[3].index("b")] * shape[labels[3].index("f")]
    outputs = [shape[labels[3].index(label)] for label in spatial]
    groups = "".join(f" {name}={n}" for name, n in re.findall(r"(\w+_group_count)=(\d+)", rest))
    count = convolution(maps, kernel[labels[2].index("i")], windows, outputs)
    return count, f"{form} {labels[0].removeprefix('dim_labels=')}{groups}"


_DEFAULTS = {"stride": 1, "pad": 0, "lhs_dilate": 1, "rhs_dilate": 1}  # in the order of `Window`, after its size


def _operands(rest: str) -> list[str]:
    """Names of an instruction's arguments; they may be preceded by their shapes."""
    return re.findall(r"%([\w.\-]+)", rest.split(")")[0]) or [a.split()[-1] for a in rest.split(")")[0].split(",")]


def _numbers(text: str, pattern: str) -> list[int]:
    match = re.search(pattern, text)
    return [int(n) for n in match[1].split(",") if n] if match else []


def _dimensions(shape: str) -> tuple[int, ...]:
    match = _SHAPE.match(shape)
    return tuple(int(d) for d in match[2].split(",") if d) if match else ()


def _bytes(shape: str) -> int:
    return sum(SIZES.get(k, 0) * math.prod(int(d) for d in ds.split(",") if d) for k, ds in _SHAPE.findall(shape))


# --- of a compiled program: its memory, and how often it was traced


def peak_bytes(program: Any) -> int:
    """Returns the bytes that a compiled program needs: arguments, results that share none with them, and scratch."""
    stats = program.memory_analysis()
    own = stats.output_size_in_bytes - stats.alias_size_in_bytes
    return int(stats.argument_size_in_bytes + own + stats.temp_size_in_bytes)


def counted(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    """Returns the function, and a list that grows by an entry at each of its traces (or plain calls)."""
    traces: list[int] = []

    @functools.wraps(function)
    def wrapped(*arguments: Any) -> Any:
        traces.append(len(traces))
        return function(*arguments)

    return wrapped, traces
