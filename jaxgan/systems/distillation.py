"""One-step generators distilled from a diffusion model: distribution matching with an adversary, and score identity.

The teacher is a frozen denoiser R(x, sigma) of the data, the score a denoiser F(x, sigma) of the generator's samples,
which is trained along with it. A teacher that was trained comes from `networks.pretrained`, so that checkpoints hold
no copy of it; one in closed form, such as `networks.denoisers.GaussianMixture`, has no parameters. Generator and score
may start from the teacher's weights: `jg.carry(taught, game, key, batch, networks={"generator": "denoiser", "score":
"denoiser"})`, with a `networks.denoisers.OneStep` as the generator.
"""

from __future__ import annotations

from typing import Any, Unpack

import jax.numpy as jnp
from jax import Array

from jaxgan import losses
from jaxgan.diffusion import Levels, draw_levels, karras, log_normal, noised, within
from jaxgan.networks.denoisers import denoised_of
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary
from jaxgan.systems.parts import Optimizer, check_outputs, condition_of, generates, players, samples
from jaxgan.types import Batch, Metrics, Nets, Player, System, Turn, explains

INNER = (0.02, 0.98)  # quantiles of the levels at which denoisers are compared, as in DMD2


@explains
def distribution_matching(
    *,
    prior: Prior,
    optimizer: Optimizer,
    loss: LossOption = losses.non_saturating,
    levels: Levels | None = None,
    sigma_data: float = 0.5,
    weight: float = 3e-3,
    head_weight: float = 1e-2,
    n_critic: int = 5,
    **adversarial: Unpack[Adversarial],
) -> System:
    """DMD2: samples move by the difference of two denoisers, the data's and their own, and an adversary mends the rest.

    The generator is any G(z) of the data's shape. "teacher" is R, frozen. "score" is F with a head, a
    `networks.denoisers.Denoiser(..., head=...)`, whose logits judge noised data and samples by F's own features, at one
    level for each pair; with both weights 0 there is no adversary and it needs no head. The player that trains it is
    called "discriminator" here, as everywhere. With a teacher that is exact an adversary has nothing to mend.

    Metrics: each player's loss; of the discriminator `score_error`, F's weighted error, and the head's logits and
    probabilities as in `gan`, `penalty` where there is one; of the generator `matching`, half the mean square of its
    gradient, and `adversarial`.

    Args:
      prior: of the latents, from `jaxgan.priors`; for `OneStep` N(0, I) of as many numbers as an example has.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      loss: of the head's logits, from `jaxgan.losses`.
      levels: distribution of noise levels, which F learns; None: `diffusion.karras()`. R and F are compared between its
        quantiles 0.02 and 0.98.
      sigma_data: standard deviation of a coordinate of the data, > 0, as the denoisers have it.
      weight: of the adversary in the generator's loss, >= 0.
      head_weight: of the head's loss, its penalty included, beside F's error, >= 0.
      n_critic: updates of the score per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, of noised examples, as `systems.adversary` takes them;
        `penalties.approximate_r1` is the penalty used with such heads.
    Returns:
      System with networks "generator" and "score", and the frozen "teacher". It generates from "index" or "z".
    Raises:
      ValueError: a weight is negative, sigma_data is not positive, a generator listens to a head that nobody trains or
        options are given to an adversary that is not there, or the optimizers are not named after the players; at
        trace time, samples unlike the data, or a score without logits.
    References:
      Yin et al. Improved Distribution Matching Distillation for Fast Image Synthesis. NeurIPS 2024, sections 4.1-4.3.
      Yin et al. One-step Diffusion with Distribution Matching Distillation. CVPR 2024, eq. 7 and 8.
    """
    _check("distribution_matching", sigma_data, weight=weight, head_weight=head_weight)
    _check_head(weight, head_weight, adversarial)
    known = karras() if levels is None else levels
    denoise, make = _denoises(known, sigma_data), _makes("distribution_matching", prior)
    judge = adversary(loss, "score", logits=_logits, **adversarial)

    def shown(batch: Batch, turn: Turn, x: Array) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Returns what the head judges: data and samples, noised at one level for each pair."""
        sigma, y = draw_levels(known, x.shape[0], turn, "judged"), condition_of(batch)
        return (noised(batch["x"], sigma, turn, "real"), sigma, *y), (noised(x, sigma, turn, "fake"), sigma, *y)

    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x = make(nets, batch, turn)
        error = denoise(nets, batch, turn, x)
        if not head_weight:
            return error, {"score_error": error}
        verdict = judge.discriminator(nets, turn, *shown(batch, turn, x))
        return error + head_weight * verdict.loss, {"score_error": error} | verdict.metrics

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x = make(nets, batch, turn)
        matching = losses.distribution_matching(x, *_compared(nets, batch, turn, x, within(known, *INNER)))
        if not weight:
            return matching, {"matching": matching}
        verdict = judge.generator(nets, turn, *shown(batch, turn, x))
        return matching + weight * verdict.loss, {"matching": matching, "adversarial": verdict.loss}

    moves = players(optimizer, discriminator=("score", discriminator, n_critic), generator=("generator", generator))
    return _distilled(moves, prior, judge.memories if head_weight else ())


@explains
def score_identity(
    *,
    prior: Prior,
    optimizer: Optimizer,
    levels: Levels | None = None,
    score_levels: Levels | None = None,
    sigma_data: float = 0.5,
    alpha: float = 1.2,
    n_critic: int = 1,
) -> System:
    """SiD: a one-step generator by an identity of scores; gradients pass through both denoisers. There is no adversary.

    Networks are as in `distribution_matching`; the score needs no head. Data are used for their shape and conditions.

    Metrics: each player's loss, and of the generator `distance`, the mean of |R - F|^2.

    Args:
      prior: of the latents, from `jaxgan.priors`; for `OneStep` N(0, I) of as many numbers as an example has.
      optimizer: one for both players, or {"score": ..., "generator": ...}.
      levels: distribution of noise levels of the generator's loss; None: the smaller 80 % of `diffusion.karras()`.
      score_levels: of the score's; None: `diffusion.log_normal()`.
      sigma_data: standard deviation of a coordinate of the data, > 0, as the denoisers have it.
      alpha: how much of |R - F|^2 is taken off, as `losses.score_identity`.
      n_critic: updates of the score per generator update, >= 1.
    Returns:
      System with networks "generator" and "score", and the frozen "teacher". It generates from "index" or "z".
    Raises:
      ValueError: sigma_data is not positive, or the optimizers are not named after the players; at trace time, samples
        unlike the data.
    References:
      Zhou et al. Score identity Distillation: Exponentially Fast Distillation of Pretrained Diffusion Models for
      One-Step Generation. ICML 2024, algorithm 1 and eq. 23.
    """
    _check("score_identity", sigma_data)
    compared = within(karras(), 0.0, 0.8) if levels is None else levels
    denoise = _denoises(log_normal() if score_levels is None else score_levels, sigma_data)
    make = _makes("score_identity", prior)

    def score(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        return denoise(nets, batch, turn, make(nets, batch, turn)), {}

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x = make(nets, batch, turn)
        real, fake = _compared(nets, batch, turn, x, compared)
        return losses.score_identity(x, real, fake, alpha), {"distance": jnp.mean(jnp.square(real - fake))}

    moves = players(optimizer, score=("score", score, n_critic), generator=("generator", generator))
    return _distilled(moves, prior)


def _distilled(moves: dict[str, Player], prior: Prior, memories: tuple[str, ...] = ()) -> System:
    """Returns the system of these players beside a frozen teacher."""
    return System(moves, None, generates(prior), (*memories, "teacher"), takes={"y": "conditions, [n]"})


def _makes(system: str, prior: Prior) -> Any:
    """Returns (nets, batch, turn) -> samples of the data's shape."""
    draw = samples(prior)

    def make(nets: Nets, batch: Batch, turn: Turn) -> Array:
        x = draw(nets, batch, turn)
        if x.shape != batch["x"].shape:
            raise ValueError(
                f"{system}: the generator makes {x.shape}, but data are {batch['x'].shape}; give its shape"
            )
        return x

    return make


