"""GILBO: how much a generator's output tells about its latent, as a lower bound on their mutual information."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxgan.checks import check_key
from jaxgan.priors import Prior
from jaxgan.types import Network, PyTree

LogDensity = Callable[[Array], Array]  # z [B, Z] -> log p(z) [B]
EncoderDensity = Callable[[Any, Array], Array]  # (what the encoder returned, z [B, Z]) -> log e(z|x) [B]


class EncoderTraining(NamedTuple):
    """How the encoder learns.

    Example:
      >>> import optax, jaxgan as jg
      >>> quick = jg.metrics.EncoderTraining(steps=100, optimizer=optax.adam(1e-2))
      >>> quick.steps, quick.batch_size
      (100, 128)
    """

    steps: int = 2000  # updates, >= 1
    batch_size: int = 128  # latents by update, and by call of the final estimate, >= 1
    optimizer: optax.GradientTransformation = optax.adam(3e-4)


ENCODER_TRAINING = EncoderTraining()


class Gilbo(NamedTuple):
    """A lower bound on I(X; Z), measured on latents that the encoder was not trained on."""

    nats: float  # E[log e(z|x) - log p(z)] <= I(X; Z); 0 for an encoder that knows nothing, negative for a bad one
    standard_error: float  # of that mean over latents
    variables: PyTree  # of the trained encoder
    history: np.ndarray  # [steps] the same estimate on each training batch, in nats: it should have levelled off


def normal_log_prior(z: Array) -> Array:
    """Returns log N(z; 0, I) [B] of z [B, Z]."""
    return gaussian_log_density((jnp.zeros_like(z), jnp.zeros_like(z)), z)


def gaussian_log_density(outputs: tuple[Array, Array], z: Array) -> Array:
    """Returns log N(z; mean, diag exp(log_variance)) [B] of outputs (mean [B, Z], log_variance [B, Z]) and z [B, Z]."""
    mean, log_variance = outputs
    squared = (z - mean) ** 2 * jnp.exp(-log_variance)
    return -0.5 * jnp.sum(squared + log_variance + jnp.log(2.0 * jnp.pi), axis=1)


def gilbo(
    generate: Callable[[Array, Array], Array],
    prior: Prior,
    encoder: Network,
    key: Array,
    *,
    training: EncoderTraining = ENCODER_TRAINING,
    log_density: EncoderDensity = gaussian_log_density,
    log_prior: LogDensity = normal_log_prior,
    evaluate: int = 10_000,
) -> Gilbo:
    """Trains an encoder e(z|x) on samples of the generator alone, and bounds I(X; Z) by E[log e(z|x) - log p(z)].

    No real data take part: the figure is a property of the generator. It is a bound from below, loose by the
    encoder's expected KL to the true posterior, so it says "at least this much"; a diagonal Gaussian is exact only
    where the posterior is one. A collapsed generator has 0.

    Example:
      >>> import flax.linen as nn, jax, jax.numpy as jnp, optax, jaxgan as jg
      >>> class Encoder(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x):
      ...         return jnp.split(nn.Dense(2)(x), 2, axis=1)
      >>> collapsed, quick = lambda z, key: 0.0 * z, jg.metrics.EncoderTraining(2, 8, optax.sgd(0.0))
      >>> key, prior = jax.random.key(0), jg.priors.normal(1)
      >>> known = jg.metrics.gilbo(collapsed, prior, Encoder(), key, training=quick, evaluate=8)
      >>> abs(known.nats) < 1e-6
      True

    Args:
      generate: (z [B, Z], key []) -> x [B, ...], pure; ignore the key if the generator is deterministic, where the
        true information is infinite for continuous latents and the bound measures what can be read off.
      prior: latents (key, n, index) -> [n, Z].
      encoder: a network x -> outputs, without state; by default the pair (mean [B, Z], log_variance [B, Z]).
      key: [] typed PRNG key of initialisation, training and evaluation.
      training: updates, latents by update and optimizer: by default 2,000, 128 and Adam at 3e-4.
      log_density: log e(z|x) from the encoder's outputs.
      log_prior: log p(z) of the prior that is given; standard normal by default.
      evaluate: latents of the final estimate, rounded up to whole batches.
    Returns:
      Gilbo.
    Raises:
      ValueError: counts below 1, an encoder with other collections than "params", densities that are not [B], or a
        bound that is not finite.
    References:
      Alemi, Fischer. GILBO: One Metric to Measure Them All. 2018, section 2.
    """
    check_key("gilbo", key)
    steps, batch_size, optimizer = training
    if min(steps, batch_size, evaluate) < 1:
        raise ValueError(f"steps, batch_size and evaluate must be >= 1; got {steps}, {batch_size}, {evaluate}")
    init_key, train_key, test_key = (jax.random.fold_in(key, n) for n in range(3))

    def bounds(variables: PyTree, key: Array) -> Array:
        latent_key, noise_key = jax.random.split(key)
        z = prior(latent_key, batch_size)
        posterior, before = log_density(encoder.apply(variables, generate(z, noise_key)), z), log_prior(z)
        if not posterior.shape == before.shape == (batch_size,):
            raise ValueError(f"log densities must be [B] = ({batch_size},); got {posterior.shape} and {before.shape}")
        return posterior - before

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(variables: PyTree, opt_state: PyTree, key: Array) -> tuple[PyTree, PyTree, Array]:
        loss, gradient = jax.value_and_grad(lambda v: -jnp.mean(bounds(v, key)))(variables)
        updates, opt_state = optimizer.update(gradient, opt_state, variables)
        return optax.apply_updates(variables, updates), opt_state, -loss

    example_key, noise_key, weights_key = jax.random.split(init_key, 3)
    variables = encoder.init(weights_key, generate(prior(example_key, batch_size), noise_key))
    if set(variables) != {"params"}:
        raise ValueError(f"the encoder must have parameters alone; got collections {sorted(variables)}")
    opt_state, history = optimizer.init(variables), []
    for step in range(steps):
        variables, opt_state, nats = update(variables, opt_state, jax.random.fold_in(train_key, step))
        history.append(nats)
    test = jax.jit(bounds)
    batches = -(-evaluate // batch_size)
    values = [np.asarray(test(variables, jax.random.fold_in(test_key, n)), np.float64) for n in range(batches)]
    return _summary(np.concatenate(values), variables, np.asarray(jnp.stack(history)))


def _summary(values: np.ndarray, variables: PyTree, history: np.ndarray) -> Gilbo:
    bad = values.size - np.count_nonzero(np.isfinite(values))
    if bad:
        raise ValueError(f"{bad} of {values.size} bounds are not finite: learn more slowly, or bound log_variance")
    error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.inf
    return Gilbo(float(values.mean()), float(error), variables, history)
