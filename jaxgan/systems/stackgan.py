"""StackGAN: a small image from a caption, and from that and the caption again one of twice its sides."""

from __future__ import annotations

import functools
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.networks.layers.resampling import NEAREST, downsample
from jaxgan.priors import Prior, normal
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, numbered
from jaxgan.systems.captions import matching_aware, pair
from jaxgan.systems.parts import Optimizer, players, shifted
from jaxgan.types import Batch, Inputs, Metrics, Nets, PyTree, System, Turn, explains

STAGES = (0, 1)


@explains
def stackgan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    conditioning: int = 128,
    mismatched: float = 0.5,
    augmentation: float = 1.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """Text to image in two stages: stage I draws the caption at half the size, stage II draws it anew on top of that.

    "generator_0" G(z, noise, y) makes images of half the sides, "generator_1" G(low, noise, y) images of full size from
    those; both return (images, divergence [B]), where the divergence is that of a condition which the generator draws
    from the caption by the noise [B, C], as `networks.conditioning.ConditioningAugmentation` does. Their judges
    "discriminator_0" and "discriminator_1" D(x, y) see real images halved (means of 2 x 2 pixels) and whole, and are
    matching-aware as in `gan_cls_int`. Generators minimise their loss plus `augmentation` times the mean divergence.

    Both stages move in one train step; the paper trains stage I first, and stage II after it. Stage II learns from
    fresh samples of stage I as it is by then, and never moves it.

    `generate` goes through both stages from "y" and "index" [n], or "z" [n, Z + 2 C]: the latent, then the noise of
    either stage.

    Metrics: each player's loss; of the discriminators those of `systems.adversary`, and `mismatched_logits`; of the
    generators the mean `divergence`, in nats.

    Args:
      loss: what the players of both stages minimise, from `jaxgan.losses`; the paper's is `minimax`.
      prior: the latents of stage I, [B, Z], from `jaxgan.priors`; stage II has none.
      optimizer: one for all players, or by player: {"discriminator_0": ..., "generator_0": ..., ...}.
      conditioning: C, width of the noise, >= 1; the paper's is 128.
      mismatched: share of images with captions of others in what a discriminator refuses, in [0, 1].
      augmentation: weight of the divergence, >= 0; the paper's is 1 (its authors' code takes the mean over C).
      n_critic: updates of either discriminator per generator update, >= 1.
      **adversarial: penalty (of images with their own captions; the paper has none), augment, replay and regularizer,
        as `systems.adversary` takes them; names of memories are numbered, "pool_0" and "pool_1".
    Returns:
      System with networks "discriminator_0", "generator_0", "discriminator_1" and "generator_1", a player each.
    Raises:
      ValueError: an argument is out of range, or the optimizers are not named after the players; at trace time, no
        captions, sides that are odd, generators that return no divergence, samples unlike the data, or z too narrow.
    References:
      Zhang et al. StackGAN: Text to Photo-realistic Image Synthesis with Stacked Generative Adversarial Networks.
      ICCV 2017, sections "Conditioning Augmentation", "Stage-I GAN" and "Stage-II GAN".
    """
    if conditioning < 1 or not 0 <= mismatched <= 1 or not augmentation >= 0:
        raise ValueError(
            "stackgan needs conditioning >= 1, mismatched in [0, 1] and augmentation >= 0; "
            f"got {conditioning}, {mismatched} and {augmentation}"
        )
    judges = [adversary(loss, f"discriminator_{stage}", **numbered(adversarial, stage)) for stage in STAGES]
    standard = normal(conditioning)
    wrong = [shifted] if mismatched else []

    def latents(key: Array, n: int, index: Array | None) -> tuple[Array, ...]:
        """Returns the latent of stage I, and the noise of either stage."""
        latent, *noise = (jax.random.fold_in(key, use) for use in range(3))
        return prior(latent, n, index), *(standard(own, n, index) for own in noise)

    def shown(nets: Nets, batch: Batch, turn: Turn, stage: int) -> tuple[Array, PyTree, Array, Array]:
        """Returns real images of a stage, their captions, samples of those, and their divergences."""
        x, y = _stage(batch, stage)
        fake, divergences = _samples(nets, latents(turn.named("latent"), x.shape[0], turn.examples), y, stage)
        if fake.shape != x.shape:
            raise ValueError(f"stackgan needs images {x.shape} of 'generator_{stage}'; it makes {fake.shape}")
        return x, y, fake, divergences

    def discriminator(nets: Nets, batch: Batch, turn: Turn, stage: int) -> tuple[Array, Metrics]:
        x, y, fake, _ = shown(nets, batch, turn, stage)
        return matching_aware(judges[stage], nets, turn, x, fake, y, mismatched=mismatched, wrong=wrong)

    def generator(nets: Nets, batch: Batch, turn: Turn, stage: int) -> tuple[Array, Metrics]:
        x, y, fake, divergences = shown(nets, batch, turn, stage)
        divergence = jnp.mean(divergences)
        verdict = judges[stage].generator(nets, turn, (x, y), (fake, y))
        return verdict.loss + augmentation * divergence, {"divergence": divergence}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        given = _parts(inputs["z"], conditioning) if "z" in inputs else None
        return _samples(nets, given or latents(key, inputs["index"].shape[0], inputs["index"]), inputs["y"], 1)[0]

    moves: dict[str, Any] = {}
    for stage in STAGES:
        judged = functools.partial(discriminator, stage=stage)
        moves[f"discriminator_{stage}"] = (f"discriminator_{stage}", judged, n_critic)
        moves[f"generator_{stage}"] = (f"generator_{stage}", functools.partial(generator, stage=stage))
    return between(judges, players(optimizer, **moves), generate, asks={"y": "the captions asked for"})


def _samples(nets: Nets, drawn: tuple[Array, ...], y: PyTree, stage: int) -> tuple[Array, Array]:
    """Returns samples of a stage, and their divergences."""
    z, *noises = drawn
    images, divergence = _outputs(nets["generator_0"](z, noises[0], y), 0)
    return _outputs(nets["generator_1"](images, noises[1], y), 1) if stage else (images, divergence)


def _parts(z: Array, conditioning: int) -> tuple[Array, ...]:
    """Returns the latent and the noise of either stage out of z [n, Z + 2 C]."""
    if z.ndim != 2 or z.shape[1] <= 2 * conditioning:
        raise ValueError(
            f"stackgan generates from z [n, Z + 2 C], the latent and noise of C = {conditioning}; got {z.shape}"
        )
    return tuple(jnp.split(z, [z.shape[1] - 2 * conditioning, z.shape[1] - conditioning], axis=1))


def _stage(batch: Batch, stage: int) -> tuple[Array, PyTree]:
    """Returns the real images of a stage, and their captions."""
    x, y = pair("stackgan", batch)
    if x.ndim != 4 or x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError(f"stackgan takes images [B, H, W, C] with even sides, to halve them; got shape {x.shape}")
    return x if stage else downsample(x, NEAREST), y


def _outputs(made: Any, stage: int) -> tuple[Array, Array]:
    """Returns what a generator made, which must be images and divergences."""
    if not isinstance(made, tuple) or len(made) != 2:
        raise ValueError(
            f"stackgan needs a network 'generator_{stage}' that returns (images, divergence [B]), such as that of "
            f"networks.conditioning.ConditioningAugmentation; it returns {type(made).__name__}"
        )
    return made
