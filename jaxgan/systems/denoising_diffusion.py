"""Denoising diffusion GAN: a few large denoising steps, each a conditional GAN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.game import frozen
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, check_prior, two_players
from jaxgan.types import Batch, Inputs, Nets, System, Turn, example_keys, explains, name_index


class DenoisingChain(NamedTuple):
    """A variance-preserving chain x_0, ..., x_T: x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) noise.

    Entries [T] are of t = 1..T, float32. The posterior is x_{t-1} given x_0 and x_t, normal with the mean
    `from_clean` x_0 + `from_noisy` x_t.
    """

    signal: np.ndarray  # [T] sqrt of alpha-bar_t: what is left of x_0 in x_t
    beta: np.ndarray  # [T] variance of the noise of step t
    from_clean: np.ndarray  # [T] sqrt(alpha-bar_{t-1}) beta_t / (1 - alpha-bar_t)
    from_noisy: np.ndarray  # [T] (1 - alpha-bar_{t-1}) sqrt(1 - beta_t) / (1 - alpha-bar_t)
    deviation: np.ndarray  # [T] of the posterior, 0 for t = 1


def denoising_chain(steps: int, beta_min: float = 0.1, beta_max: float = 20.0) -> DenoisingChain:
    """Returns the chain that T steps make of the variance-preserving process with rates from beta_min to beta_max.

    alpha-bar(u) = exp(-(beta_max - beta_min) u^2 / 2 - beta_min u), at u = 1e-3 + (1 - 1e-3) t / T and relative to its
    value at t = 0, as in the authors' code, which takes x_0 as noiseless.

    Example:
      >>> one = denoising_chain(1)
      >>> float(one.from_clean[0]), float(one.from_noisy[0]), float(one.deviation[0])
      (1.0, 0.0, 0.0)

    Args:
      steps: T, >= 1; 4 in the paper. With 1 the game is a GAN whose generator begins with noise.
      beta_min: rate at the start, >= 0.
      beta_max: rate at the end, > 0; alpha-bar_T must be small, for x_T to be noise alone.
    Returns:
      DenoisingChain.
    Raises:
      ValueError: a number is out of range.
    References:
      Xiao, Kreis, Vahdat. Tackling the Generative Learning Trilemma with Denoising Diffusion GANs. ICLR 2022, eq. 3.
      Song et al. Score-Based Generative Modeling through Stochastic Differential Equations. ICLR 2021, eq. 11.
    """
    if steps < 1 or not 0 <= beta_min <= beta_max or not beta_max > 0:
        raise ValueError(
            f"denoising_chain needs steps >= 1, 0 <= beta_min <= beta_max and beta_max > 0; "
            f"got {steps}, {beta_min} and {beta_max}"
        )
    u = 1e-3 + (1 - 1e-3) * np.arange(steps + 1) / steps
    kept = np.exp(-(beta_max - beta_min) * u**2 / 2 - beta_min * u)
    kept = kept / kept[0]
    before, after = kept[:-1], kept[1:]
    beta = 1 - after / before
    from_clean, from_noisy = np.sqrt(before) * beta / (1 - after), (1 - before) * np.sqrt(1 - beta) / (1 - after)
    deviation = np.sqrt(beta * (1 - before) / (1 - after))
    return DenoisingChain(*(a.astype(np.float32) for a in (np.sqrt(after), beta, from_clean, from_noisy, deviation)))


@explains
def denoising_diffusion(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    chain: DenoisingChain,
    shape: Sequence[int],
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator that says what is behind the noise, and a discriminator of single steps of denoising.

    Of x_0 a pair (x_{t-1}, x_t) is made, t uniform over 1..T. The generator G(x_t, z, t) predicts x_0, not x_{t-1};
    what is not real is x_{t-1} drawn from the posterior given its prediction and x_t. The discriminator
    D(x_{t-1}, x_t, t) judges x_{t-1}, which a penalty is of (the authors' R1, every 15 steps); x_t and t are its
    conditions. So every step has a simple target with several modes, and z says which.

    Both networks take t as [B] float32 in (0, 1], t / T, the generator beside two arrays, the discriminator beside two.
    Samples begin with noise and take T steps, with a new z and new noise in each.

    Metrics: each player's loss; the discriminator's logits and probabilities as in `gan`, and `penalty` where there is
    one.

    Args:
      loss: what each player minimises, from `jaxgan.losses`; the paper's is `non_saturating`.
      prior: of z, from `jaxgan.priors`; 100 normal numbers for CIFAR-10.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      chain: of noise, `denoising_chain(4)`.
      shape: of an example of the data, (2,) or (H, W, C): where sampling begins.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them; an augmentation is of
        x_{t-1} alone.
    Returns:
      System with networks "generator", without batch statistics, and "discriminator". It generates from "index" [n].
    Raises:
      ValueError: the optimizers are not named after the players; at trace time, a batch without "x", or predictions
        unlike the data.
    References:
      Xiao, Kreis, Vahdat. Tackling the Generative Learning Trilemma with Denoising Diffusion GANs. ICLR 2022, eq. 4, 5,
      7 and section 3.2.
    """
    check_prior(prior)
    judge, steps = adversary(loss, **adversarial), len(chain.beta)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, Any]:
        check_batch("denoising_diffusion", batch, x="data [B, ...]")
        x = batch["x"]
        keys = example_keys(turn.named("diffusion"), x.shape[0], turn.examples)
        t = jax.vmap(lambda key: jax.random.randint(key, (), 0, steps, jnp.int32))(keys)
        before, after = noisy_pair(chain, x, t, keys)
        level = (t.astype(jnp.float32) + 1) / steps
        clean = nets["generator"](after, prior(turn.named("latent"), x.shape[0], turn.examples), level)
        if clean.shape != x.shape:
            raise ValueError(
                f"denoising_diffusion: the generator predicts {clean.shape} of data {x.shape}; it takes (x_t, z, t) "
                "and returns x_0, of the shape of the data"
            )
        return (before, after, level), (denoised(chain, clean, after, t, keys), after, level)

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        index = inputs["index"]
        begin = example_keys(jax.random.fold_in(key, steps), index.shape[0], index)
        noise = jax.vmap(lambda key: jax.random.normal(key, tuple(shape), jnp.float32))(begin)

        def step(x: Array, t: Array) -> tuple[Array, None]:
            now = jax.random.fold_in(key, t)
            level, t = jnp.full((x.shape[0],), (t + 1) / steps, jnp.float32), jnp.full((x.shape[0],), t, jnp.int32)
            clean = frozen(nets["generator"], t[0])(x, prior(now, x.shape[0], index), level)
            return denoised(chain, clean, x, t, example_keys(now, x.shape[0], index)), None

        return jax.lax.scan(step, noise, jnp.arange(steps, dtype=jnp.int32)[::-1])[0]

    playing = two_players(
        optimizer, player_loss(judge.discriminator, shown), player_loss(judge.generator, shown), n_critic
    )
    return between(judge, playing, generate, takes={})


