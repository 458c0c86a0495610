"""Adversarial variational Bayes: a posterior without a density, whose ratio to the prior a discriminator learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses import bernoulli, minimax
from jaxgan.priors import Prior, check_normal
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, check_prior, drawn, encodes, image_logits, latents, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains

FLOOR = 1e-4  # added to the variances of the adaptive contrast, which is N(mean, variance + FLOOR)


class Contrast(NamedTuple):
    """What a posterior is compared with instead of the prior: a normal of its own mean and variances, which stand."""

    mean: Array  # [B, Z]
    deviation: Array  # [B, Z]


@explains
def avb(
    *,
    prior: Prior,
    noise: Prior,
    optimizer: Optimizer,
    reconstruction: Callable[[Array, Array], Array] = bernoulli,
    contrast: int = 0,
    loss: LossOption = minimax,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A variational autoencoder with an encoder z = E(x, noise) of any law; T(x, z) learns log q(z|x)/p(z).

    The discriminator is T, and *the posterior is its real side*: at the optimum its logit is log q(z|x) - log p(z),
    whose mean over the posterior is the divergence that encoder and decoder pay beside the reconstruction. With the
    sides exchanged the sign would be the wrong one. The gradient of the divergence runs through z alone (proposition
    2).

    With adaptive contrast T compares with r(z|x) = N(mean, variance) of `contrast` draws of E(x, .) instead, in units
    of r: (z - mean)/deviation against N(0, I). The divergence is then T + log r(z|x) - log p(z), and T has only to
    learn how the posterior differs from a normal. No gradient runs through the moments; few draws blur what T sees.

    Metrics: each player's loss; the autoencoder's `reconstruction` and `divergence`, in nats, whose sum is minus the
    evidence lower bound as far as T is right; the discriminator's logits and probabilities (real: the posterior) as in
    `gan`, and `penalty` where there is one.

    Args:
      prior: p(z); N(0, I), `priors.normal`, with adaptive contrast.
      noise: what makes the encoder a law, such as `priors.normal(16)`.
      optimizer: one for both players, or {"discriminator": ..., "autoencoder": ...}.
      reconstruction: (x, decoder(z)) -> minus E log p(x|z), [], summed over an example's entries and in nats:
        `losses.bernoulli` of x in [0, 1] and logits, or `losses.unit_gaussian`.
      contrast: draws of which the posterior's moments are taken, >= 2; 0: no adaptive contrast.
      loss: of T; its discriminator's side, which must be a logistic one.
      n_critic: updates of T in a step, >= 1; the authors' toy has 2.
      **adversarial: penalty, augment (of x), replay and regularizer, as `systems.adversary` takes them; each of them
        moves T away from the log ratio.
    Returns:
      System with networks "encoder", E(x, noise) -> z such as `networks.encoders.Implicit`, "decoder" and
      "discriminator", T(x, z) -> logits [B] such as `networks.joint.Joint`. T moves first. It generates decoder(z) from
      "index" or "z", and from "x" decoder(E(x, noise)).
    Raises:
      ValueError: contrast is 1 or negative, or with a prior that is not N(0, I), or the optimizers are not named after
        the players; at trace time, a latent unlike the prior's.
    References:
      Mescheder, Nowozin, Geiger. Adversarial Variational Bayes: Unifying Variational Autoencoders and Generative
      Adversarial Networks. ICML 2017, eq. 3.3 (T), algorithm 1, and section 4 (adaptive contrast).
    """
    if contrast < 0 or contrast == 1:
        raise ValueError(f"avb needs contrast >= 2 draws for a variance, or 0 for none; got {contrast}")
    check_prior(prior)
    if contrast:
        check_normal("avb with adaptive contrast", prior)
    judge, encode = adversary(loss, judged=2, **adversarial), encodes(noise)

    def encoded(nets: Nets, batch: Batch, turn: Turn) -> Array:
        check_batch("avb", batch, x="data [B, ...]")
        return encode(nets, batch["x"], turn.named("posterior"), turn.examples)

    def compared(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array, Array]:
        """Returns the posterior's latents, as T sees them, and what log r - log p adds to T, [B]."""
        z = encoded(nets, batch, turn)
        if not contrast:
            return z, z, jnp.zeros(z.shape[0], jnp.float32)
        mean, deviation = _moments(nets, batch, turn, noise, contrast)
        units = (z - mean) / deviation
        return z, units, jnp.sum(0.5 * (jnp.square(z) - jnp.square(units)) - jnp.log(deviation), axis=1)

    def sides(batch: Batch, turn: Turn, units: Array) -> tuple[Any, Any]:
        return (batch["x"], units), (batch["x"], drawn(prior, batch, turn))

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, Any]:
        return sides(batch, turn, compared(nets, batch, turn)[1])

    def autoencoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        z, units, added = compared(nets, batch, turn)
        ratio = image_logits(judge.generator(nets, turn, *sides(batch, turn, units)).real)
        divergence = jnp.mean(ratio + added)
        error = reconstruction(batch["x"], nets["decoder"](z))
        return error + divergence, {"reconstruction": error, "divergence": divergence}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        if "x" not in inputs:
            return nets["decoder"](latents(prior, key, inputs))
        return nets["decoder"](encode(nets, inputs["x"], key, inputs.get("index")))

    playing = players(
        optimizer,
        discriminator=("discriminator", player_loss(judge.discriminator, shown), n_critic),
        autoencoder=(("encoder", "decoder"), autoencoder),
    )
    return between(judge, playing, generate, takes={"x": "data to reconstruct, [n, ...]"})


def _moments(nets: Nets, batch: Batch, turn: Turn, noise: Prior, count: int) -> Contrast:
    """Returns those of draws made for them, [count * B] in one call of the encoder."""
    x = batch["x"]
    keys = jax.random.split(turn.named("contrast"), count)
    draws = jax.vmap(lambda key: noise(key, x.shape[0], turn.examples))(keys)
    repeated = jnp.tile(x, (count, *[1] * (x.ndim - 1)))
    z = frozen(nets["encoder"])(repeated, draws.reshape(-1, draws.shape[-1])).reshape(count, x.shape[0], -1)
    return jax.lax.stop_gradient(Contrast(jnp.mean(z, axis=0), jnp.sqrt(jnp.var(z, axis=0) + FLOOR)))
