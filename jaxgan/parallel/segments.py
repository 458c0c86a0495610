"""Many train steps in one call: `lax.scan` over whole steps, where that pays.

A tiny network's step takes less time than its dispatch from Python; a scan dispatches once for all steps. Gradients of
`lax` convolutions on CPU are the opposite case: inside a loop XLA leaves their axes in an order that has no fast path,
so there it is refused. The layers of `jaxgan.networks` bring the axes into order themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxgan.types import Batch, Metrics, PyTree, TrainState, by_path

Step = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def segments(game: Any, steps: int, *, force: bool = False) -> Step:
    """Compiles a number of train steps into one program; the same steps as a Python loop would take.

    On the CPU the states are bit for bit those of the loop (docs/decisions/sweep.md).

    Args:
      game: a `Game` or a `Sweep`, or its `train_step` alone, (state, batch) -> (state, metrics).
      steps: train steps in one call, >= 1.
      force: scan convolutions on CPU as well.
    Returns:
      (state, batches) -> (state, metrics), the state donated: every array of `batches` is [steps, ...], one batch for
      each step (`stack` makes them), and every metric [steps].
    Raises:
      ValueError: steps is not positive; at the first call, `batches` does not hold `steps` batches, or the step has
        convolutions and the backend is a CPU, where a scanned step may take tens of times as long.
    """
    if steps < 1:
        raise ValueError(f"segments needs steps >= 1; got {steps}")
    step: Step = jax.jit(getattr(game, "train_step", game))  # traced once: for the check and for the scan

    def run(state: TrainState, batches: Batch) -> tuple[TrainState, Metrics]:
        shapes = {name: x.shape for name, x in by_path(batches).items()}
        if any(not shape or shape[0] != steps for shape in shapes.values()):
            raise ValueError(f"segments of {steps} steps take arrays [{steps}, B, ...], one batch a step; got {shapes}")
        if not force and jax.default_backend() == "cpu":
            first = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), batches)
            if convolves(step, state, first, slow_in_loops=True):
                raise ValueError(
                    "this train step has convolutions that lose their fast path inside a loop on CPU, such as the "
                    "gradients of nn.Conv; make its networks of jaxgan.networks.layers.Conv, or call "
                    "jax.jit(game.train_step, donate_argnums=0) once for each step, or pass force=True"
                )
        return lax.scan(step, state, batches)

    return jax.jit(run, donate_argnums=0)


def stack(trees: Iterable[PyTree]) -> Any:
    """Puts batches (or any pytrees) of equal shapes on top of each other: [B, ...] each -> [number, B, ...].

    `stack(itertools.islice(stream, steps))` takes the next segment from an iterator of batches.
    """
    return _stack(list(trees))


def convolves(function: Callable[..., Any], *arguments: Any, slow_in_loops: bool = False) -> bool:
    """Tells whether a function has a convolution, also inside the functions that it calls; nothing is run.

    Args:
      function: of pytrees of arrays; one compiled by `jax.jit` is traced no more than once for equal shapes.
      *arguments: arrays, or their `jax.ShapeDtypeStruct`.
      slow_in_loops: ask only for convolutions whose axes are in an order that XLA's CPU compiler is slow in inside a
        loop or a condition.
    """
    convolutions = _convolutions(jax.make_jaxpr(function)(*arguments))
    return any(not slow_in_loops or tuple(numbers) != _IN_ORDER for numbers in convolutions)


_IN_ORDER = lax.conv_dimension_numbers((1, 1, 1, 1), (1, 1, 1, 1), ("NHWC", "HWIO", "NHWC"))


def _convolutions(part: Any) -> Iterator[lax.ConvDimensionNumbers]:
    """Searches whatever may hold equations: a jaxpr, a closed one, or a list of them (the branches of a `cond`)."""
    if isinstance(part, list | tuple):
        for one in part:
            yield from _convolutions(one)
    for equation in getattr(getattr(part, "jaxpr", part), "eqns", ()):
        if equation.primitive.name == "conv_general_dilated":
            yield equation.params["dimension_numbers"]
        for value in equation.params.values():
            yield from _convolutions(value)


@jax.jit
def _stack(trees: list[PyTree]) -> PyTree:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
