"""MaskGAN: blanks are filled by an actor whose critic expects what a discriminator of tokens will say."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses import baseline_error, discounted_returns, policy_gradient, token_log_probabilities
from jaxgan.losses.pairs import check_number
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, changed, loss_at, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, check_outputs, players
from jaxgan.systems.seqgan import Reward
from jaxgan.systems.tokens import MASK, TOKENS, WARMTH, drawn_tokens, generates_tokens
from jaxgan.types import Batch, Loss, Metrics, Nets, System, Turn, explains


@explains
def maskgan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    discount: float = 0.89,
    reward: Reward = jax.nn.log_sigmoid,
    clip: float | None = 5.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """Fills the blanks of sequences: a discriminator judges each filled token, a critic expects what it will earn.

    The batch has "tokens" and a "mask", 1 where they are blank, as `data.blanks` makes it. The generator G(tokens,
    mask) reads what is there and writes into the blanks from left to right. The discriminator D(x, mask) sees whole
    sequences with the mask and gives a logit for each token, of which those of blanks count: their mean over all blanks
    of the batch. A token earns log D of itself and, discounted, of those after it. The generator follows the policy
    gradient of that, less what the critic expected before the token was chosen; the critic minimises its squared error.

    The discriminator moves first, then the critic, then the generator. In the authors' code the critic shares the
    discriminator's layers, and the discriminator's loss is half of the usual one, as here it is with half its rate. A
    loss compares pairs of tokens, the true and the filled one at each blank: those that are relative to a batch's mean
    become relative to the pair. Train the generator by `maximum_likelihood` first.

    Metrics: each player's loss; the generator's `reward`, the mean over blanks, and the critic's `expected`; the
    discriminator's as in `gan`, over all tokens.

    Args:
      loss: what the discriminator minimises, from `jaxgan.losses`; its generator's side is not used.
      prior: Gumbel noise, `priors.gumbel(length, vocabulary)`.
      optimizer: one for all players, or {"discriminator": ..., "critic": ..., "generator": ...}; the authors' rates are
        5e-4, 5.2e-7 and 3.9e-5.
      discount: of later tokens, in [0, 1], a place; the authors' code has 0.89072.
      reward: of a token's logit; the paper's is log D.
      clip: largest magnitude of return less expectation, > 0; None: any.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator", a `networks.sequences.Infill`, "critic", a `networks.readers.Values`, and
      "discriminator", a `networks.readers.TokenJudge`. It generates from "tokens" and "mask", and never looks at tokens
      that are blank.
    Raises:
      ValueError: a number is out of range, a loss that remembers, or the optimizers are not named after the players; at
        trace time, no "mask" in the batch, or a discriminator with other outputs.
    References:
      Fedus, Goodfellow, Dai. MaskGAN: Better Text Generation via Filling in the ______. ICLR 2018, eq. 1 to 7.
    """
    check_number("maskgan", "discount", discount, low=0.0, high=1.0)
    if clip is not None and not clip > 0:
        raise ValueError(f"maskgan needs clip > 0, or None; got {clip}")
    plain = changed(loss, lambda pair: pair)  # refuses one that remembers
    judge = adversary(lambda turn: of_blanks(loss_at(plain, {}, turn), turn), logits=_judgements, **adversarial)

    def filled(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, tuple[Array, Array], tuple[Array, Array]]:
        check_batch("maskgan", batch, tokens=TOKENS, mask=MASK)
        given = {name: batch[name] for name in ("tokens", "mask")}
        tokens, real, fake = drawn_tokens(prior, nets, batch, turn, **given)
        return tokens, (real, batch["mask"]), (fake, batch["mask"])

    def earned(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array, Array]:
        """Returns the filled tokens, what each blank earned and, discounted, with all after it: [B, T]."""
        tokens, real, fake = filled(nets, batch, turn)
        rewards = batch["mask"] * reward(_judgements(judge.generator(nets, turn, real, fake).fake)["logits"])
        return tokens, rewards, discounted_returns(rewards, discount)

    def critic(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        tokens, _, returns = earned(nets, batch, turn)
        expected = nets["critic"](tokens, batch["mask"])
        blanks = turn.average(jnp.sum(batch["mask"]))
        metrics = {"expected": jnp.sum(batch["mask"] * expected) / jnp.maximum(blanks, 1)}
        return baseline_error(expected, returns, batch["mask"]), metrics

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        tokens, rewards, returns = earned(nets, batch, turn)
        mask = batch["mask"]
        advantage = returns - nets["critic"](tokens, mask)
        advantage = advantage if clip is None else jnp.clip(advantage, -clip, clip)
        log_p = token_log_probabilities(nets["generator"](tokens, mask), tokens)
        blanks = turn.average(jnp.sum(mask))
        return policy_gradient(log_p, advantage, mask=mask), {"reward": jnp.sum(rewards) / jnp.maximum(blanks, 1)}

    discriminator = player_loss(judge.discriminator, lambda nets, batch, turn: filled(nets, batch, turn)[1:])
    moves: dict[str, Any] = {"discriminator": ("discriminator", discriminator, n_critic)}
    moves |= {"critic": ("critic", critic), "generator": ("generator", generator)}
    asks = {"tokens": TOKENS, "mask": MASK}
    playing = players(optimizer, **moves)
    return between(judge, playing, generates_tokens(prior), asks=asks, takes={"temperature": WARMTH})


def of_blanks(pair: Loss, turn: Turn) -> Loss:
    """Returns a loss of {"logits": [B, T], "mask": [B, T]}: the mean over all blanks of the batch of the pair's.

    Blanks of the two sides are compared in their order, which is place by place where their masks are the same; where a
    replay brings others, those that have no partner are left out.
    """

    def mean(objective: Any) -> Any:
        def value(real: dict[str, Array], fake: dict[str, Array]) -> Array:
            (r, v), (f, w) = _in_order(**real), _in_order(**fake)
            each = jax.vmap(lambda a, b: objective(a[None], b[None]))(r, f)
            counted = jnp.minimum(v, w)
            return jnp.sum(counted * each) / jnp.maximum(turn.average(jnp.sum(counted)), 1)

        return value

    return Loss(*(mean(objective) for objective in pair))


def _in_order(logits: Array, mask: Array) -> tuple[Array, Array]:
    """Returns logits and mask in one row, blanks first."""
    order = jnp.argsort(mask.reshape(-1), stable=True, descending=True)
    return logits.reshape(-1)[order], mask.reshape(-1)[order]


def _judgements(outputs: Any) -> dict[str, Array]:
    check_outputs("maskgan", outputs, "logits", "mask", network="a discriminator of tokens")
    return {name: outputs[name] for name in ("logits", "mask")}