def _denoises(levels: Levels, sigma_data: float) -> Any:
    """Returns (nets, batch, turn, x) -> the score's weighted error at samples [B, ...]."""

    def denoise(nets: Nets, batch: Batch, turn: Turn, x: Array) -> Array:
        sigma = draw_levels(levels, x.shape[0], turn, "score")
        made = denoised_of(nets["score"](noised(x, sigma, turn, "score"), sigma, *condition_of(batch)))
        return losses.denoising(made, x, sigma, sigma_data)

    return denoise


def _compared(nets: Nets, batch: Batch, turn: Turn, x: Array, levels: Levels) -> tuple[Array, Array]:
    """Returns what the teacher and the score make of the same noised samples."""
    sigma, y = draw_levels(levels, x.shape[0], turn, "compared"), condition_of(batch)
    moved = noised(x, sigma, turn, "compared")
    return denoised_of(nets["teacher"](moved, sigma, *y)), denoised_of(nets["score"](moved, sigma, *y))


def _logits(outputs: Any) -> Array:
    """Returns what the score's head says."""
    check_outputs("distribution_matching", outputs, "denoised", "logits", network="a score, with a head,")
    logits: Array = outputs["logits"]
    return logits


def _check(system: str, sigma_data: float, **weights: float) -> None:
    if sigma_data <= 0 or any(weight < 0 for weight in weights.values()):
        raise ValueError(f"{system} needs sigma_data > 0 and weights >= 0; got {sigma_data} and {weights}")


def _check_head(weight: float, head_weight: float, adversarial: Adversarial) -> None:
    if weight and not head_weight:
        raise ValueError(f"distribution_matching has weight={weight} of a head that head_weight=0 leaves untrained")
    if not head_weight and (options := sorted(name for name, value in adversarial.items() if value)):
        raise ValueError(f"distribution_matching has no adversary with head_weight=0, and so no {options}")
