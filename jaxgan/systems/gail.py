"""Generative adversarial imitation learning: a policy whose steps cannot be told from an expert's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from jax import Array

from jaxgan.data.control import Task
from jaxgan.losses import imitation_rewards
from jaxgan.systems.acting import Learning, by_means, check_learning, explored, flat, improved
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, loss_at, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, image_logits, players
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains

STEPS = ("state", "action", "next")  # what of a step a discriminator may be shown


@explains
def gail(
    *,
    task: Task,
    loss: LossOption,
    optimizer: Optimizer,
    judges: Sequence[str] = ("state", "action"),
    discount: float = 0.99,
    smoothing: float = 0.95,
    entropy: float = 0.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A policy acts in a task, and a discriminator that tells its steps from an expert's is its reward.

    A batch of B steps of the expert is met by as many of the policy, so that B is a multiple of the task's horizon: in
    every turn B / horizon roll-outs are made anew, each by keys of its own number. As an environment costs less here
    than a network, no roll-out is used twice: the paper's trust region, and the clipped ratios that came after it, are
    for old ones, and at its first step such a surrogate has the gradient of this one. The policy's player minimises
    -E sum_t A_t log pi(a_t|s_t) / T - entropy H(pi), and the squared error of the value; A are generalized advantages
    of `losses.imitation_rewards` of the loss, standardised over the global batch. The horizon cuts, it does not end:
    the value of the last state is added.

    Networks: "policy", a `networks.policies.Gaussian`, "value", a `networks.policies.Value`, and "discriminator", a
    `networks.joint.Joint` of what it judges: ("state", "action") as in the paper, or ("state", "next") where actions
    are not known. The policy and the value must not draw (dropout), nor keep statistics of batches.

    Metrics: each player's loss; of the policy its `reward` per step, `entropy` in nats, `value_error` per step, and
    `task_return`, the sum of the task's own rewards, which it does not see; of the discriminator as in `gan`, and
    `penalty` where there is one.

    Args:
      task: from `jaxgan.data`, or another.
      loss: what the discriminator minimises, and minus what each step of the policy earns: `losses.minimax` is the
        paper's -log(1 - D), `losses.non_saturating` log D.
      optimizer: one for both players, or {"discriminator": ..., "policy": ...}.
      judges: what of a step is judged, of "state", "action" and "next".
      discount: of rewards, in [0, 1].
      smoothing: lambda of the advantages, in [0, 1].
      entropy: weight of the policy's entropy, >= 0.
      n_critic: discriminator updates per policy update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "policy", "value" and "discriminator". It generates roll-outs by the policy's means, from
      "index": what `data.rollout` returns.
    Raises:
      ValueError: a number is out of range, the loss is a network that remembers, what is judged is unknown, or the
        optimizers are not named after the players; at trace time, a batch that is no multiple of the horizon, or
        without what is judged.
    References:
      Ho, Ermon. Generative Adversarial Imitation Learning. NeurIPS 2016, algorithm 1.
      Torabi, Warnell, Stone. Generative Adversarial Imitation from Observation. 2018 (judging transitions).
    """
    learning = Learning(discount, smoothing, entropy)
    _check(loss, judges, learning)
    judge = adversary(loss, judged=len(judges), **adversarial)

    def acted(nets: Nets, batch: Batch, turn: Turn) -> tuple[dict[str, Array], Any, Any]:
        """Returns roll-outs of the policy, and both sides of what is judged."""
        check_batch("gail", batch, **dict.fromkeys(judges, "of the expert's steps, from data.demonstrations"))
        made = explored("gail", nets, turn, task, len(batch[judges[0]]))
        return made, tuple(batch[name] for name in judges), tuple(flat(made[name]) for name in judges)

    def policy(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        made, real, fake = acted(nets, batch, turn)
        verdict = judge.generator(nets, turn, real, fake)
        logits = image_logits(verdict.real), image_logits(verdict.fake)
        rewards = imitation_rewards(loss_at(loss, nets, turn), *logits).reshape(made["reward"].shape)
        value, metrics = improved(nets, turn, made, rewards, learning)
        return value, verdict.metrics | metrics

    shown = player_loss(judge.discriminator, lambda *given: acted(*given)[1:])
    moves = {"discriminator": ("discriminator", shown, n_critic), "policy": (("value", "policy"), policy)}
    return between(judge, players(optimizer, **moves), by_means(task))


def _check(loss: LossOption, judges: Sequence[str], learning: Learning) -> None:
    if isinstance(loss, str):
        raise ValueError(
            f"loss={loss!r} is a network that remembers, and gail rewards each step for itself; give a Loss"
        )
    if not judges or len(set(judges)) < len(judges) or set(judges) - set(STEPS):
        raise ValueError(f"gail judges one or several of {STEPS}, each once; got {tuple(judges)}")
    check_learning("gail", learning)
