"""InfoGAN: codes in the latent that must be readable from the sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses import categorical_information, gaussian_information
from jaxgan.networks.heads import CodePosterior
from jaxgan.penalties.weights import check_at_least_zero
from jaxgan.priors import Codes, Prior, codes, split_codes
from jaxgan.systems.adversary import Adversarial, LossOption, Verdict, adversary, between
from jaxgan.systems.parts import Optimizer, check_outputs, drawn, latents, two_players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains


@explains
def infogan(
    *,
    loss: LossOption,
    noise: Prior,
    optimizer: Optimizer,
    categorical: Sequence[int] = (10,),
    continuous: int = 0,
    weight: float = 1.0,
    continuous_weight: float = 0.1,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
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
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment and regularizer, as `systems.adversary` takes them; no replay.
    Returns:
      System with networks "generator" and "discriminator". It generates from "index" or "z"; "y" [n] asks for values of
      the first categorical code.
    Raises:
      ValueError: a weight is negative, there is no code, or a replay, or the optimizers are not named after the
        players; at trace time, a discriminator without these heads, or samples unlike the data.
    References:
      Chen et al. InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets.
      NeurIPS 2016, section 5.
    """
    check_at_least_zero("infogan", "weight", weight)
    check_at_least_zero("infogan", "continuous_weight", continuous_weight)
    if adversarial.get("replay"):
        raise ValueError("infogan reads the codes of samples that were just made; a replay shows others: leave it out")
    prior, judge = codes(noise, categorical, continuous), adversary(loss, **adversarial)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Codes, tuple[Any, ...]]:
        z = drawn(prior, batch, turn)
        return split_codes(z, categorical, continuous), (nets, turn, batch["x"], nets["generator"](z))

    def with_information(verdict: Verdict, made: Codes) -> tuple[Array, Metrics]:
        check_outputs("infogan", verdict.fake, "logits", "codes")
        bound, parts = information(verdict.fake["codes"], made)
        return verdict.loss - bound, verdict.metrics | parts

    def information(read: CodePosterior, made: Codes) -> tuple[Array, Metrics]:
        """Returns the weighted bound, and its parts."""
        bounds = [categorical_information(q, c) for q, c in zip(read.categorical, made.categorical, strict=True)]
        parts = {"information": jnp.sum(jnp.stack(bounds))} if bounds else {}
        total = weight * parts.get("information", jnp.zeros((), jnp.float32))
        if continuous:
            parts["continuous_information"] = gaussian_information(
                read.mean, read.log_std, made.continuous, entropy=math.log(2)
            )
            total = total + continuous_weight * parts["continuous_information"]
        return total, parts

    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        made, sides = shown(nets, batch, turn)
        return with_information(judge.discriminator(*sides), made)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        made, sides = shown(nets, batch, turn)
        return with_information(judge.generator(*sides), made)

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z = latents(prior, key, inputs)
        if "y" in inputs:
            if not categorical:
                raise ValueError("this infogan has no categorical code to ask for; leave 'y' out")
            asked = jax.nn.one_hot(inputs["y"], categorical[0], dtype=z.dtype)
            z = jnp.concatenate([asked, z[:, categorical[0] :]], axis=1)
        return nets["generator"](z)

    playing = two_players(optimizer, discriminator, generator, n_critic)
    return between(judge, playing, generate, takes={"y": "values of the first categorical code, [n] int32"})
