"""A generator against a discriminator that judges images and their pixels, regularised by CutMix."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import softplus

from jaxgan.augment import cutmix_masks, mix
from jaxgan.losses import non_saturating
from jaxgan.penalties import weight_at
from jaxgan.priors import Prior
from jaxgan.systems.gan import gan
from jaxgan.systems.players import Optimizer, check_samples, condition_of
from jaxgan.types import Augment, Batch, Metrics, Nets, Player, Schedule, System, Turn, example_keys


def unet_gan(
    *,
    prior: Prior,
    optimizer: Optimizer,
    cutmix: float | Schedule = 1.0,
    n_critic: int = 1,
    augment: Augment | None = None,
) -> System:
    """A generator against a discriminator with two outputs, logits [B] of images and logits [B, H, W] of pixels.

    Each player minimises half the sum of the non-saturating losses of both outputs, means over images and over pixels.
    The discriminator also sees a mixture M of each real and generated image, where a box of one is in the other, and
    minimises, times `cutmix`, the sum of
      - how real it takes the mixed image to be (a whole image with a part of another is fake),
      - the cross-entropy of the mixed image's pixels, each real or fake, and
      - consistency: E (D(M(x, G)) - M(D(x), D(G)))^2 over the logits of pixels.

    `generate` and labels are as in `gan`. Metrics: each player's loss; the discriminator's `real_probability` and
    `fake_probability` (of images), `pixel_accuracy` (share of the mixed images' pixels whose logit has the right sign)
    and `consistency`, unweighted, both of which are measured with cutmix = 0 too.

    Args:
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      cutmix: weight of all that is learned from mixed images, >= 0, or a schedule of the step: the authors let it rise
        from 0 to 1, `optax.linear_schedule(0.0, 1.0, steps)`.
      n_critic: discriminator updates per generator update, >= 1; a batch then holds n_critic minibatches.
      augment: of all that the discriminator sees, before it is mixed.
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
    plain = gan(loss=non_saturating, prior=prior, optimizer=optimizer, n_critic=n_critic)

    def sample(nets: Nets, batch: Batch, turn: Turn) -> Array:
        z = prior(turn.named("latent"), batch["x"].shape[0], turn.examples)
        fake = nets["generator"](z, *condition_of(batch))
        check_samples(batch["x"], fake)
        return augment(fake, turn, "fake") if augment else fake

    def judge(nets: Nets, x: Array, batch: Batch) -> tuple[Array, Array]:
        logits = nets["discriminator"](x, *condition_of(batch))
        if not isinstance(logits, tuple) or len(logits) != 2 or logits[1].shape != x.shape[:3]:
            raise ValueError("unet_gan needs a discriminator of images and pixels, such as networks.unet.Discriminator")
        return logits

    def discriminator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        real = augment(batch["x"], turn, "real") if augment else batch["x"]
        fake = sample(nets, batch, turn)
        real_logits, real_pixels = judge(nets, real, batch)
        fake_logits, fake_pixels = judge(nets, fake, batch)
        keys = example_keys(turn.named("cutmix"), real.shape[0], turn.examples)
        mask = cutmix_masks(keys, real.shape[1], real.shape[2])
        logits, pixels = judge(nets, mix(mask, real, fake), batch)
        consistency = jnp.mean(jnp.square(pixels - mix(mask, real_pixels, fake_pixels)))
        crossed = jnp.mean(mask * softplus(-pixels) + (1 - mask) * softplus(pixels))
        mixed = jnp.mean(softplus(logits)) + crossed + consistency
        judged = non_saturating.discriminator(real_logits, fake_logits)
        judged += non_saturating.discriminator(real_pixels, fake_pixels)
        return judged / 2 + weight_at(cutmix, turn) * mixed, {
            "real_probability": jnp.mean(jax.nn.sigmoid(real_logits)),
            "fake_probability": jnp.mean(jax.nn.sigmoid(fake_logits)),
            "pixel_accuracy": jnp.mean((pixels > 0) == (mask > 0)),
            "consistency": consistency,
        }

    def generator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        logits, pixels = judge(nets, sample(nets, batch, turn), batch)
        return (non_saturating.generator(logits, logits) + non_saturating.generator(pixels, pixels)) / 2, {}

    losses = {"discriminator": discriminator_loss, "generator": generator_loss}
    players: dict[str, Player] = {name: player._replace(loss=losses[name]) for name, player in plain.players.items()}
    return plain._replace(players=players)
