"""Adversarial diffusion distillation: a one-step student, heads on frozen features, and what the teacher would say."""

from __future__ import annotations

from typing import Any, Literal, Unpack, get_args

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan import losses
from jaxgan.diffusion import Levels, draw_levels, karras, log_normal, noised
from jaxgan.networks.denoisers import SIGMA_DATA, denoised_of
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, check_outputs, condition_of, generates, samples, two_players
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains

Features = Literal["network", "teacher"]


@explains
def adversarial_distillation(
    *,
    prior: Prior,
    optimizer: Optimizer,
    loss: LossOption = losses.hinge,
    features: Features = "network",
    weight: float = 2.5,
    sigma_data: float = SIGMA_DATA,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """ADD and LADD: a student G(z) against heads on frozen features, which also minimises its distance from a teacher.

    The discriminator is a network of heads, of features that nobody trains:
    - "network" (ADD): D(F(x)), F the frozen "features", any x -> arrays, such as a `networks.projected.projector`.
    - "teacher" (LADD): D(f, sigma), f the teacher's own "features" of noised data, at a level of `diffusion.log_normal`
      for each pair of data and sample. The teacher is a `networks.denoisers.Denoiser`.
    A penalty is of the features, not of the pixels, as in both papers: R1 is cheap there.

    The distillation term is weight * E c |x - R(x + sigma e)|^2, mean over coordinates, with the teacher R of a noised
    sample as a fixed target, sigma from `diffusion.karras()` and c = sigma_data / sqrt(sigma^2 + sigma_data^2), the
    share of signal (ADD's "exponential" weighting, in EDM's form). LADD does without it: weight=0.

    Metrics: each player's loss; the discriminator's logits and probabilities as in `gan`, and `penalty` where there is
    one; of the generator `adversarial`, and `distillation` where it has a weight.

    Args:
      prior: of the latents, from `jaxgan.priors`; for `denoisers.OneStep` N(0, I) of as many numbers as an example has.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      loss: of the heads' logits, from `jaxgan.losses`; hinge in both papers.
      features: whose the discriminator sees.
      weight: lambda of the distillation term, >= 0; ADD's 2.5 is for sums over coordinates of latents.
      sigma_data: standard deviation of a coordinate of the data, > 0, as the teacher has it.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them, of features.
    Returns:
      System with networks "generator", "discriminator", the frozen "features" where they are a network's, and the
      frozen "teacher" where it is needed. It generates from "index" or "z"; batches may have a condition "y" [B], which
      generator, teacher and discriminator are called with.
    Raises:
      ValueError: unknown features, a negative weight, sigma_data <= 0, no teacher at all, or the optimizers are not
        named after the players; at trace time, samples unlike the data, or a teacher without features.
    References:
      Sauer, Lorenz, Blattmann, Rombach. Adversarial Diffusion Distillation. ECCV 2024, eq. 1-4.
      Sauer et al. Fast High-Resolution Image Synthesis with Latent Adversarial Diffusion Distillation. SIGGRAPH Asia
      2024, section 3.
    """
    _check(features, weight, sigma_data)
    judge, draw = adversary(loss, **adversarial), samples(prior)
    compared, judged = karras(), log_normal()

    def made(nets: Nets, batch: Batch, turn: Turn) -> Array:
        check_batch("adversarial_distillation", batch, x="data [B, ...]")
        x = draw(nets, batch, turn)
        if x.shape != batch["x"].shape:
            raise ValueError(
                f"adversarial_distillation: the generator makes {x.shape}, but data are {batch['x'].shape}; give its "
                "shape"
            )
        return x

    def shown(nets: Nets, batch: Batch, turn: Turn, x: Array) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        y = condition_of(batch)
        if features == "network":
            return (nets["features"](batch["x"]), *y), (nets["features"](x), *y)
        sigma = draw_levels(judged, x.shape[0], turn, "judged")
        real, fake = (
            _read(nets, noised(each, sigma, turn, use), sigma, *y) for each, use in ((batch["x"], "real"), (x, "fake"))
        )
        return (real, sigma, *y), (fake, sigma, *y)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x = made(nets, batch, turn)
        value = judge.generator(nets, turn, *shown(nets, batch, turn, x)).loss
        if not weight:
            return value, {"adversarial": value}
        term = _distance(nets, batch, turn, x, compared, sigma_data)
        return value + weight * term, {"adversarial": value, "distillation": term}

    discriminator = player_loss(
        judge.discriminator, lambda nets, batch, turn: shown(nets, batch, turn, made(nets, batch, turn))
    )
    playing = two_players(optimizer, discriminator, generator, n_critic)
    system = between(judge, playing, generates(prior), takes={"y": "conditions of n, as in the batch"})
    needed = ("features",) * (features == "network") + ("teacher",) * (features == "teacher" or weight > 0)
    return system._replace(frozen=(*system.frozen, *needed))


def _read(nets: Nets, x: Array, sigma: Array, *y: Any) -> Any:
    """Returns the teacher's features of noised examples."""
    outputs = nets["teacher"](x, sigma, *y)
    check_outputs("adversarial_distillation", outputs, "features", network="a teacher")
    return outputs["features"]


def _distance(nets: Nets, batch: Batch, turn: Turn, x: Array, levels: Levels, sigma_data: float) -> Array:
    """Returns the distillation term: how far samples are from what the teacher makes of them, noised."""
    sigma = draw_levels(levels, x.shape[0], turn, "compared")
    moved = noised(jax.lax.stop_gradient(x), sigma, turn, "compared")
    target = jax.lax.stop_gradient(denoised_of(nets["teacher"](moved, sigma, *condition_of(batch))))
    squares = jnp.mean(jnp.square(x - target).reshape(x.shape[0], -1), axis=1)
    return jnp.mean(squares * sigma_data / jnp.sqrt(jnp.square(sigma) + sigma_data**2))


def _check(features: str, weight: float, sigma_data: float) -> None:
    if features not in get_args(Features):
        raise ValueError(f"features={features!r} are unknown; choose one of {get_args(Features)}")
    if weight < 0 or sigma_data <= 0:
        raise ValueError(
            f"adversarial_distillation needs weight >= 0 and sigma_data > 0; got {weight} and {sigma_data}"
        )
    if features == "network" and not weight:
        raise ValueError(
            "adversarial_distillation with weight=0 and another network's features has no teacher; that game is "
            "systems.on_features(systems.gan(...))"
        )
