"""LAPGAN: one small game for every level of a Laplacian pyramid, each making the details that its level lacks."""

from __future__ import annotations

import functools
from typing import Any, Unpack

import jax
from jax import Array

from jaxgan.networks.inputs import check_strides
from jaxgan.networks.layers.pyramid import downsample, upsample
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, Arguments, LossOption, adversary, between, numbered, player_loss
from jaxgan.systems.parts import Optimizer, condition_of, players
from jaxgan.types import Batch, Inputs, Nets, System, Turn, explains


@explains
def lapgan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    levels: int = 3,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A game for every level of the pyramid: the coarsest makes images, the others the details of a blurred image.

    Networks "generator_0" G(z) and "discriminator_0" D(x) play on the image halved levels - 1 times. At level k > 0,
    "generator_k" G(z, low) makes the detail of what is real but blurred, and "discriminator_k" D(detail, low) judges
    it, so that levels are trained independently of each other, in one train step. With labels "y" in the batch, all
    networks receive them last. `generate` goes up from the coarsest samples: "index" [n], or "z" [n, levels, Z]; given
    "level_k" as well, images of that level, it goes up from those.

    Metrics: each player's loss, and each discriminator's logits and probabilities as in `gan`, and `penalty`.

    Args:
      loss: what the players of all levels minimise, from `jaxgan.losses`.
      prior: the latents of each level, from `jaxgan.priors`.
      optimizer: one for all players, or by player: {"discriminator_0": ..., "generator_0": ..., ...}.
      levels: images in the pyramid, >= 2; each side is halved levels - 1 times.
      n_critic: updates of every discriminator per generator update, >= 1.
      **adversarial: penalty (of details, given the blurred image), augment, replay and regularizer, as
        `systems.adversary` takes them; names of memories are numbered, "pool_0", "pool_1", ...
    Returns:
      System.
    Raises:
      ValueError: fewer than two levels, or optimizers of other names; at trace time, details unlike the data's.
    References:
      Denton, Chintala, Szlam, Fergus. Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks.
      NeurIPS 2015, section 2.
    """
    if levels < 2:
        raise ValueError(f"lapgan needs levels >= 2; got {levels}")
    judges = [adversary(loss, f"discriminator_{level}", **numbered(adversarial, level)) for level in range(levels)]

    def latents(key: Array, n: int, index: Array | None, level: int) -> Array:
        return prior(jax.random.fold_in(key, level), n, index)

    def shown(nets: Nets, batch: Batch, turn: Turn, level: int) -> tuple[Arguments, Arguments]:
        """Returns what is real at this level and a sample of it, with their condition."""
        real, condition = _level(batch["x"], level, levels), condition_of(batch)
        if level:
            low = upsample(_level(batch["x"], level - 1, levels), *real.shape[1:3])
            real, condition = real - low, (low, *condition)
        z = latents(turn.named("latent"), real.shape[0], turn.examples, level)
        return (real, *condition), (nets[f"generator_{level}"](z, *condition), *condition)

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        labels, n = condition_of(inputs), inputs["z" if "z" in inputs else "index"].shape[0]
        given = [level for level in range(levels) if f"level_{level}" in inputs]
        start = given[-1] if given else 0
        z = [
            inputs["z"][:, level] if "z" in inputs else latents(key, n, inputs["index"], level)
            for level in range(levels)
        ]
        x = inputs[f"level_{start}"] if given else nets["generator_0"](z[0], *labels)
        for level in range(start + 1, levels):
            low = upsample(x, 2 * x.shape[1], 2 * x.shape[2])
            x = low + nets[f"generator_{level}"](z[level], low, *labels)
        return x

    moves: dict[str, Any] = {}
    for level, judge in enumerate(judges):
        show = functools.partial(shown, level=level)
        own = f"discriminator_{level}", f"generator_{level}"
        moves[own[0]] = (own[0], player_loss(judge.discriminator, show), n_critic)
        moves[own[1]] = (own[1], player_loss(judge.generator, show))
    takes = {"y": "conditions of n, as in the batch"}
    takes |= {f"level_{level}": "images of that level, to go up from" for level in range(levels)}
    return between(judges, players(optimizer, **moves), generate, takes=takes)


def _level(x: Array, level: int, levels: int) -> Array:
    """Returns images at a level of the pyramid, 0 the coarsest, levels - 1 the images themselves."""
    factor = 2 ** (levels - 1)
    check_strides(f"lapgan(levels={levels})", x, factor, least=2 * factor)
    for _ in range(levels - 1 - level):
        x = downsample(x)
    return x
