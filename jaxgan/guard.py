"""A guard against non-finite updates: a step that would poison the state is skipped, and counted.

One NaN, from a bad example or an overflow, stays in every parameter that it reaches. `guarded(game)` looks at the whole
state after a step, on the device; where anything is not finite, the state before it stays, but for the step counter, so
that training goes on with the next batch. The loop counts such steps, and gives up after too many in a row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import Batch, Game, Metrics, Minibatches, PyTree, TrainState

SKIPPED = "skipped"  # the metric: 1.0 where a step was skipped, else 0.0
Step = Callable[[TrainState, Batch | Minibatches], tuple[TrainState, Metrics]]
CHANGING = (
    "params",
    "model_state",
    "opt_state",
    "ema",
    "ema_state",
)  # of a state; the key never changes, the step always does


def guarded(game: Game) -> Game:
    """Wraps a game so that an update with a non-finite metric or state changes nothing but `state.step`.

    Unlike `optax.apply_if_finite` it keeps batch statistics, averages and the other players' parameters as well, and
    never lets a NaN through after a number of failures.

    Args:
      game: any; for `pmap` too, where metrics and state are averaged, so that all devices decide alike.
    Returns:
      Game whose metrics have "skipped", 1.0 or 0.0. Where nothing is skipped its state is that of the game to rounding:
      the compiler may fuse the choice with the updates.
    """
    return game._replace(train_step=_guarded(game.train_step))


@functools.lru_cache(maxsize=8)  # one function for one step: the runs of a game share what was compiled
def _guarded(step: Step) -> Step:
    def train_step(state: TrainState, batch: Batch | Minibatches) -> tuple[TrainState, Metrics]:
        after, metrics = step(state, batch)
        good = is_finite(after) & _all_finite(metrics)
        new, old = ({name: getattr(each, name) for name in CHANGING} for each in (after, state))
        # `where`, leaf by leaf, is fused with the updates: three times as long to compile a residual GAN on CPU.
        kept = jax.lax.cond(good, lambda new, old: new, lambda new, old: old, new, old)
        return after._replace(**kept), metrics | {SKIPPED: 1.0 - good.astype(jnp.float32)}

    return train_step


def is_finite(state: TrainState) -> Array:
    """Tells whether a whole state is finite: bool [].

    An optimizer may hold infinity (the best loss so far starts from it), but not NaN.
    """
    learned = (state.params, state.model_state, state.ema, state.ema_state)
    numbers = [~jnp.isnan(leaf) for leaf in _floating(state.opt_state)]
    return _all_finite(learned) & _all(numbers)


def _all_finite(tree: PyTree) -> Array:
    return _all([jnp.isfinite(leaf) for leaf in _floating(tree)])


def _all(tests: list[Array]) -> Array:
    return jnp.all(jnp.stack([jnp.ones((), bool), *map(jnp.all, tests)]))


def _floating(tree: PyTree) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
