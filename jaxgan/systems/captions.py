"""Images from captions: GAN-CLS, GAN-INT, and GAWWN, which is told where as well as what.

G(z, y) and D(x, y) take y as the batch has it: a caption's embedding [B, T], or a dict of such arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, Adversary, LossOption, adversary, between
from jaxgan.systems.parts import Optimizer, check_batch, generates, image_logits, shifted, two_players
from jaxgan.types import Batch, Metrics, Nets, PyTree, System, Turn, explains

Mismatch = Callable[[PyTree, Turn], PyTree]  # (y, turn) -> y, of which each example's is not its own


@explains
def gan_cls_int(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    mismatched: float = 0.5,
    interpolated: float = 1.0,
    beta: float = 0.5,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """Text to image: D also refuses real images with captions of others, G also learns between captions.

    D minimises (1 - m) times its loss of (real, samples) plus m times that of (real, real with another's caption): with
    the paper's m = 1/2, real once and either kind of fake half. G minimises its loss, plus `interpolated` times its
    loss on captions beta t + (1 - beta) t', where t' is another's. Another's caption is the next one in the batch.

    Metrics: each player's loss; of the discriminator those of `systems.adversary`, and `mismatched_logits`.

    Args:
      loss: of real and fake logits, from `jaxgan.losses`; the paper's is `non_saturating`.
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      mismatched: m, in [0, 1]; 0: a plain conditional GAN.
      interpolated: weight of G's loss between captions, >= 0; 0: GAN-CLS.
      beta: in [0, 1].
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty (of images with their own captions; the paper has none), augment, replay and regularizer,
        as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator"; it generates from "index" or "z", and "y".
    Raises:
      ValueError: an argument is out of range, or the optimizers are not named after the players; at trace time, no
        captions, captions that are not floating (for `interpolated`), or samples unlike the data.
    References:
      Reed et al. Generative Adversarial Text to Image Synthesis. ICML 2016, algorithm 1 and eq. 5.
    """
    if not 0 <= mismatched <= 1 or not 0 <= beta <= 1 or not interpolated >= 0:
        raise ValueError(
            "gan_cls_int needs mismatched and beta in [0, 1] and interpolated >= 0; "
            f"got {mismatched}, {beta} and {interpolated}"
        )

    def halfway(y: PyTree, turn: Turn) -> PyTree:
        return jax.tree.map(lambda own, other: beta * own + (1 - beta) * other, y, shifted(y, turn))

    judge, fakes = adversary(loss, **adversarial), _fakes("gan_cls_int", prior)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x, y = pair("gan_cls_int", batch)
        verdict = judge.generator(nets, turn, (x, y), (fakes(nets, batch, turn, y), y))
        if not interpolated:
            return verdict.loss, {}
        if any(not jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(y)):
            raise ValueError("captions must be floating to interpolate; embed them first, or set interpolated=0")
        middle = halfway(y, turn)
        fake = fakes(nets, batch, turn, middle, "latent between")
        return verdict.loss + interpolated * judge.generator(nets, turn, (x, y), (fake, middle)).loss, {}

    discriminator = _matching_aware(judge, fakes, mismatched, [shifted] if mismatched else [])
    playing = two_players(optimizer, discriminator, generator, n_critic)
    return between(judge, playing, generates(prior), asks={"y": "the condition asked for"})


@explains
def gawwn(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    mismatched: float = 0.5,
    entries: Sequence[str] = ("caption", "box"),
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """What and where: y holds a caption and a place, and D refuses real images with either of them another's.

    As `gan_cls_int` without interpolation, for y a dict such as {"caption": [B, T], "box": [B, 4]}: mismatched examples
    have one of the entries from the next example in the batch, each entry in equal shares. How a place steers a
    network is the network's business (`networks.places`).

    Args:
      loss: as in `gan_cls_int`.
      prior: as in `gan_cls_int`.
      optimizer: as in `gan_cls_int`.
      mismatched: m, in [0, 1].
      entries: of y, those that are mismatched in turn.
      n_critic: as in `gan_cls_int`.
      **adversarial: as in `gan_cls_int`.
    Returns:
      System with networks "generator" and "discriminator".
    Raises:
      ValueError: as in `gan_cls_int`; at trace time, y without these entries.
    References:
      Reed et al. Learning What and Where to Draw. NeurIPS 2016, section 4 (its mismatched pairs are of captions; those
      of places are made likewise here).
    """
    if not 0 <= mismatched <= 1 or not entries:
        raise ValueError(f"gawwn needs mismatched in [0, 1] and entries; got {mismatched} and {list(entries)}")

    def other(entry: str) -> Mismatch:
        def mismatch(y: PyTree, turn: Turn) -> PyTree:
            if not isinstance(y, dict) or entry not in y:
                have = sorted(y) if isinstance(y, dict) else type(y).__name__
                raise ValueError(f"gawwn needs batch['y'] as a dict with {list(entries)}; got {have}")
            return y | {entry: shifted(y[entry], turn)}

        return mismatch

    judge, fakes = adversary(loss, **adversarial), _fakes("gawwn", prior)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x, y = pair("gawwn", batch)
        return judge.generator(nets, turn, (x, y), (fakes(nets, batch, turn, y), y)).loss, {}

    discriminator = _matching_aware(judge, fakes, mismatched, [other(entry) for entry in entries] if mismatched else [])
    playing = two_players(optimizer, discriminator, generator, n_critic)
    return between(judge, playing, generates(prior), asks={"y": "the condition asked for"})


def _fakes(system: str, prior: Prior) -> Callable[..., Array]:
    """Returns (nets, batch, turn, y, use="latent") -> samples for these conditions."""

    def fakes(nets: Nets, batch: Batch, turn: Turn, y: PyTree, use: str = "latent") -> Array:
        x, _ = pair(system, batch)
        return nets["generator"](prior(turn.named(use), x.shape[0], turn.examples), y)

    return fakes


def _matching_aware(
    judge: Adversary, fakes: Callable[..., Array], mismatched: float, wrong: Sequence[Mismatch]
) -> Callable[..., tuple[Array, Metrics]]:
    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        fake = fakes(nets, batch, turn, batch.get("y"))
        return matching_aware(judge, nets, turn, batch["x"], fake, batch["y"], mismatched=mismatched, wrong=wrong)

    return discriminator


def matching_aware(
    judge: Adversary,
    nets: Nets,
    turn: Turn,
    x: Array,
    fake: Array,
    y: PyTree,
    *,
    mismatched: float,
    wrong: Sequence[Mismatch],
) -> tuple[Array, Metrics]:
    """Loss of a discriminator that refuses samples, and also real images with conditions that are not theirs.

    (1 - m) times the loss of (real, samples) plus m times that of (real, real with another's condition), the mean over
    the kinds of mismatch, plus the penalty.

    Args:
      judge: the adversary of D(x, y).
      nets: as a loss sees them.
      turn: of the update.
      x: real images, [B, H, W, C].
      fake: samples for the same conditions, [B, H, W, C].
      y: conditions, arrays [B, ...] in any form.
      mismatched: m, in [0, 1]; without any `wrong` it is 0.
      wrong: functions (y, turn) -> mismatched y, such as `parts.shifted`.
    Returns:
      (loss [], metrics: those of the adversary, and the mean of `mismatched_logits`).
    Raises:
      ValueError: at trace time, samples unlike the data.
    References:
      Reed et al. Generative Adversarial Text to Image Synthesis. ICML 2016, algorithm 1.
    """
    refused = [(mismatched / len(wrong), (x, other(y, turn))) for other in wrong]
    verdict = judge.discriminator(nets, turn, (x, y), (fake, y), refused)
    if not refused:
        return verdict.loss, verdict.metrics
    logits = jnp.stack([image_logits(outputs) for outputs in verdict.refused])
    return verdict.loss, verdict.metrics | {"mismatched_logits": jnp.mean(logits)}


def pair(system: str, batch: Batch) -> tuple[Array, PyTree]:
    """Returns images and their conditions.

    Raises:
      ValueError: there are none.
    """
    check_batch(system, batch, y="the captions' embeddings [B, T], or a dict of conditions")
    return batch["x"], batch["y"]
