"""Turns that are skipped by a rule: a discriminator that is far ahead waits, a player moves once in a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import get_opaque_trace_state
from jax.typing import ArrayLike

from jaxgan.dynamics.turns import alternating
from jaxgan.types import Batch, Dynamics, Metrics, Minibatches, PyTree, Rules, TrainState, explains

Rule = Callable[[Metrics, Array], ArrayLike]  # (this turn's metrics of the player, step []) -> bool [], True: it moves


@explains
def gated(moves: Mapping[str, Rule], dynamics: Dynamics | None = None) -> Dynamics:
    """Lets players move only where a rule says so; a skipped turn leaves everything of theirs bit for bit.

    That is parameters, optimizer state, the model state that the turn would have changed, and the average of the
    player's networks (where none of their owners has moved in the step). A rule sees the metrics of the turn it decides
    about, "loss" among them, as means over all devices:

        gated({"discriminator": lambda metrics, step: metrics["real_probability"] < 0.8})
        gated({"generator": lambda metrics, step: step % 5 == 0})

    The gradient is computed in any case, since metrics come with it. Metrics: those of the dynamics, and each gated
    player's `skipped`, 1 where all of its updates of the step were.

    Example:
      >>> import jaxgan as jg
      >>> patient = jg.dynamics.gated({"generator": lambda metrics, step: step >= 1})
      >>> jg.diagnose.bilinear(patient, 0.5, 2).tolist()  # the generator's first turn is skipped
      [[1.0, 1.0], [1.5, 1.0], [2.0, 0.0]]

    Args:
      moves: by player, its rule.
      dynamics: how turns are played, one that asks each player for its gradient; `alternating()` if None.
    Returns:
      Dynamics.
    Raises:
      ValueError: at trace time, a player is unknown, a rule gives no single truth value, or the dynamics differentiates
        through turns (`unrolled`, `consensus` and others that use the game's Jacobian): a turn is then no single one.
    References:
      Wu et al. Learning a Probabilistic Latent Space of Object Shapes via 3D Generative-Adversarial Modeling. NeurIPS
      2016, section 3.1 (the discriminator moves where its accuracy is at most 0.8).
    """
    base = dynamics or alternating()

    def play(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
        if unknown := sorted(set(moves) - set(rules.players)):
            raise ValueError(f"gated has rules for players {unknown}; the system has {sorted(rules.players)}")
        decided: dict[tuple[str, int], Array] = {}  # once for each update, wherever else its gradient is taken
        latest: dict[str, Array] = {}
        moved: dict[str, Array] = {}  # in any update of this step
        level = get_opaque_trace_state()

        def gradient(
            name: str, update: int, state: TrainState, batch: Batch, together: bool = False
        ) -> tuple[PyTree, dict[str, PyTree], Metrics]:
            if name not in moves:
                return rules.gradient(name, update, state, batch, together)
            if get_opaque_trace_state() != level:
                raise ValueError(
                    f"gated cannot ask about player {name!r}, because this dynamics differentiates through its turns; "
                    "use alternating, simultaneous or extragradient"
                )
            slope, model_state, metrics = rules.gradient(name, update, state, batch, together)
            if (name, update) not in decided:
                decided[name, update] = _decision(name, moves[name], metrics, state.step)
            goes = latest[name] = decided[name, update]
            moved[name] = goes | moved.get(name, jnp.zeros((), bool))
            kept = _where(goes, model_state, state.model_state)
            return slope, kept, metrics | {"skipped": 1.0 - moved[name].astype(jnp.float32)}

        def move(name: str, slope: PyTree, state: TrainState, value: Array | None = None) -> TrainState:
            after = rules.move(name, slope, state, value)
            return _where(latest[name], after, state) if name in moves else after

        return base(rules._replace(gradient=gradient, move=move), state, minibatches)

    return play


def _decision(name: str, rule: Rule, metrics: Metrics, step: Array) -> Array:
    goes = jnp.asarray(rule(metrics, step))
    if goes.shape != ():
        raise ValueError(f"the rule of player {name!r} gives an array {goes.shape}; reduce it to one truth value")
    return goes.astype(bool)


def _where(goes: Array, after: PyTree, before: PyTree) -> PyTree:
    """Returns one of two trees; leaves that are the same are left alone."""
    return jax.tree.map(lambda new, old: old if new is old else jnp.where(goes, new, old), after, before)
