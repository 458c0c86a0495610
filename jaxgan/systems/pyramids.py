"""LAPGAN: one small game for every level of a Laplacian pyramid, each making the details that its level lacks."""

from __future__ import annotations

from typing import Any

import jax
from jax import Array

from jaxgan.game import frozen
from jaxgan.networks.inputs import check_strides
from jaxgan.networks.layers.pyramid import downsample, upsample
from jaxgan.priors import Prior
from jaxgan.systems.players import Optimizer, check_samples, condition_of, logit_metrics, optimizers_of
from jaxgan.types import Batch, Inputs, Loss, LossFn, Metrics, Nets, Penalty, Player, System, Turn


def lapgan(
    *,
    loss: Loss,
    prior: Prior,
    optimizer: Optimizer,
    levels: int = 3,
    penalty: Penalty | None = None,
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
      penalty: added to every discriminator's loss; of details, given the blurred image.
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
    names = [f"{side}_{level}" for level in range(levels) for side in ("discriminator", "generator")]
    optimizers = optimizers_of(optimizer, names)

    def latents(key: Array, n: int, index: Array | None, level: int) -> Array:
        return prior(jax.random.fold_in(key, level), n, index)

    def pair(nets: Nets, batch: Batch, turn: Turn, level: int) -> tuple[Array, Array, tuple[Array, ...]]:
        """Returns what is real at this level, a sample of it, and their condition."""
        real, condition = _level(batch["x"], level, levels), condition_of(batch)
        if level:
            low = upsample(_level(batch["x"], level - 1, levels), *real.shape[1:3])
            real, condition = real - low, (low, *condition)
        z = latents(turn.named("latent"), real.shape[0], turn.examples, level)
        return real, nets[f"generator_{level}"](z, *condition), condition

    def discriminator(level: int) -> LossFn:
        def value(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
            real, fake, condition = pair(nets, batch, turn, level)
            check_samples(real, fake)
            net = nets[f"discriminator_{level}"]
            logits = net(real, *condition), net(fake, *condition)
            if penalty is None:
                return loss.discriminator(*logits), logit_metrics(*logits)
            critic = frozen(net)
            cost = penalty(lambda x: critic(x, *condition), real, fake, turn)
            return loss.discriminator(*logits) + cost, logit_metrics(*logits) | {"penalty": cost}

        return value

    def generator(level: int) -> LossFn:
        def value(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
            real, fake, condition = pair(nets, batch, turn, level)
            net = nets[f"discriminator_{level}"]
            return loss.generator(net(real, *condition), net(fake, *condition)), {}

        return value

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        found: dict[str, tuple[Any, ...]] = {}
        for level in range(levels):
            real, condition = _level(batch["x"], level, levels), condition_of(batch)
            if level:
                condition = (real, *condition)  # a blurred image has the same shape
            found[f"discriminator_{level}"] = (real, *condition)
            found[f"generator_{level}"] = (prior(jax.random.key(0), real.shape[0]), *condition)
        return found

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

    players = {
        name: Player((name,), made(level), optimizers[name])
        for level in range(levels)
        for name, made in ((f"discriminator_{level}", discriminator), (f"generator_{level}", generator))
    }
    return System(players, inputs, generate)


def _level(x: Array, level: int, levels: int) -> Array:
    """Returns images at a level of the pyramid, 0 the coarsest, levels - 1 the images themselves."""
    factor = 2 ** (levels - 1)
    check_strides(f"lapgan(levels={levels})", x, factor, least=2 * factor)
    for _ in range(levels - 1 - level):
        x = downsample(x)
    return x
