"""CoGAN: pairs of samples of two domains, learned from data of each without a pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import jax.numpy as jnp
from jax import Array

from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, changed, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, drawn, generates, two_players
from jaxgan.types import Batch, Loss, Nets, System, Turn, explains

Samples = dict[str, Array]  # by domain


@explains
def cogan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    domains: Sequence[str] = ("a", "b"),
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """GANs of two domains, or more, with one latent and shared layers: what they make of one z belongs together.

    Either GAN knows its own domain alone, and the batch needs no pairs: examples that come together in it are never
    compared. That samples correspond comes from the layers that the generators share, so networks without them
    (`networks.coupled` with no trunk) learn both domains and no correspondence.

    Metrics: each player's loss, the sum over domains; the discriminator's logits and probabilities as in `gan`, means
    over all domains, and `penalty` where there is one.

    Args:
      loss: of either GAN, from `jaxgan.losses`, or a function of the turn; no network that remembers.
      prior: of the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      domains: names of the batch's entries, two or more.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them. A penalty is of the
        mean of the logits over domains: `r1(gamma)` of two is a quarter of both domains' R1. Every domain is augmented
        by draws of its own.
    Returns:
      System with networks "generator", z -> {domain: x}, and "discriminator", {domain: x} -> {domain: logits [B, ...]}:
      a `networks.coupled.CoupledGenerator` and a `CoupledDiscriminator`, or others of this form. It generates
      {domain: x} from "index" or "z".
    Raises:
      ValueError: fewer than two domains, a loss that remembers, or the optimizers are not named after the players; at
        trace time, a batch, samples or logits without one of the domains.
    References:
      Liu, Tuzel. Coupled Generative Adversarial Networks. NeurIPS 2016, eq. 3.
    """
    if len(set(domains)) < 2:
        raise ValueError(f"cogan couples two domains or more; got {list(domains)}")

    def side_by_side(logits: Mapping[str, Array]) -> Array:
        """Returns the logits of all domains, [B, domains, ...]."""
        if not isinstance(logits, Mapping) or set(logits) != set(domains):
            have = sorted(logits) if isinstance(logits, Mapping) else type(logits).__name__
            raise ValueError(
                f"cogan needs a discriminator with logits for {sorted(domains)}, a networks.coupled; it has {have}"
            )
        return jnp.stack([logits[name] for name in domains], axis=1)

    def of_each(pair: Loss) -> Loss:
        def summed(side: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
            return lambda real, fake: jnp.sum(jnp.stack([side(real[:, k], fake[:, k]) for k in range(len(domains))]))

        return Loss(summed(pair.discriminator), summed(pair.generator))

    judge = adversary(changed(loss, of_each), logits=side_by_side, **adversarial)

    def sides(nets: Nets, batch: Batch, turn: Turn) -> tuple[Samples, Any]:
        check_batch("cogan", batch, **dict.fromkeys(domains, "the data of a domain"))
        return {name: batch[name] for name in domains}, nets["generator"](drawn(prior, batch, turn))

    discriminator, generator = (player_loss(side, sides) for side in (judge.discriminator, judge.generator))
    return between(judge, two_players(optimizer, discriminator, generator, n_critic), generates(prior), takes={})
