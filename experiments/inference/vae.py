"""A plain variational autoencoder as a game of one player: the baseline of those that have an adversary besides."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jax import Array

import jaxgan as jg
from jaxgan.priors import Prior
from jaxgan.systems.parts import latents
from jaxgan.types import Batch, Inputs, Metrics, Nets, Player, System, Turn


def vae(
    *, prior: Prior, optimizer: optax.GradientTransformation, reconstruction: Callable[[Array, Array], Array]
) -> System:
    """Minimises the reconstruction and the divergence from N(0, I), each summed over entries and in nats.

    Args:
      prior: `priors.normal`.
      optimizer: of the player "autoencoder".
      reconstruction: `losses.bernoulli` or `losses.unit_gaussian`.
    Returns:
      System with networks "encoder", a `networks.encoders.Gaussian`, and "decoder". It generates from "index" or "z",
      and from "x" its reconstruction by the posterior's mean.
    References:
      Kingma, Welling. Auto-Encoding Variational Bayes. ICLR 2014, eq. 10.
    """

    def autoencoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        noise = prior(turn.named("posterior"), batch["x"].shape[0], turn.examples)
        z, divergences = nets["encoder"](batch["x"], noise)
        error, divergence = reconstruction(batch["x"], nets["decoder"](z)), jnp.mean(divergences)
        return error + divergence, {"reconstruction": error, "divergence": divergence}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        if "x" not in inputs:
            return nets["decoder"](latents(prior, key, inputs))
        still = jnp.zeros_like(prior(key, inputs["x"].shape[0]))
        return nets["decoder"](jg.networks.encoders.latent_of(nets["encoder"](inputs["x"], still)))

    playing = {"autoencoder": Player(("encoder", "decoder"), autoencoder, optimizer)}
    return System(playing, None, generate, takes={"x": "data to reconstruct, [n, ...]"})
