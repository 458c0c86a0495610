"""What can be measured of a game at one point of its training: gradients, logits, normalisation, and its samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxgan.diagnose.samples import Variety
from jaxgan.game import game
from jaxgan.systems.parts import condition_of, image_logits
from jaxgan.types import (
    Batch,
    Metrics,
    Minibatches,
    Nets,
    Network,
    PyTree,
    Rules,
    System,
    TrainState,
    Turn,
    autodiff,
    by_path,
)

SMALL_SCALE = 1e-2  # |scale| of a normalisation below which a channel is switched off; it starts at 1
SMALL_VARIANCE = 1e-8  # running variance below which a channel is constant; float32 activations are of order 1
NO_GRADIENT = 1e-20  # norm of a player's gradient below which single units tell nothing


class Logits(NamedTuple):
    """What the discriminator says of a minibatch and of as many samples, in training mode."""

    real_accuracy: float  # share of real examples with a positive logit, in [0, 1]
    fake_accuracy: float  # share of samples with a negative logit, in [0, 1]
    separation: float  # probability that a real logit exceeds a fake one (area under the ROC curve): whatever the loss
    margin: float  # mean real logit - mean fake logit
    passed: float  # |grad of the generator's loss| / |grad of the mean fake logit|, over the generator's parameters


class Normalisation(NamedTuple):
    """The state of one network's normalisation layers and units."""

    frozen: float  # share of statistics that a training evaluation leaves as they were, bit for bit; 0 without any
    constant: float  # share of channels whose running variance is below SMALL_VARIANCE; 0 without statistics
    switched_off: float  # share of channels whose scale is below SMALL_SCALE in size; 0 without scales
    dead: float  # largest share over layers of units whose incoming weights all have a gradient of exactly zero


class Measurements(NamedTuple):
    """A game at one point of its training. What a system does not have is None."""

    gradients: dict[str, float]  # by player: norm of its gradient
    parameters: dict[str, float]  # by network: norm of its parameters
    normalisation: dict[str, Normalisation]  # by network
    logits: Logits | None = None  # with networks "generator" and "discriminator", and examples "x", alone
    variety: Variety | None = None  # of samples against real data, where both are given


def examine(
    networks: Mapping[str, Network],
    system: System,
    state: TrainState,
    batch: Batch | Minibatches,
    variety: Variety | None = None,
) -> Measurements:
    """Measures a game at one state: every player's gradient on one minibatch, and what normalisation does there.

    All of it is computed by one compiled function, from the losses that training uses, and changes nothing.

    Args:
      networks: by name, as for `game`.
      system: who plays.
      state: where; non-finite values give non-finite measurements.
      batch: as for the game's train step; the last of its minibatches is used.
      variety: what `samples.variety` says of samples, to stand beside the rest.
    Returns:
      Measurements; numbers on the host.
    Raises:
      ValueError: networks, system and batch do not fit together.
    """
    probe = game(networks, system, dynamics=_gradients)
    last = batch if isinstance(batch, Mapping) else batch[-1]
    pair = {"generator", "discriminator"} <= set(networks) and "generator" in system.players and "x" in last
    slope = game(networks, _with_slope(system), dynamics=_slope) if pair else None

    @jax.jit
    def measured(state: TrainState, batch: Batch | Minibatches) -> Any:
        observed: dict[str, Any] = dict(probe.train_step(state, batch)[1])
        return observed | (slope.train_step(state, batch)[1] if slope else {})

    here = state._replace(ema={})  # players do not train the averages
    observed = jax.device_get(measured(here, batch))
    states, params = jax.device_get((here.model_state, here.params))
    owner = {name: player for player in system.players for name in system.players[player].owns}
    normalisation = {}
    for name in networks:
        gradient = observed["gradients"].get(owner.get(name, ""), {}).get(name, {})
        normalisation[name] = _normalisation(params[name], states[name], observed["model_state"][name], gradient)
    norms = {player: _norm(gradient) for player, gradient in observed["gradients"].items()}
    return Measurements(
        gradients=norms,
        parameters={name: _norm(params[name]) for name in networks},
        normalisation=normalisation,
        logits=_logits(observed, norms["generator"]) if pair else None,
        variety=variety,
    )


