"""Turns that are skipped by a rule: a discriminator that is far ahead waits, a player moves once in a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.dynamics.turns import alternating
from jaxgan.types import Batch, Dynamics, Metrics, Minibatches, PyTree, Rules, TrainState

Rule = Callable[[Metrics, Array], ArrayLike]  # (this turn's metrics of the player, step []) -> bool [], True: it moves


def gated(moves: Mapping[str, Rule], dynamics: Dynamics | None = None) -> Dynamics:
    """Lets players move only where a rule says so; a skipped turn leaves everything of theirs bit for bit.

    That is parameters, optimizer state, the model state that the turn would have changed, and the average of the
    player's networks (where none of their owners has moved in the step). A rule sees the metrics of the turn it decides
    about, "loss" among them, as means over all devices:

        gated({"discriminator": lambda metrics, step: metrics["real_probability"] < 0.8})
        gated({"generator": lambda metrics, step: step % 5 == 0})

    The gradient is computed in any case, since metrics come with it. Metrics: those of the dynamics, and each gated
    player's `skipped`, 1 where its (last) turn was.

    Args:
      moves: by player, its rule.
      dynamics: how turns are played, one that asks each player for its gradient; `alternating()` if None.
    Returns:
      Dynamics.
    Raises:
      ValueError: at trace time, a player is unknown, a rule gives no single truth value, or the dynamics moves a player
        without asking for its gradient (`consensus` and others that use the game's Jacobian).
    References:
      Wu et al. Learning a Probabilistic Latent Space of Object Shapes via 3D Generative-Adversarial Modeling. NeurIPS
      2016, section 3.1 (the discriminator moves where its accuracy is at most 0.8).
    """
    base = dynamics or alternating()

    def play(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
        if unknown := sorted(set(moves) - set(rules.players)):
            raise ValueError(f"gated has rules for players {unknown}; the system has {sorted(rules.players)}")
        decided: dict[str, Array] = {}

        def gradient(
            name: str, update: int, state: TrainState, batch: Batch, together: bool = False
        ) -> tuple[PyTree, dict[str, PyTree], Metrics]:
            slope, model_state, metrics = rules.gradient(name, update, state, batch, together)
            if name not in moves:
                return slope, model_state, metrics
            goes = jnp.asarray(moves[name](metrics, state.step))
            if goes.shape != ():
                raise ValueError(
                    f"the rule of player {name!r} gives an array {goes.shape}; reduce it to one truth value"
                )
            decided[name] = goes.astype(bool)
            kept = {
                network: after
                if after is state.model_state[network]
                else _where(goes, after, state.model_state[network])
                for network, after in model_state.items()
            }
            return slope, kept, metrics | {"skipped": 1.0 - decided[name].astype(jnp.float32)}

        def move(name: str, slope: PyTree, state: TrainState) -> TrainState:
            moved = rules.move(name, slope, state)
            if name not in moves:
                return moved
            if name not in decided:
                raise ValueError(f"gated cannot ask about player {name!r}: this dynamics takes no gradient of its own")
            return _where(decided[name], moved, state)

        return base(rules._replace(gradient=gradient, move=move), state, minibatches)

    return play


def _where(goes: Array, after: PyTree, before: PyTree) -> PyTree:
    """Returns one of two trees; leaves that are the same are left alone."""
    return jax.tree.map(lambda new, old: old if new is old else jnp.where(goes, new, old), after, before)
