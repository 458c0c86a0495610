"""Gumbel-softmax GAN: discrete samples that are relaxed while training, so that gradients flow through them."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp
from jax import Array

from jaxgan.networks.sequences import hot
from jaxgan.penalties.weights import Weight, weight_at
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, drawn, two_players
from jaxgan.systems.tokens import TOKENS, WARMTH, check_length, generates_tokens
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains


@explains
def gumbel(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    temperature: Weight,
    straight_through: bool = False,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A GAN of tokens whose samples are softmax((logits + Gumbel noise) / temperature) while it trains.

    As the temperature falls, samples become one-hot and gradients grow: their variance goes as 1/temperature. What is
    generated in the end is the argmax, which is a draw of the generator's law whatever the temperature was.

    A discriminator that is shown one-hot data beside soft samples tells them apart by that alone. Straight through,
    samples are one-hot and have the gradient of the soft ones, which is biased; or give both sides instance noise, by
    `augment`. With `networks.sequences` the relaxed token is what the next step sees.

    Metrics: each player's loss; the generator's `temperature`; the discriminator's as in `gan`.

    Args:
      loss: what each player minimises, from `jaxgan.losses`.
      prior: Gumbel noise, `priors.gumbel(length, vocabulary)`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      temperature: > 0, or a schedule of the step; the paper's falls from 5 to 1.
      straight_through: one-hot samples with the gradient of the soft ones.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator", one of `networks.sequences`, and "discriminator", one of `networks.readers`. It
      generates tokens [n, T] from "index" or "z", and takes a "temperature" of its own, by which logits are divided.
    Raises:
      ValueError: a temperature that is not positive, or the optimizers are not named after the players; at trace time,
        a batch without "tokens" or of another length than the prior's.
    References:
      Kusner, Hernández-Lobato. GANs for Sequences of Discrete Elements with the Gumbel-softmax Distribution. 2016.
      Jang, Gu, Poole. Categorical Reparameterization with Gumbel-Softmax. ICLR 2017, eq. 2 and section 2.2.
    """
    if not callable(temperature) and not temperature > 0:
        raise ValueError(f"gumbel needs a temperature > 0, or a schedule of the step; got {temperature}")
    judge = adversary(loss, **adversarial)

    def sides(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
        check_batch("gumbel", batch, tokens=TOKENS)
        z = drawn(prior, batch, turn)
        check_length(z, batch["tokens"])
        made = nets["generator"](z, weight_at(temperature, turn), straight_through, method="relax")
        return hot(batch["tokens"], z.shape[-1]), made

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        value = judge.generator(nets, turn, *sides(nets, batch, turn)).loss
        return value, {"temperature": jnp.asarray(weight_at(temperature, turn), jnp.float32)}

    playing = two_players(optimizer, player_loss(judge.discriminator, sides), generator, n_critic)
    return between(judge, playing, generates_tokens(prior), takes={"temperature": WARMTH})
