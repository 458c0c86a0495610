"""A diffusion model in EDM's form: the teacher of distillation, and the baseline of many steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from jaxgan import diffusion as noise
from jaxgan.game import frozen
from jaxgan.losses import denoising
from jaxgan.networks.denoisers import denoised_of
from jaxgan.priors import normal
from jaxgan.systems.parts import Optimizer, condition_of, latents, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains


@explains
def diffusion(
    *,
    shape: Sequence[int],
    optimizer: Optimizer,
    levels: noise.Levels | None = None,
    sampler: noise.Levels | None = None,
    steps: int = 18,
    order: int = 2,
    sigma_data: float = 0.5,
) -> System:
    """A denoiser alone, trained by denoising score matching, and sampled by an ordinary differential equation.

    The denoiser is a `networks.denoisers.Denoiser`, or any network D(x, sigma) or D(x, sigma, y) that says what
    x + sigma epsilon was before the noise. There is no adversary: it is what the systems of distillation start from.

    Metrics: `loss`; `error`, the mean squared error of the denoised examples, not weighted.

    Args:
      shape: of one example; batch["x"] is [B, *shape].
      optimizer: of the player "denoiser".
      levels: distribution of the noise levels of training; None: `diffusion.log_normal()`.
      sampler: levels of the sampler's grid; None: `diffusion.karras()`.
      steps: of the sampler, >= 1.
      order: of the sampler: 1, Euler's method, or 2, Heun's.
      sigma_data: standard deviation of a coordinate of the data, > 0, as the denoiser has it.
    Returns:
      System with the network "denoiser". It generates from "index" or "z" [n, prod(shape)], the noise; "y" [n] is the
      condition.
    Raises:
      ValueError: sigma_data is not positive, there is no step, another order, or the optimizers are not named after
        the player; at trace time, a batch of another shape.
    References:
      Karras, Aittala, Aila, Laine. Elucidating the Design Space of Diffusion-Based Generative Models. NeurIPS 2022,
      algorithm 1, eq. 2 and table 1.
    """
    if sigma_data <= 0 or order not in (1, 2):
        raise ValueError(f"diffusion needs sigma_data > 0 and order 1 or 2; got {sigma_data} and {order}")
    if steps < 1:
        raise ValueError(f"diffusion needs steps >= 1; got {steps}")
    trained = noise.log_normal() if levels is None else levels
    sampled = noise.karras() if sampler is None else sampler
    prior = normal(math.prod(shape))

    def denoiser(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x = batch["x"]
        if x.shape[1:] != tuple(shape):
            raise ValueError(f"diffusion has shape={tuple(shape)}, but batch['x'] is {x.shape}; give one example's")
        sigma = noise.draw_levels(trained, x.shape[0], turn, "training")
        made = denoised_of(nets["denoiser"](noise.noised(x, sigma, turn, "training"), sigma, *condition_of(batch)))
        return denoising(made, x, sigma, sigma_data), {"error": jnp.mean(jnp.square(made - x))}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z, view = latents(prior, key, inputs), frozen(nets["denoiser"])
        sigmas = noise.grid(sampled, steps)
        begin = sigmas[0] * z.reshape(z.shape[0], *shape)
        return noise.solve(lambda x, sigma: view(x, sigma, *condition_of(inputs)), begin, sigmas, order)

    return System(players(optimizer, denoiser=("denoiser", denoiser)), None, generate, takes={"y": "conditions, [n]"})
