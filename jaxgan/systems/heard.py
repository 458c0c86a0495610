"""What codec and vocoder share: sounds that are made anew, before several judges, and what they pay for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses import absolute_error, layerwise_matching
from jaxgan.systems.adversary import Adversarial, Adversary, LossOption, adversary, changed
from jaxgan.types import Loss, Metrics, Nets, Turn

Distance = Callable[[Array, Array], Array]  # (x, made) [B, L, C] -> []
TERMS = ("wave", "spectrum", "adversarial", "features")  # that have weights
JUDGED = ("adversarial", "features")  # those of the discriminator


class Terms(NamedTuple):
    """What made sounds cost, by terms, and how the terms are weighed."""

    judge: Adversary
    weights: dict[str, float]  # of those that are not zero
    distance: Distance  # of spectra
    relative: bool  # matching of features


def terms_of(
    system: str,
    loss: LossOption,
    weights: Mapping[str, float],
    distance: Distance,
    relative: bool,
    **adversarial: Unpack[Adversarial],
) -> Terms:
    """Sets up the terms of a system.

    Raises:
      ValueError: unknown terms, a negative weight or none at all, or a loss that remembers logits.
    """
    if set(weights) - set(TERMS) or not min(weights.values(), default=0) >= 0 or not any(weights.values()):
        raise ValueError(f"{system} needs weights >= 0, not all zero, of {TERMS}; got {dict(weights)}")
    judge = adversary(changed(loss, _of_all), logits=_logits, **adversarial)
    return Terms(judge, {name: weight for name, weight in weights.items() if weight}, distance, relative)


def is_judged(terms: Terms) -> bool:
    """Tells whether there is a discriminator."""
    return any(name in terms.weights for name in JUDGED)


def costs(terms: Terms, nets: Nets, turn: Turn, x: Array, made: Array) -> dict[str, Array]:
    """Returns what the made sounds cost by terms, [] each, without weights."""
    values: dict[str, Array] = {}
    if "wave" in terms.weights:
        values["wave"] = absolute_error(x, made)
    if "spectrum" in terms.weights:
        values["spectrum"] = terms.distance(x, made)
    if is_judged(terms):
        verdict = terms.judge.generator(nets, turn, x, made)
        if "adversarial" in terms.weights:
            values["adversarial"] = verdict.loss
        if "features" in terms.weights:
            real, fake = ([judged[1] for judged in outputs] for outputs in (verdict.real, verdict.fake))
            values["features"] = layerwise_matching(real, fake, relative=terms.relative, average=turn.average)
    return values


def weighed(terms: Terms, values: Mapping[str, Array]) -> Array:
    """Returns the sum of costs by their weights."""
    return jnp.sum(jnp.stack([terms.weights[name] * value for name, value in values.items()]))


def balanced_costs(
    terms: Terms, nets: Nets, turn: Turn, x: Array, made: Array, balancer: str
) -> tuple[Array, dict[str, Array], Metrics]:
    """Returns the costs, whose sum has the balancer's gradient at the made sounds: (that sum, costs, norms).

    The sum is worth what it would be without; only its gradient is another. Networks are seen through views, since what
    they remember cannot leave a derivative.
    """
    views = {name: frozen(net) for name, net in nets.items()}
    values, pull = jax.vjp(lambda y: costs(terms, views, turn, x, y), jax.lax.stop_gradient(made))
    zeros = {name: jnp.zeros_like(value) for name, value in values.items()}
    gradients = {name: pull(zeros | {name: jnp.ones_like(values[name])})[0] for name in values}
    direction, norms = nets[balancer](gradients, terms.weights)
    moved = jnp.sum(jax.lax.stop_gradient(direction) * made)
    total = jax.lax.stop_gradient(weighed(terms, values) - moved) + moved
    return total, values, {f"norm_{name}": norm for name, norm in norms.items()}


def _of_all(loss: Loss) -> Loss:
    """Returns the sum of a loss over all judges."""

    def side(objective: Callable[[Array, Array], Array]) -> Any:
        return lambda real, fake: jnp.sum(jnp.stack([objective(*pair) for pair in zip(real[1], fake[1], strict=True)]))

    return Loss(side(loss.discriminator), side(loss.generator))


def _logits(outputs: Any) -> tuple[Array, tuple[Array, ...]]:
    """Returns the mean logit of each sound [B], which penalties and metrics are of, and the logits of every judge."""
    shaped = isinstance(outputs, tuple | list) and all(isinstance(o, tuple) and len(o) == 2 for o in outputs)
    if not shaped or not outputs:
        raise ValueError(
            "sounds are judged by a discriminator that returns (logits, features) of each of its judges, such as "
            f"networks.listeners.MultiPeriodDiscriminator; got {jax.tree.map(jnp.shape, outputs)}"
        )
    each = tuple(logits for logits, _ in outputs)
    means = [jnp.mean(logits.reshape(logits.shape[0], -1), axis=1) for logits in each]
    return jnp.mean(jnp.stack(means), axis=0), each
