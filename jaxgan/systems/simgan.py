"""SimGAN: synthetic images with labels are refined until they look real, and stay what they were."""

from __future__ import annotations

from typing import Any, Unpack

import jax.numpy as jnp
from jax import Array

from jaxgan.losses import self_regularization
from jaxgan.penalties.weights import Weight, check_at_least_zero, weight_at
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, changed, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, players
from jaxgan.types import Batch, Inputs, Loss, Metrics, Nets, System, Turn, explains


@explains
def simgan(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    weight: Weight,
    alone: int = 0,
    n_critic: int = 1,
    n_refiner: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A refiner of synthetic images: real to a discriminator of patches, and close to its input, whose label it keeps.

    The refiner minimises the adversarial loss, summed over patches, plus weight ||R(x) - x||_1, summed over pixels. The
    discriminator meets as many refined images as real ones, half of them from the past, by the rule of
    `networks.remedies.History`, and sums over patches too. Where the weight is too low labels flip: measure it.

    The paper trains the refiner by itself first (`alone`), then the discriminator by itself, then both:

        dynamics.gated({
            "refiner": lambda metrics, step: (step < 1000) | (step >= 1200),
            "discriminator": lambda metrics, step: step >= 1000,
        })  # with alone=1000

    Metrics: each player's loss; the refiner's `adversarial` and `self_regularization`, without its weight; the
    discriminator's logits and probabilities as in `gan`, and `penalty` where there is one.

    Args:
      loss: of a patch, from `jaxgan.losses`, or a function of the turn; no network that remembers. The paper's is
        `non_saturating`.
      optimizer: one for both players, or {"discriminator": ..., "refiner": ...}.
      weight: lambda, >= 0, or a schedule, for pixels in [-1, 1].
      alone: steps, >= 0, in which the refiner minimises the self-regularisation alone.
      n_critic: discriminator updates per train step, >= 1.
      n_refiner: refiner updates per train step, >= 1; the authors take more of these.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them. The replay is
        "history", the name of a `networks.remedies.History`, unless another is given; None: no samples of the past.
    Returns:
      System with networks "refiner", x [B, ...] -> the same shape, "discriminator", x -> logits [B, ...], one a patch,
      and "history". Its batch is {"synthetic", "real"}; it generates refined images from "synthetic".
    Raises:
      ValueError: a setting is out of range, a loss that remembers, or the optimizers are not named after the players;
        at trace time, a batch without one of its entries, or refined images unlike the real ones.
    References:
      Shrivastava et al. Learning from Simulated and Unsupervised Images through Adversarial Training. CVPR 2017,
      eq. 2-5 and algorithm 1.
    """
    if alone < 0:
        raise ValueError(f"simgan needs alone >= 0 steps; got {alone}")
    if not callable(weight):
        check_at_least_zero("simgan", "weight", weight)
    options: Any = {"replay": "history"} | adversarial
    judge = adversary(changed(loss, _over_patches), **options)

    def refined(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
        check_batch("simgan", batch, synthetic="images to refine", real="images to be taken for")
        return batch["real"], nets["refiner"](batch["synthetic"])

    def refiner(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        real, made = refined(nets, batch, turn)
        changes = self_regularization(made, batch["synthetic"])
        fools = judge.generator(nets, turn, real, made).loss
        paid = jnp.where(turn.step < alone, 0.0, fools) if alone else fools
        return paid + weight_at(weight, turn) * changes, {"adversarial": fools, "self_regularization": changes}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        return nets["refiner"](inputs["synthetic"])

    playing = players(
        optimizer,
        refiner=("refiner", refiner, n_refiner),
        discriminator=("discriminator", player_loss(judge.discriminator, refined), n_critic),
    )
    return between(judge, playing, generate, asks={"synthetic": "images to refine"})


def _over_patches(pair: Loss) -> Loss:
    """Returns a loss that is summed over patches, and a mean over examples."""

    def patches(logits: Array) -> int:
        return logits.size // logits.shape[0]

    return Loss(
        lambda real, fake: patches(fake) * pair.discriminator(real, fake),
        lambda real, fake: patches(fake) * pair.generator(real, fake),
    )
