"""pix2pix: translation learned from pairs, by a game and the distance to the truth."""

from __future__ import annotations

from typing import Any, Unpack

from jax import Array

from jaxgan.losses import absolute_error
from jaxgan.penalties.weights import check_at_least_zero
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, translation, two_players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains


@explains
def pix2pix(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    weight: float = 100.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator translates a into b: D asks whether b answers a, and the L1 distance keeps it near the truth.

    The discriminator is called D(b, a), with the image to translate as its condition, such as
    `networks.conditioning.Concatenated(networks.patch.Discriminator())`, and the generator G(a), such as
    `networks.translators.UNet()`. The authors' discriminator loss has a factor 1/2 in one of their two codes; under
    Adam it changes nothing.

    Metrics: each player's loss; the generator's `l1`, the mean absolute error without its weight; the discriminator's
    logits and probabilities as in `gan`, and `penalty` where there is one.

    Args:
      loss: what each player minimises besides, from `jaxgan.losses`; the paper's is `non_saturating`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      weight: lambda of the L1 distance, a mean over pixels and channels, >= 0.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment (of b alone, so of colours rather than of places), replay and regularizer, as
        `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator", on batches of "a" and "b" in pairs. It translates "a"; a
      network that takes `index`, such as the `UNet`, is given the samples' numbers to draw its noise by.
    Raises:
      ValueError: the weight is negative, or the optimizers are not named after the players; at trace time, a batch
        without pairs, or translations unlike the truth.
    References:
      Isola, Zhu, Zhou, Efros. Image-to-Image Translation with Conditional Adversarial Networks. CVPR 2017, eq. 1 to 4.
    """
    check_at_least_zero("pix2pix", "weight", weight)
    judge = adversary(loss, **adversarial)

    def sides(nets: Nets, batch: Batch, turn: Turn) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        check_batch("pix2pix", batch, a="images to translate", b="what they become")
        a, b = batch["a"], batch["b"]
        return (b, a), (nets["generator"](a), a)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        real, fake = sides(nets, batch, turn)
        verdict, l1 = judge.generator(nets, turn, real, fake), absolute_error(fake[0], real[0])
        return verdict.loss + weight * l1, verdict.metrics | {"l1": l1}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Any:
        return translation(nets["generator"], inputs["a"], inputs)

    playing = two_players(optimizer, player_loss(judge.discriminator, sides), generator, n_critic)
    return between(judge, playing, generate, asks={"a": "images to translate, [n, H, W, C]"})
