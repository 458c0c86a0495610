"""CycleGAN and DiscoGAN: translation without pairs, there and back again."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses import absolute_error, feature_matching, squared_error
from jaxgan.penalties.weights import Weight, check_at_least_zero, weight_at
from jaxgan.systems.adversary import (
    Adversarial,
    Adversary,
    LossOption,
    Verdict,
    adversary,
    between,
    numbered,
    player_loss,
)
from jaxgan.systems.parts import Optimizer, check_batch, check_outputs, players, translation
from jaxgan.types import Batch, Inputs, LossFn, Metrics, Nets, System, Turn, explains

OTHER = {"a": "b", "b": "a"}


class Circle(NamedTuple):
    """A batch there and back again, by domain."""

    real: dict[str, Array]  # the data
    fake: dict[str, Array]  # translations into the domain
    back: dict[str, Array]  # the data, translated there and back


@explains
def cyclegan(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    cycle: float | tuple[float, float] = 10.0,
    identity: float = 0.5,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """Two translators, a to b and b to a, without pairs: each fools a discriminator, and there and back is home.

    Players move in this order: "discriminator_a", "discriminator_b", and "translators", both at once. In the authors'
    code the translators begin, which is the same circle from elsewhere.

    The paper's translators minimise a least squares loss without the factor 1/2 of `losses.least_squares`, against
    lambda = 10: with ours, that is `cycle=5.0`.

    Metrics: each player's loss; the translators' `cycle_a`, `cycle_b`, mean absolute errors there and back, and
    `identity_a`, `identity_b`, all without weights; the discriminators' logits and probabilities as in `gan`, and
    `penalty` where there is one.

    Args:
      loss: what each player minimises besides, from `jaxgan.losses`; the paper's is `least_squares`.
      optimizer: one for all players, or {"discriminator_a": ..., "discriminator_b": ..., "translators": ...}.
      cycle: lambda of the errors there and back, >= 0; or a pair of those of a and of b.
      identity: weight, as a share of lambda, of what a translator changes in images that are of its output's domain
        already, >= 0; 0.5 in the authors' code, and in their paper for paintings alone. 0: none, as where the domains
        have not the same channels.
      n_critic: updates of each discriminator per update of the translators, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them. The paper's pools are
        `replay="pool"`, with networks "pool_a" and "pool_b", each a `networks.remedies.Replay(50)`.
    Returns:
      System with networks "a_to_b", "b_to_a", "discriminator_a" and "discriminator_b", on batches of "a" and "b". It
      translates "a" or "b".
    Raises:
      ValueError: a weight is negative, or the optimizers are not named after the players; at trace time, a batch
        without both domains, or images that become none of the other domain.
    References:
      Zhu, Park, Isola, Efros. Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks. ICCV
      2017, eq. 1 to 3, and section 5.2 (identity).
    """
    weights = dict(zip("ab", cycle if isinstance(cycle, tuple) else (cycle, cycle), strict=True))
    for domain, weight in weights.items():
        check_at_least_zero("cyclegan", f"cycle of {domain}", weight)
    check_at_least_zero("cyclegan", "identity", identity)
    judges = _judges(loss, adversarial)

    def translators(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        circle, metrics = _circle("cyclegan", nets, batch), Metrics()
        if identity and circle.real["a"].shape[1:] != circle.real["b"].shape[1:]:
            raise ValueError(
                "cyclegan's identity term gives translators images of their output's domain, which have another shape: "
                f"{circle.real['a'].shape[1:]} in a, {circle.real['b'].shape[1:]} in b; set identity=0"
            )
        value = jnp.zeros((), jnp.float32)
        for domain, verdict in _verdicts(judges, nets, turn, circle).items():
            x = circle.real[domain]
            metrics[f"cycle_{domain}"] = absolute_error(circle.back[domain], x)
            value = value + verdict.loss + weights[domain] * metrics[f"cycle_{domain}"]
            if identity:
                metrics[f"identity_{domain}"] = absolute_error(nets[_into(domain)](x), x)
                value = value + weights[domain] * identity * metrics[f"identity_{domain}"]
        return value, metrics

    return _between("cyclegan", judges, optimizer, translators, n_critic)


@explains
def discogan(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    reconstruction: Weight = 0.5,
    features: float = 0.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """CycleGAN's game with squared errors, and the statistics of the discriminators' features in place of its lambda.

    The translators minimise, summed over both directions, (1 - r) ((1 - f) L_game + f L_features) + r L_reconstruction.
    The paper's equations have r = 1/2, up to a factor 2, and f = 0; the authors' code has f = 0.9, r = 0.01 until step
    10,000 and 0.5 from there, and a discriminator that moves only every third step, when the translators do not:
    `dynamics.gated` with rules of `step % 3` for all three players.

    Metrics: each player's loss; the translators' `reconstruction_a`, `reconstruction_b`, mean squared errors there and
    back, and where f > 0 `features_a`, `features_b`; the discriminators' as in `cyclegan`.

    Args:
      loss: what each player minimises besides, from `jaxgan.losses`; the paper's is `non_saturating`.
      optimizer: one for all players, or {"discriminator_a": ..., "discriminator_b": ..., "translators": ...}.
      reconstruction: r in [0, 1], or a schedule of the step.
      features: f in [0, 1], the share of L_features: over each of the discriminator's "features" (one array [B, ...] as
        of a `networks.heads.Headed`, or several), the mean squared difference of batch means, summed.
      n_critic: updates of each discriminator per update of the translators, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them; memories end in "_a"
        and "_b".
    Returns:
      System with networks "a_to_b", "b_to_a", "discriminator_a" and "discriminator_b", on batches of "a" and "b". It
      translates "a" or "b".
    Raises:
      ValueError: a share is out of range, or the optimizers are not named after the players; at trace time, a batch
        without both domains, a discriminator without features where f > 0, or images that become none of the other
        domain.
    References:
      Kim, Cha, Kim, Lee, Kim. Learning to Discover Cross-Domain Relations with Generative Adversarial Networks. ICML
      2017, eq. 3 to 7.
    """
    for name, share in (("reconstruction", reconstruction), ("features", features)):
        if not callable(share) and not 0 <= share <= 1:
            raise ValueError(f"discogan needs {name} in [0, 1]; got {share}")
    judges = _judges(loss, adversarial)

    def translators(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        circle, metrics, value = _circle("discogan", nets, batch), Metrics(), jnp.zeros((), jnp.float32)
        r = weight_at(reconstruction, turn)
        for domain, verdict in _verdicts(judges, nets, turn, circle).items():
            game = verdict.loss
            if features:
                metrics[f"features_{domain}"] = _matched(verdict, turn)
                game = (1 - features) * game + features * metrics[f"features_{domain}"]
            error = squared_error(circle.back[domain], circle.real[domain])
            metrics[f"reconstruction_{domain}"] = error
            value = value + (1 - r) * game + r * error
        return value, metrics

    return _between("discogan", judges, optimizer, translators, n_critic)


def _into(domain: str) -> str:
    return f"{OTHER[domain]}_to_{domain}"


def _judges(loss: LossOption, adversarial: Adversarial) -> dict[str, Adversary]:
    return {domain: adversary(loss, f"discriminator_{domain}", **numbered(adversarial, domain)) for domain in OTHER}


def _domains(system: str, batch: Batch) -> dict[str, Array]:
    check_batch(system, batch, a="images of one domain", b="images of the other, in no order")
    return {domain: batch[domain] for domain in OTHER}


def _circle(system: str, nets: Nets, batch: Batch) -> Circle:
    real = _domains(system, batch)
    fake = {domain: nets[_into(domain)](real[OTHER[domain]]) for domain in OTHER}
    return Circle(real, fake, {domain: nets[_into(domain)](fake[OTHER[domain]]) for domain in OTHER})


def _verdicts(judges: dict[str, Adversary], nets: Nets, turn: Turn, circle: Circle) -> dict[str, Verdict]:
    return {domain: judges[domain].generator(nets, turn, circle.real[domain], circle.fake[domain]) for domain in OTHER}


def _matched(verdict: Verdict, turn: Turn) -> Array:
    """Mean squared differences of mean features, summed over layers."""
    check_outputs("discogan", verdict.fake, "logits", "features")
    layers = zip(*(jax.tree.leaves(outputs["features"]) for outputs in (verdict.real, verdict.fake)), strict=True)
    distances = [feature_matching(one, other, average=turn.average) / one[0].size for one, other in layers]
    return sum(distances, start=jnp.zeros((), jnp.float32))


def _between(
    system: str, judges: dict[str, Adversary], optimizer: Optimizer, translators: LossFn, n_critic: int
) -> System:
    """Returns the system of these translators, with a discriminator for each domain."""

    def discriminator(domain: str) -> LossFn:
        def sides(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
            real = _domains(system, batch)
            return real[domain], nets[_into(domain)](real[OTHER[domain]])

        return player_loss(judges[domain].discriminator, sides)

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Any:
        given = [domain for domain in OTHER if domain in inputs]
        if len(given) != 1:
            raise ValueError(f"{system} translates 'a' or 'b', one at a time; it was given {given or 'neither'}")
        return translation(nets[_into(OTHER[given[0]])], inputs[given[0]], inputs)

    playing = players(
        optimizer,
        **{f"discriminator_{domain}": (f"discriminator_{domain}", discriminator(domain), n_critic) for domain in OTHER},
        translators=(("a_to_b", "b_to_a"), translators),
    )
    takes = {"a": "images to translate into b, [n, H, W, C]", "b": "images to translate into a"}
    return between(list(judges.values()), playing, generate, takes=takes)
