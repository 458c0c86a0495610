"""The semi-supervised game: a classifier of few labels, for which samples are one class more."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses import feature_matching, non_saturating, real_evidence
from jaxgan.losses import semi_supervised as classified
from jaxgan.priors import Prior
from jaxgan.systems.players import Optimizer, check_batch, check_outputs, check_samples, latents, two_players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn


def semi_supervised(
    *,
    prior: Prior,
    optimizer: Optimizer,
    objective: Literal["feature_matching", "non_saturating"] = "feature_matching",
    n_critic: int = 1,
) -> System:
    """A discriminator of K real classes and "fake", from few labelled examples, many unlabelled ones and samples.

    The batch holds "x" [B, ...] unlabelled, "labelled" [B, ...] and their "y" [B]; the few labelled ones come again and
    again. The generator is an unconditional G(z). The discriminator is a `networks.heads.Headed` with the head
    "classes" [B, K]; real or fake is read from it, D(x) = Z / (Z + 1) with Z the sum of its exponentials. Once trained,
    its "classes" are the classifier.

    Metrics: each player's loss; the discriminator's `accuracy` on its labelled examples, and `real_probability` and
    `fake_probability`, means of D.

    Args:
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      objective: what the generator minimises: the paper's "feature_matching", of the body's features, which trains the
        better classifier, or "non_saturating", which makes the better samples.
      n_critic: discriminator updates per generator update, >= 1.
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

    def sample(nets: Nets, batch: Batch, turn: Turn) -> Array:
        return nets["generator"](prior(turn.named("latent"), batch["x"].shape[0], turn.examples))

    def discriminator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        _check(batch)
        fake = sample(nets, batch, turn)
        check_samples(batch["x"], fake)
        found = [nets["discriminator"](x) for x in (batch["labelled"], batch["x"], fake)]
        check_outputs("semi_supervised", found[0], "classes")
        labelled, unlabelled, of_fake = (outputs["classes"] for outputs in found)
        metrics = {
            "accuracy": jnp.mean(jnp.argmax(labelled, axis=1) == batch["y"]),
            "real_probability": jnp.mean(jax.nn.sigmoid(real_evidence(unlabelled))),
            "fake_probability": jnp.mean(jax.nn.sigmoid(real_evidence(of_fake))),
        }
        return classified(labelled, batch["y"], unlabelled, of_fake), metrics

    def generator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        of_fake, of_real = nets["discriminator"](sample(nets, batch, turn)), nets["discriminator"](batch["x"])
        if objective == "feature_matching":
            return feature_matching(of_real["features"], of_fake["features"]), {}
        evidence = real_evidence(of_real["classes"]), real_evidence(of_fake["classes"])
        return non_saturating.generator(*evidence), {}

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        _check(batch)
        z = prior(jax.random.key(0), batch["x"].shape[0])  # only its shape matters
        return {"generator": (z,), "discriminator": (batch["x"],)}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z = latents(prior, key, inputs)
        return nets["generator"](z)

    return System(
        players=two_players(optimizer, discriminator_loss, generator_loss, n_critic),
        inputs=inputs,
        generate=generate,
    )


def _check(batch: Batch) -> None:
    check_batch("semi_supervised", batch, labelled="labelled examples [B, ...]", y="their labels [B] int32")
