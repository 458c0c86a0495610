"""What a run would be: its networks and their parameters, the memory of a step and its time, with nothing written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxgan.types import Batch, Metrics, PyTree, TrainState

SECONDS = 3.0  # for which steps are timed, at least one
UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def rehearse(
    step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]],
    state: TrainState,
    batch: Batch,
    steps: int,
    size: int,
) -> list[str]:
    """Compiles a train step, takes a few, and says in lines what a whole run would cost.

    Args:
      step: (state, batch) -> (state, metrics).
      state: to begin with; it is donated.
      batch: of a step.
      steps: of the run.
      size: pictures, or other examples, in the batch.
    Returns:
      Lines: networks, memory, time. Evaluations, which come on top, are not timed.
    """
    lines = parameters(state.params)
    compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
    lines.append(memory(compiled, state))
    seconds = timed(compiled, state, batch)
    total = f"{steps:,} steps of {size} examples at {seconds:.3g} s, measured: {duration(steps * seconds)}"
    return [*lines, f"time: {total}, and the evaluations beside them"]


def parameters(params: Mapping[str, PyTree]) -> list[str]:
    """Returns a line for each network: its name, and how many parameters it has."""
    return [f"{name}: {sum(x.size for x in jax.tree.leaves(tree)):,} parameters" for name, tree in params.items()]


def memory(compiled: Any, state: TrainState) -> str:
    """Says what a step needs: by the compiler's own analysis, or else at the least what the state itself holds."""
    kept = sum(x.nbytes for x in jax.tree.leaves(state) if hasattr(x, "nbytes"))
    try:
        needs = compiled.memory_analysis()
        total = needs.temp_size_in_bytes + needs.argument_size_in_bytes + needs.output_size_in_bytes
        total -= needs.alias_size_in_bytes
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return f"memory: {kept / 2**20:,.0f} MiB of state, and the activations; this backend has no analysis of them"
    return f"memory: {total / 2**20:,.0f} MiB in a step, by the compiler's analysis ({kept / 2**20:,.0f} of it state)"


def timed(step: Callable[..., tuple[TrainState, Metrics]], state: TrainState, batch: Batch) -> float:
    """Returns the seconds of a step: the mean of those in a few seconds, the first left out."""
    state = jax.block_until_ready(step(state, batch)[0])
    began, done = time.monotonic(), 0
    while done == 0 or time.monotonic() - began < SECONDS:
        state = jax.block_until_ready(step(state, batch)[0])
        done += 1
    return (time.monotonic() - began) / done


def duration(seconds: float) -> str:
    """Returns a time in words, in the largest unit of which there is one."""
    for length, name in UNITS:
        if seconds >= length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.0f} seconds"
