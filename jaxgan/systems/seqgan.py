"""SeqGAN: a generator of tokens that learns from a discriminator's opinion as from a reward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses import policy_gradient, token_log_probabilities
from jaxgan.nets import averaged, frozen
from jaxgan.networks.sequences import hot
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, image_logits, two_players
from jaxgan.systems.tokens import TOKENS, WARMTH, drawn_tokens, generates_tokens
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains

Reward = Callable[[Array], Array]  # logits -> how good that is, of the same shape


@explains
def seqgan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    rollouts: int = 16,
    reward: Reward = jax.nn.sigmoid,
    centred: bool = False,
    lagged: bool = False,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator of tokens by REINFORCE: each token earns what whole sequences that begin so earn on average.

    Q(a_t | a_<t) is the mean reward of `rollouts` sequences that the generator completes from a_1..a_t; of the last
    token it is the reward of the sequence itself. The generator minimises -E sum_t Q_t log G(a_t | a_<t), the sum over
    tokens and the mean over sequences; the authors' code has the sum over both. The discriminator is shown one-hot
    rows [B, T, V]. Train the generator by `maximum_likelihood` first, and carry it over.

    A paper's baseline is none. With centred=True it is the batch's mean Q at each place: that leaves the gradient's
    direction and multiplies its mean by 1 - 1/B, and lowers its variance much, as rewards are all of one sign.

    Metrics: each player's loss; the generator's `reward`, of whole sequences, and `entropy`, of its next token in nats;
    the discriminator's as in `gan`.

    Args:
      loss: what the discriminator minimises, from `jaxgan.losses`; its generator's side is not used.
      prior: Gumbel noise, `priors.gumbel(length, vocabulary)`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      rollouts: completions of each beginning, >= 1.
      reward: of the discriminator's logits; the paper's is the probability of being real.
      centred: subtract the batch's mean Q at each place.
      lagged: complete by the generator's average, which the game must keep (`ema`), as the paper has it; in the
        authors' code the copy that is meant to lag is the generator itself.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them, of one-hot rows.
    Returns:
      System with networks "generator", one of `networks.sequences`, and "discriminator", one of `networks.readers`. It
      generates tokens [n, T] from "index" or "z", and takes a "temperature".
    Raises:
      ValueError: rollouts < 1, or the optimizers are not named after the players; at trace time, a batch without
        "tokens" or of another length than the prior's, or logits that are not one for each sequence.
    References:
      Yu, Zhang, Wang, Yu. SeqGAN: Sequence Generative Adversarial Nets with Policy Gradient. AAAI 2017, eq. 4 to 8.
    """
    if rollouts < 1:
        raise ValueError(f"seqgan needs rollouts >= 1; got {rollouts}")
    judge = adversary(loss, **adversarial)

    def sides(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array, Array]:
        check_batch("seqgan", batch, tokens=TOKENS)
        return drawn_tokens(prior, nets, batch, turn)

    def earned(nets: Nets, turn: Turn, tokens: Array, vocabulary: int) -> Array:
        x = hot(tokens, vocabulary)
        logits = image_logits(judge.generator(nets, turn, x, x).fake)
        if logits.shape != tokens.shape[:1]:
            raise ValueError(f"seqgan needs one logit for each sequence, {tokens.shape[:1]}; got {logits.shape}")
        return reward(logits)

    def values(nets: Nets, turn: Turn, tokens: Array, vocabulary: int) -> Array:
        """Returns Q [B, T]."""
        size, length = tokens.shape
        last = earned(nets, turn, tokens, vocabulary)[:, None]
        if length == 1:
            return last
        policy = averaged(nets["generator"]) if lagged else frozen(nets["generator"])

        def completed(number: Array) -> Array:
            noise = prior(jax.random.fold_in(turn.named("roll-out"), number), size, turn.examples)
            free = (jnp.arange(length, dtype=jnp.int32) > number % (length - 1)).astype(jnp.float32)
            whole = policy(noise, tokens=tokens, mask=jnp.broadcast_to(free, tokens.shape), method="draw")
            views = {name: frozen(nets[name], number) for name in nets}
            return earned(views, turn, whole, vocabulary)

        beginnings = jax.vmap(completed)(jnp.arange(rollouts * (length - 1), dtype=jnp.int32))
        before = jnp.mean(beginnings.reshape(rollouts, length - 1, size), axis=0).T
        return jnp.concatenate([before, last], axis=1)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        tokens, real, _ = sides(nets, batch, turn)
        logits = nets["generator"](tokens)
        q = values(nets, turn, tokens, real.shape[-1])
        mean = turn.average(jnp.mean(q, axis=0, keepdims=True))
        baseline = jnp.broadcast_to(mean, q.shape) if centred else 0.0
        log_p = token_log_probabilities(logits, tokens)
        entropy = -jnp.mean(jnp.sum(jax.nn.softmax(logits) * jax.nn.log_softmax(logits), axis=-1))
        return policy_gradient(log_p, q, baseline), {"reward": jnp.mean(q[:, -1]), "entropy": entropy}

    discriminator = player_loss(judge.discriminator, lambda nets, batch, turn: sides(nets, batch, turn)[1:])
    playing = two_players(optimizer, discriminator, generator, n_critic)
    return between(judge, playing, generates_tokens(prior), takes={"temperature": WARMTH})
