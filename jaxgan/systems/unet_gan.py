"""A generator against a discriminator that judges images and their pixels, regularised by CutMix."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import softplus

from jaxgan.augment import cutmix_masks, mix
from jaxgan.losses import non_saturating
from jaxgan.penalties import weight_at
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, loss_at, player_loss
from jaxgan.systems.parts import Optimizer, condition_of, generates, samples, two_players
from jaxgan.types import Batch, Loss, Metrics, Nets, Schedule, System, Turn, example_keys, explains


@explains
def unet_gan(
    *,
    prior: Prior,
    optimizer: Optimizer,
    loss: LossOption = non_saturating,
    cutmix: float | Schedule = 1.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator against a discriminator with two outputs, logits [B] of images and logits [B, H, W] of pixels.

    Each player minimises half the sum of its losses of both outputs, means over images and over pixels. The
    discriminator also sees a mixture M of each real and generated image, where a box of one is in the other, and
    minimises, times `cutmix`, the sum of
      - how real it takes the mixed image to be (a whole image with a part of another is fake),
      - the cross-entropy of the mixed image's pixels, each real or fake, and
      - consistency: E (D(M(x, G)) - M(D(x), D(G)))^2 over the logits of pixels.

    `generate` and labels are as in `gan`. Metrics: each player's loss; of the discriminator those of
    `systems.adversary` (of images), `pixel_accuracy` (share of the mixed images' pixels whose logit has the right sign)
    and `consistency`, unweighted, both of which are measured with cutmix = 0 too.

    Args:
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      cutmix: weight of all that is learned from mixed images, >= 0, or a schedule of the step: the authors let it rise
        from 0 to 1, `optax.linear_schedule(0.0, 1.0, steps)`.
      n_critic: discriminator updates per generator update, >= 1; a batch then holds n_critic minibatches.
      loss: of images and of pixels alike, from `jaxgan.losses`; the paper's is `non_saturating`. Mixed images are
        judged by the logistic loss in any case.
      **adversarial: penalty (of the images' logits), augment (before images are mixed), replay and regularizer, as
        `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator", such as `networks.unet.Discriminator`.
    Raises:
      ValueError: cutmix is negative, or the optimizers are not named after the players; at trace time, samples unlike
        the data, or a discriminator of another kind.
    References:
      Schönfeld, Schiele, Khoreva. A U-Net Based Discriminator for Generative Adversarial Networks. CVPR 2020, sections
      3.1 and 3.2.
    """
    if not callable(cutmix) and not isinstance(cutmix, jax.core.Tracer) and not cutmix >= 0:
        raise ValueError(f"unet_gan needs cutmix >= 0; got {cutmix}")
    if isinstance(loss, str):
        raise ValueError(f"unet_gan compares images and pixels by one loss; loss={loss!r} remembers one kind of logits")
    judge = adversary(lambda turn: _halves(loss_at(loss, {}, turn)), logits=_images_and_pixels, **adversarial)
    fakes = samples(prior)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, Any]:
        return (batch["x"], *condition_of(batch)), (fakes(nets, batch, turn), *condition_of(batch))

    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        verdict = judge.discriminator(nets, turn, *shown(nets, batch, turn))
        real, fake = verdict.real_shown[0], verdict.fake_shown[0]
        keys = example_keys(turn.named("cutmix"), real.shape[0], turn.examples)
        mask = cutmix_masks(keys, real.shape[1], real.shape[2])
        logits, pixels = nets["discriminator"](mix(mask, real, fake), *condition_of(batch))
        consistency = jnp.mean(jnp.square(pixels - mix(mask, verdict.real[1], verdict.fake[1])))
        crossed = jnp.mean(mask * softplus(-pixels) + (1 - mask) * softplus(pixels))
        mixed = jnp.mean(softplus(logits)) + crossed + consistency
        accuracy = jnp.mean((pixels > 0) == (mask > 0))
        metrics = {"pixel_accuracy": accuracy, "consistency": consistency}
        return verdict.loss + weight_at(cutmix, turn) * mixed, verdict.metrics | metrics

    playing = two_players(optimizer, discriminator, player_loss(judge.generator, shown), n_critic)
    return between(judge, playing, generates(prior), takes={"y": "conditions of n, as in the batch"})


def _halves(loss: Loss) -> Loss:
    """Returns the mean of a loss over images and over pixels."""

    def side(objective: Any) -> Any:
        return lambda real, fake: (objective(real[0], fake[0]) + objective(real[1], fake[1])) / 2

    return Loss(side(loss.discriminator), side(loss.generator))


def _images_and_pixels(outputs: Any) -> tuple[Array, Array]:
    if not isinstance(outputs, tuple) or len(outputs) != 2 or outputs[1].ndim != 3:
        raise ValueError("unet_gan needs a discriminator of images and pixels, such as networks.unet.Discriminator")
    return outputs
