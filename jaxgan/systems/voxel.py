"""3D-GAN: volumes of voxels, and a discriminator that waits while it is right about most of them."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp
from jax import Array

from jaxgan.dynamics.gated import Rule
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, Verdict, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, condition_of, generates, image_logits, samples, two_players
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains


@explains
def voxel(
    *, loss: LossOption, prior: Prior, optimizer: Optimizer, n_critic: int = 1, **adversarial: Unpack[Adversarial]
) -> System:
    """3D-GAN: a generator of volumes against a discriminator whose accuracy is known, so that it can wait by it.

    The game is `gan` of `networks.voxels`; what is its own is the rule of its turns. In the paper the discriminator
    moves only where it was right about at most 80 % of the batch, which is
    `jg.game(networks, system, dynamics=jg.dynamics.gated(jg.systems.accurate(0.8)))`.

    Metrics: those of `gan`, and the discriminator's `accuracy`: the share of volumes of either kind that it calls by
    their kind, before it moves.

    Args:
      loss: what each player minimises, from `jaxgan.losses`; the paper's is `non_saturating`.
      prior: the latents; the paper's are `priors.uniform(200, 0, 1)`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}; the paper's is Adam with b1 0.5 and
        rates of 1e-5 and 2.5e-3.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator". It generates from "index" or "z", and "y" where the batch
      has it.
    Raises:
      ValueError: the optimizers are not named after the players; at trace time, no volumes "x" [B, D, H, W, C] in the
        batch, or samples unlike them.
    References:
      Wu, Zhang, Xue, Freeman, Tenenbaum. Learning a Probabilistic Latent Space of Object Shapes via 3D
      Generative-Adversarial Modeling. NeurIPS 2016, eq. 1 and section 3.1.
    """
    judge, make = adversary(loss, **adversarial), samples(prior)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        check_batch("voxel", batch, x="volumes")
        if batch["x"].ndim != 5:
            raise ValueError(f"voxel needs volumes batch['x'] [B, D, H, W, C]; got shape {batch['x'].shape}")
        condition = condition_of(batch)
        return (batch["x"], *condition), (make(nets, batch, turn), *condition)

    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        verdict = judge.discriminator(nets, turn, *shown(nets, batch, turn))
        return verdict.loss, verdict.metrics | {"accuracy": _accuracy(verdict)}

    playing = two_players(optimizer, discriminator, player_loss(judge.generator, shown), n_critic)
    return between(judge, playing, generates(prior), takes={"y": "conditions of n, as in the batch"})


def accurate(most: float = 0.8) -> dict[str, Rule]:
    """Returns the rule by which 3D-GAN's discriminator waits, for `dynamics.gated`: it is right too often.

    Example:
      >>> import jaxgan as jg
      >>> rules = jg.systems.accurate(0.8)
      >>> [rules["discriminator"]({"accuracy": share}, 0) for share in (0.5, 0.8, 0.9)]
      [True, True, False]

    Args:
      most: share of a batch that it may be right about and still move, in (0, 1]; the paper's is 0.8.
    Returns:
      Rule of the player "discriminator", which reads the metric `accuracy` of `voxel`.
    Raises:
      ValueError: the share is out of range.
    References:
      Wu et al., as in `voxel`, section 3.1.
    """
    if not 0 < most <= 1:
        raise ValueError(f"accurate needs a share in (0, 1]; got {most}")
    return {"discriminator": lambda metrics, step: metrics["accuracy"] <= most}


def _accuracy(verdict: Verdict) -> Array:
    """Returns the share of logits on the right side of 0, of the mean over both kinds."""
    right = image_logits(verdict.real) > 0, image_logits(verdict.fake) < 0
    return sum((jnp.mean(side.astype(jnp.float32)) for side in right), jnp.zeros((), jnp.float32)) / 2
