"""Images from captions: GAN-CLS, GAN-INT, and GAWWN, which is told where as well as what.

G(z, y) and D(x, y) take y as the batch has it: a caption's embedding [B, T], or a dict of such arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.priors import Prior
from jaxgan.systems.players import Optimizer, check_batch, check_samples, latents, two_players
from jaxgan.types import Batch, Inputs, Loss, Metrics, Nets, Penalty, PyTree, System, Turn


def gan_cls_int(
    *,
    loss: Loss,
    prior: Prior,
    optimizer: Optimizer,
    mismatched: float = 0.5,
    interpolated: float = 1.0,
    beta: float = 0.5,
    penalty: Penalty | None = None,
    n_critic: int = 1,
) -> System:
    """Text to image: D also refuses real images with captions of others, G also learns between captions.

    D minimises (1 - m) times its loss of (real, samples) plus m times that of (real, real with another's caption): with
    the paper's m = 1/2, real once and either kind of fake half. G minimises its loss, plus `interpolated` times its
    loss on captions beta t + (1 - beta) t', where t' is another's. Another's caption is the next one in the batch.

    Metrics: each player's loss; the discriminator's means of `real_logits`, `mismatched_logits` and `fake_logits`,
    and `penalty` where there is one.

    Args:
      loss: of real and fake logits, from `jaxgan.losses`; the paper's is `non_saturating`.
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      mismatched: m, in [0, 1]; 0: a plain conditional GAN.
      interpolated: weight of G's loss between captions, >= 0; 0: GAN-CLS.
      beta: in [0, 1].
      penalty: added to the discriminator's loss, of images with their own captions; the paper has none.
      n_critic: discriminator updates per generator update, >= 1.
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

    def between(y: PyTree) -> PyTree:
        return jax.tree.map(lambda own, other: beta * own + (1 - beta) * other, y, others(y))

    wrong = [others] if mismatched else []
    middle = between if interpolated else None
    settings = (loss, prior, optimizer, penalty, n_critic)
    return _captioned("gan_cls_int", *settings, wrong, mismatched, middle, interpolated)


def gawwn(
    *,
    loss: Loss,
    prior: Prior,
    optimizer: Optimizer,
    mismatched: float = 0.5,
    entries: Sequence[str] = ("caption", "box"),
    penalty: Penalty | None = None,
    n_critic: int = 1,
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
      penalty: as in `gan_cls_int`.
      n_critic: as in `gan_cls_int`.
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

    def other(entry: str) -> Any:
        def of(y: PyTree) -> PyTree:
            if not isinstance(y, dict) or entry not in y:
                have = sorted(y) if isinstance(y, dict) else type(y).__name__
                raise ValueError(f"gawwn needs batch['y'] as a dict with {list(entries)}; got {have}")
            return y | {entry: others(y[entry])}

        return of

    wrong = [other(entry) for entry in entries] if mismatched else []
    return _captioned("gawwn", loss, prior, optimizer, penalty, n_critic, wrong, mismatched, None, 0.0)


def _captioned(
    system: str,
    loss: Loss,
    prior: Prior,
    optimizer: Optimizer,
    penalty: Penalty | None,
    n_critic: int,
    wrong: Sequence[Any],
    mismatched: float,
    between: Any,
    interpolated: float,
) -> System:
    """Makes the game; `wrong` are functions y -> y of mismatched conditions, `between` of interpolated ones."""

    def sample(nets: Nets, y: PyTree, n: int, turn: Turn, use: str) -> Array:
        return nets["generator"](prior(turn.named(use), n, turn.examples), y)

    def discriminator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x, y = pair(system, batch)
        fake = sample(nets, y, x.shape[0], turn, "latent")
        return matching_aware(nets["discriminator"], loss, x, fake, y, turn, mismatched, wrong, penalty)

    def generator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x, y = pair(system, batch)
        net = nets["discriminator"]
        real_logits = net(x, y)  # compiled away where the loss ignores it
        value = loss.generator(real_logits, net(sample(nets, y, x.shape[0], turn, "latent"), y))
        if between is None:
            return value, {}
        if any(not jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(y)):
            raise ValueError("captions must be floating to interpolate; embed them first, or set interpolated=0")
        middle = between(y)
        logits = net(sample(nets, middle, x.shape[0], turn, "latent between"), middle)
        return value + interpolated * loss.generator(real_logits, logits), {}

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        x, y = pair(system, batch)
        return {"generator": (prior(jax.random.key(0), x.shape[0]), y), "discriminator": (x, y)}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        check_batch(system, inputs, y="the condition asked for")
        z = latents(prior, key, inputs)
        return nets["generator"](z, inputs["y"])

    return System(
        players=two_players(optimizer, discriminator_loss, generator_loss, n_critic),
        inputs=inputs,
        generate=generate,
    )


def matching_aware(
    net: Any,
    loss: Loss,
    x: Array,
    fake: Array,
    y: PyTree,
    turn: Turn,
    mismatched: float,
    wrong: Sequence[Callable[[PyTree], PyTree]],
    penalty: Penalty | None,
) -> tuple[Array, Metrics]:
    """Loss of a discriminator that refuses samples, and also real images with conditions that are not theirs.

    (1 - m) times the loss of (real, samples) plus m times that of (real, real with another's condition), the mean over
    the kinds of mismatch, plus the penalty.

    Args:
      net: the discriminator D(x, y), an entry of `nets`.
      loss: of real and fake logits.
      x: real images, [B, H, W, C].
      fake: samples for the same conditions, [B, H, W, C].
      y: conditions, arrays [B, ...] in any form.
      turn: of the update.
      mismatched: m, in [0, 1]; without any `wrong` it is 0.
      wrong: functions y -> mismatched y, such as `others`.
      penalty: of images with their own conditions, or None.
    Returns:
      (loss [], metrics: the means of `real_logits`, `fake_logits` and `mismatched_logits`, and `penalty`).
    Raises:
      ValueError: at trace time, samples unlike the data.
    References:
      Reed et al. Generative Adversarial Text to Image Synthesis. ICML 2016, algorithm 1.
    """
    check_samples(x, fake)
    real_logits, fake_logits = net(x, y), net(fake, y)
    found = [net(x, other(y)) for other in wrong]
    value = (1 - mismatched if found else 1.0) * loss.discriminator(real_logits, fake_logits)
    for logits in found:
        value = value + mismatched / len(found) * loss.discriminator(real_logits, logits)
    metrics = {"real_logits": jnp.mean(real_logits), "fake_logits": jnp.mean(fake_logits)}
    if found:
        metrics["mismatched_logits"] = jnp.mean(jnp.stack(found))
    if penalty is None:
        return value, metrics
    critic = frozen(net)
    cost = penalty(lambda x: critic(x, y), x, fake, turn)
    return value + cost, metrics | {"penalty": cost}


def others(y: PyTree) -> PyTree:
    """Returns for each example the next one's condition in the batch."""
    return jax.tree.map(lambda leaf: jnp.roll(leaf, -1, axis=0), y)


def pair(system: str, batch: Batch) -> tuple[Array, PyTree]:
    """Returns images and their conditions.

    Raises:
      ValueError: there are none.
    """
    check_batch(system, batch, y="the captions' embeddings [B, T], or a dict of conditions")
    return batch["x"], batch["y"]