def noisy_pair(chain: DenoisingChain, x: Array, t: Array, keys: Array) -> tuple[Array, Array]:
    """Draws two neighbours of the chain.

    Args:
      chain: of noise.
      x: x_0 [B, ...].
      t: [B] int32, 0..T-1, the number of the later one less 1.
      keys: [B] typed keys.
    Returns:
      (x_{t-1}, x_t), [B, ...] each, with t as in the paper, from 1.
    """
    before, after = (_normal(keys, x, name) for name in ("before", "after"))
    # What is left of x_0 in x_{t-1}: 1 where t is 1.
    signal = _entry(jnp.concatenate([jnp.ones(1, jnp.float32), chain.signal[:-1]]), t, x)
    earlier = signal * x + jnp.sqrt(1 - jnp.square(signal)) * before
    beta = _entry(chain.beta, t, x)
    return earlier, jnp.sqrt(1 - beta) * earlier + jnp.sqrt(beta) * after


def denoised(chain: DenoisingChain, clean: Array, noisy: Array, t: Array, keys: Array) -> Array:
    """Draws x_{t-1} from the posterior, given x_0 and x_t.

    Args:
      chain: of noise.
      clean: x_0, or a prediction of it, [B, ...].
      noisy: x_t [B, ...].
      t: [B] int32, 0..T-1, the number of x_t less 1.
      keys: [B] typed keys.
    Returns:
      x_{t-1} [B, ...]; x_0 itself where t is 1.
    """
    mean = _entry(chain.from_clean, t, noisy) * clean + _entry(chain.from_noisy, t, noisy) * noisy
    return mean + _entry(chain.deviation, t, noisy) * _normal(keys, noisy, "posterior")


def _entry(values: Any, t: Array, x: Array) -> Array:
    return jnp.asarray(values)[t].reshape(-1, *[1] * (x.ndim - 1))


def _normal(keys: Array, x: Array, name: str) -> Array:
    own = jax.vmap(lambda key: jax.random.fold_in(key, name_index(name)))(keys)
    return jax.vmap(lambda key: jax.random.normal(key, x.shape[1:], jnp.float32))(own)
