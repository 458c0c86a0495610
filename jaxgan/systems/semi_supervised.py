"""The semi-supervised game: a classifier of few labels, for which samples are one class more."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import jax.numpy as jnp
from jax import Array

from jaxgan.losses import auxiliary_classifier, feature_matching, non_saturating, real_evidence
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between
from jaxgan.systems.parts import Optimizer, check_batch, check_outputs, drawn, generates, two_players
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains


@explains
def semi_supervised(
    *,
    prior: Prior,
    optimizer: Optimizer,
    objective: Literal["feature_matching", "non_saturating"] = "feature_matching",
    loss: LossOption = non_saturating,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A discriminator of K real classes and "fake", from few labelled examples, many unlabelled ones and samples.

    The batch holds "x" [B, ...] unlabelled, "labelled" [B, ...] and their "y" [B]; the few labelled ones come again and
    again. The generator is an unconditional G(z). The discriminator is a `networks.heads.Headed` with the head
    "classes" [B, K]; real or fake is read from it, D(x) = Z / (Z + 1) with Z the sum of its exponentials. Once trained,
    its "classes" are the classifier.

    Metrics: each player's loss; the discriminator's `accuracy` on its labelled examples, and of the evidence those of
    `gan`: `real_probability` and `fake_probability` are means of D.

    Args:
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      objective: what the generator minimises: the paper's "feature_matching", of the body's features, which trains the
        better classifier, or "non_saturating", its loss of the evidence,
        which makes the better samples.
      loss: of real or fake, of the evidence log Z [B]; the paper's is `non_saturating`, by which K + 1 classes are one
        softmax.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty (of the evidence), augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator"; it generates from "index" or "z".
    Raises:
      ValueError: the objective is unknown, or the optimizers are not named after the players; at trace time, no
        labelled examples, a discriminator without this head, or samples unlike the data.
    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 5.
      Springenberg. Unsupervised and Semi-supervised Learning with Categorical Generative Adversarial Networks. ICLR
      2016 (the same aim by entropies instead of a further class).
    """
    if objective not in ("feature_matching", "non_saturating"):
        raise ValueError(f"objective={objective!r} is unknown; choose 'feature_matching' or 'non_saturating'")
    judge = adversary(loss, logits=_evidence, **adversarial)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, ...]:
        check_batch("semi_supervised", batch, labelled="labelled examples [B, ...]", y="their labels [B] int32")
        return nets, turn, batch["x"], nets["generator"](drawn(prior, batch, turn))

    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        sides = shown(nets, batch, turn)
        labelled, y = nets["discriminator"](batch["labelled"]), batch["y"]
        check_outputs("semi_supervised", labelled, "classes")
        verdict = judge.discriminator(*sides)
        accuracy = jnp.mean(jnp.argmax(labelled["classes"], axis=1) == y)
        return auxiliary_classifier(labelled["classes"], y) + verdict.loss, verdict.metrics | {"accuracy": accuracy}

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        verdict = judge.generator(*shown(nets, batch, turn))
        if objective == "feature_matching":
            return feature_matching(verdict.real["features"], verdict.fake["features"], average=turn.average), {}
        return verdict.loss, {}

    playing = two_players(optimizer, discriminator, generator, n_critic)
    return between(judge, playing, generates(prior), takes={})


def _evidence(outputs: Any) -> Array:
    check_outputs("semi_supervised", outputs, "classes")
    return real_evidence(outputs["classes"])
