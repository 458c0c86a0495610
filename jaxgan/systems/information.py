"""InfoGAN: codes in the latent that must be readable from the sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses import categorical_information, gaussian_information
from jaxgan.networks.heads import CodePosterior
from jaxgan.priors import Codes, Prior, codes, split_codes
from jaxgan.systems.players import Optimizer, check_outputs, check_samples, latents, logit_metrics, two_players
from jaxgan.types import Augment, Batch, Inputs, Loss, Metrics, Nets, Penalty, System, Turn


def infogan(
    *,
    loss: Loss,
    noise: Prior,
    optimizer: Optimizer,
    categorical: Sequence[int] = (10,),
    continuous: int = 0,
    weight: float = 1.0,
    continuous_weight: float = 0.1,
    penalty: Penalty | None = None,
    n_critic: int = 1,
    augment: Augment | None = None,
) -> System:
    """A generator of codes and noise; both players maximise a bound on the information that samples hold of the codes.

    The generator is an unconditional G(z) on the latents of `priors.codes`. The discriminator is a
    `networks.heads.Headed` with the heads "logits" and "codes", a `heads.Codes` of the same numbers.

    Metrics: each player's loss; of both, `information`, the bound for the categorical codes in nats, at most the sum of
    their log K, and with continuous ones `continuous_information`; the discriminator's logits and probabilities as in
    `gan`, and `penalty` where there is one.

    Args:
      loss: what each player minimises besides, from `jaxgan.losses`.
      noise: the rest of the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      categorical: number of values of each categorical code.
      continuous: number of continuous codes, U(-1, 1).
      weight: lambda of the categorical codes, >= 0.
      continuous_weight: lambda of the continuous codes, >= 0; smaller unless the head's `fixed_std` is set, since their
        bound has no ceiling then.
      penalty: added to the discriminator's loss, of its "logits" head.
      n_critic: discriminator updates per generator update, >= 1.
      augment: of all that the discriminator sees, from `jaxgan.augment`.
    Returns:
      System with networks "generator" and "discriminator". It generates from "index" or "z"; "y" [n] asks for values of
      the first categorical code.
    Raises:
      ValueError: a weight is negative, there is no code, or the optimizers are not named after the players; at trace
        time, a discriminator without these heads, or samples unlike the data.
    References:
      Chen et al. InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets.
      NeurIPS 2016, section 5.
    """
    if weight < 0 or continuous_weight < 0:
        raise ValueError(f"infogan needs weights >= 0; got {weight} and {continuous_weight}")
    prior = codes(noise, categorical, continuous)

    def sample(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Codes]:
        z = prior(turn.named("latent"), batch["x"].shape[0], turn.examples)
        return nets["generator"](z), split_codes(z, categorical, continuous)

    def seen(x: Array, turn: Turn, use: str) -> Array:
        return augment(x, turn, use) if augment else x

    def information(read: CodePosterior, made: Codes) -> tuple[Array, Metrics]:
        """Returns the weighted bound, and its parts."""
        bounds = [categorical_information(q, c) for q, c in zip(read.categorical, made.categorical, strict=True)]
        told = {"information": jnp.sum(jnp.stack(bounds))} if bounds else {}
        total = weight * told.get("information", jnp.zeros(()))
        if continuous:
            told["continuous_information"] = gaussian_information(
                read.mean, read.log_std, made.continuous, entropy=math.log(2)
            )
            total = total + continuous_weight * told["continuous_information"]
        return total, told

    def discriminator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        fake, made = sample(nets, batch, turn)
        check_samples(batch["x"], fake)
        real, fake = seen(batch["x"], turn, "real"), seen(fake, turn, "fake")
        of_real, of_fake = nets["discriminator"](real), nets["discriminator"](fake)
        check_outputs("infogan", of_fake, "logits", "codes")
        bound, told = information(of_fake["codes"], made)
        value = loss.discriminator(of_real["logits"], of_fake["logits"]) - bound
        metrics = logit_metrics(of_real["logits"], of_fake["logits"]) | told
        if penalty is None:
            return value, metrics
        critic = frozen(nets["discriminator"])
        cost = penalty(lambda x: critic(x)["logits"], real, fake, turn)
        return value + cost, metrics | {"penalty": cost}

    def generator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        fake, made = sample(nets, batch, turn)
        of_fake = nets["discriminator"](seen(fake, turn, "fake"))
        of_real = nets["discriminator"](seen(batch["x"], turn, "real"))  # compiled away where the loss ignores it
        bound, told = information(of_fake["codes"], made)
        return loss.generator(of_real["logits"], of_fake["logits"]) - bound, told

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        z = prior(jax.random.key(0), batch["x"].shape[0])  # only its shape matters
        return {"generator": (z,), "discriminator": (batch["x"],)}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z = latents(prior, key, inputs)
        if "y" in inputs:
            if not categorical:
                raise ValueError("this infogan has no categorical code to ask for; leave 'y' out")
            asked = jax.nn.one_hot(inputs["y"], categorical[0], dtype=z.dtype)
            z = jnp.concatenate([asked, z[:, categorical[0] :]], axis=1)
        return nets["generator"](z)

    return System(
        players=two_players(optimizer, discriminator_loss, generator_loss, n_critic),
        inputs=inputs,
        generate=generate,
    )
