"""Convolutions and matrix products of a program, each timed alone: by XLA and by oneDNN, in an environment with torch.

Started by `python -m benchmarks limit --onednn PATH`: reads JSON of `operations.Operation`s, writes JSON of times.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from jax import lax

from benchmarks import pairs

NAMES = str.maketrans({"b": "N", "f": "C", "0": "H", "1": "W", "i": "I", "o": "O"})


class Form(NamedTuple):
    """A convolution of images, as its program's text describes it."""

    strides: list[int]
    pads: list[list[int]]
    holes: list[int]  # dilation of the images
    spread: list[int]  # dilation of the kernel
    labels: tuple[str, str, str]
    groups: int


def read(form: str) -> Form | None:
    """Reads the form of an `operations.Operation`; None where it is not one of images, or has batch groups."""
    labels = re.search(r"(\w+)_(\w+)->(\w+)", form)
    if not labels or set(labels[1]) != set("b01f") or "batch_group_count" in form:
        return None
    fields = dict(re.findall(r"(\w+)=([\dx_\-]+)", form))
    pair = {
        name: [int(n) for n in fields.get(name, "1x1").split("x")] for name in ("stride", "lhs_dilate", "rhs_dilate")
    }
    pads = [[int(n) for n in side.split("_")] for side in fields.get("pad", "0_0x0_0").split("x")]
    names = (labels[1].translate(NAMES), labels[2].translate(NAMES), labels[3].translate(NAMES))
    groups = int(fields.get("feature_group_count", 1))
    return Form(pair["stride"], pads, pair["lhs_dilate"], pair["rhs_dilate"], names, groups)


def by_xla(form: Form, lhs: np.ndarray, rhs: np.ndarray) -> pairs.Way:
    """Prepares the convolution in XLA."""

    def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
        dilations = {"lhs_dilation": form.holes, "rhs_dilation": form.spread, "feature_group_count": form.groups}
        return lax.conv_general_dilated(x, kernel, form.strides, form.pads, dimension_numbers=form.labels, **dilations)

    return ready(convolve, lhs, rhs)


def ready(function: Callable[..., Any], *given: np.ndarray) -> pairs.Way:
    """Compiles a function and places its arguments."""
    arguments = [jnp.asarray(each) for each in given]
    compiled = jax.jit(function).lower(*arguments).compile()
    return lambda: jax.block_until_ready(compiled(*arguments))


def by_onednn(form: Form, lhs: np.ndarray, rhs: np.ndarray, shape: tuple[int, ...]) -> pairs.Way | None:
    """Prepares the convolution in torch, channels last; None where images have holes.

    One whose kernel is larger than its result is the gradient of a kernel, which torch has an operation for.
    """
    if form.holes != [1, 1]:
        return None
    x = torch.tensor(lhs.transpose([form.labels[0].index(n) for n in "NCHW"]))
    kernel = torch.tensor(rhs.transpose([form.labels[1].index(n) for n in "OIHW"]))
    common = [max(min(side), 0) for side in form.pads]
    (top, bottom), (left, right) = ([edge - c for edge in side] for side, c in zip(form.pads, common, strict=True))
    x = F.pad(x, (left, right, top, bottom))
    outputs = [shape[form.labels[2].index(n)] for n in "HW"]
    if kernel.shape[2] <= outputs[0] or form.groups > 1:
        x, kernel = (t.contiguous(memory_format=torch.channels_last) for t in (x, kernel))
        return lambda: F.conv2d(x, kernel, None, form.strides, common, form.spread, form.groups)
    # Examples and features have changed places: x [I, B, H, W], kernel [O, B, h, w] are an image and a gradient.
    x, g = (t.transpose(0, 1).contiguous(memory_format=torch.channels_last) for t in (x, kernel))
    weight = torch.empty(g.shape[1], x.shape[1], *outputs).contiguous(memory_format=torch.channels_last)
    backward = torch.ops.aten.convolution_backward
    settings = (None, form.spread, common, [1, 1], False, [0, 0], 1, [False, True, False])
    return lambda: backward(g, x, weight, *settings)


def products(operation: dict[str, Any]) -> dict[str, pairs.Way]:
    """Prepares a matrix product of the same size in both."""
    *rows, columns = operation["shape"]
    summed = operation["operations"] // (2 * operation["runs"] * int(np.prod(operation["shape"])))
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=size).astype(np.float32) for size in ((int(np.prod(rows)), summed), (summed, columns)))
    x, y = torch.tensor(a), torch.tensor(b)
    return {"xla": ready(jnp.matmul, a, b), "onednn": lambda: x @ y}


def ways(operation: dict[str, Any]) -> dict[str, pairs.Way]:
    """Prepares an operation in both; none where it cannot be taken alone."""
    if operation["kind"] == "dot":
        return products(operation)
    if (form := read(operation["form"])) is None:
        return {}
    rng = np.random.default_rng(0)
    lhs, rhs = (rng.normal(size=shape).astype(np.float32) for shape in operation["operands"])
    theirs = by_onednn(form, lhs, rhs, tuple(operation["shape"]))
    return {"xla": by_xla(form, lhs, rhs)} | ({"onednn": theirs} if theirs else {})


def write_times() -> None:
    """Times what stands in the input, all runs of each, and writes CPU seconds by operation and library."""
    torch.set_num_threads(int(sys.argv[1]))
    jax.config.update("jax_compilation_cache_dir", None)
    results: list[dict[str, float]] = []
    with torch.no_grad():
        for operation in json.load(sys.stdin):
            prepared = ways(operation)
            calls = int(
                np.clip(1e8 * operation["runs"] // operation["operations"], 1, 50)
            )  # of what is short, in a row
            times = pairs.interleaved(prepared, 7, seconds=2.0, calls=calls, pause=0.01) if prepared else {}
            medians = {name: pairs.quartiles([time.cpu for time in each]).median for name, each in times.items()}
            results.append({name: operation["runs"] * median for name, median in medians.items()})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    write_times()