def _gradients(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
    """A dynamics in which nobody moves: it only tells the gradients, and the model state after they were taken."""
    gradients, model_state = {}, dict(state.model_state)
    for name in rules.players:
        gradients[name], after, _ = rules.gradient(name, 0, state, minibatches[-1])
        model_state |= {n: after[n] for n in rules.players[name].owns}
    observed: Any = {"gradients": gradients, "model_state": model_state}
    return state, observed


def _slope(rules: Rules, state: TrainState, minibatches: Minibatches) -> tuple[TrainState, Metrics]:
    gradient, _, observed = rules.gradient("generator", 0, state, minibatches[-1])
    return state, {"slope": optax.tree.norm(gradient), "real": observed["real"], "fake": observed["fake"]}


def _with_slope(system: System) -> System:
    """The same system, but its generator minimises the mean logit of its samples, and tells all logits."""

    def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        condition = condition_of(batch)
        index = jnp.arange(batch["x"].shape[0], dtype=jnp.int32)
        asked = {"index": index} | ({"y": batch["y"]} if condition else {})
        fake = image_logits(nets["discriminator"](system.generate(nets, turn.named("latent"), asked), *condition))
        return jnp.mean(fake), {"real": image_logits(nets["discriminator"](batch["x"], *condition)), "fake": fake}

    player = system.players["generator"]._replace(loss=loss, gradient=autodiff)
    return system._replace(players=system.players | {"generator": player})


def _logits(observed: Mapping[str, Any], gradient: float) -> Logits:
    real, fake = np.ravel(observed["real"]).astype(np.float64), np.ravel(observed["fake"]).astype(np.float64)
    above, equal = np.mean(real[:, None] > fake[None]), np.mean(real[:, None] == fake[None])
    slope = float(observed["slope"])
    return Logits(
        real_accuracy=float(np.mean(real > 0)),
        fake_accuracy=float(np.mean(fake < 0)),
        separation=float(above + equal / 2),
        margin=float(real.mean() - fake.mean()),
        passed=gradient / slope if slope else 0.0,
    )


def _normalisation(params: PyTree, before: PyTree, after: PyTree, gradient: PyTree) -> Normalisation:
    pairs = zip(_leaves(before.get("batch_stats", {})), _leaves(after.get("batch_stats", {})), strict=True)
    unchanged = [bool(np.array_equal(x, y)) for (_, x), (_, y) in pairs]
    variances = [x for path, x in _leaves(before.get("batch_stats", {})) if path.endswith("var")]
    scales = [np.abs(x) for path, x in _leaves(params) if path.endswith("scale") and np.ndim(x) >= 1]
    return Normalisation(
        frozen=float(np.mean(unchanged)) if unchanged else 0.0,
        constant=_share(variances, SMALL_VARIANCE),
        switched_off=_share(scales, SMALL_SCALE),
        dead=_dead(gradient),
    )


def _dead(gradient: PyTree) -> float:
    """Returns the largest share of a layer's units that nothing of the minibatch reaches or leaves.

    A closed ReLU and a channel that is switched off alike leave a gradient of exactly zero in all that leads to them.
    """
    if not _norm(gradient) > NO_GRADIENT:
        return 0.0
    shares = [np.mean(~np.any(x, axis=tuple(range(x.ndim - 1)))) for _, x in _leaves(gradient) if np.ndim(x) >= 2]
    return float(max(shares, default=0.0))


def _share(arrays: list[np.ndarray], bound: float) -> float:
    return float(np.mean(np.concatenate([np.ravel(x) for x in arrays]) < bound)) if arrays else 0.0


def _norm(tree: PyTree) -> float:
    squares = [np.sum(np.square(np.asarray(leaf, np.float64))) for leaf in jax.tree.leaves(tree)]
    return float(np.sqrt(sum(squares)))


def _leaves(tree: PyTree) -> list[tuple[str, np.ndarray]]:
    return [(path, np.asarray(leaf)) for path, leaf in by_path(tree).items()]
