"""Adversarial motion priors: a policy does a task in the manner of demonstrations that say nothing of the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from jax import Array

from jaxgan.data.control import Task
from jaxgan.losses import style_rewards
from jaxgan.systems.acting import Learning, by_means, check_learning, explored, flat, improved
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, image_logits, players
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains

TRANSITION: Sequence[str] = ("state", "next")


@explains
def motion_prior(
    *,
    task: Task,
    loss: LossOption,
    optimizer: Optimizer,
    style: float = 0.5,
    learning: tuple[float, float, float] = (0.95, 0.95, 0.0),
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """AMP: a policy earns the task's own reward, and one for steps that a discriminator takes for demonstrated ones.

    Each step earns (1 - style) times the task's reward plus style times `losses.style_rewards` of the discriminator,
    which sees a transition (s, s') and no action: demonstrations are motions, whoever made them and whatever for. A
    batch of B transitions, "state" and "next" [B, S], is met by as many of the policy, in B / horizon whole roll-outs
    made anew in every turn; from them it learns as in `gail`, and with style=1 it is `gail` that judges transitions, by
    another reward. `replay` shows the discriminator earlier roll-outs too, as the paper does, so that it does not
    forget what the policy has left behind; its reward is always of the steps of now. R1, as `penalty`, is the paper's
    gradient penalty: on demonstrations alone.

    A discriminator of states in different units tells them apart by the largest: `networks.observed.Standardized`
    around it knows their means and deviations. The gradient that a penalty is of is still that in raw units.

    Networks: "policy", a `networks.policies.Gaussian`, "value", a `networks.policies.Value`, and "discriminator", a
    `networks.joint.Joint`. The policy and the value must not draw (dropout), nor keep statistics of batches.

    Metrics: each player's loss; of the policy `reward` per step, as mixed, `style`, the mean style reward, `entropy` in
    nats, `value_error` per step, and `task_return`, the sum of the task's own rewards; of the discriminator as in
    `gan`, and `penalty` where there is one.

    Args:
      task: from `jaxgan.data`, or another; its reward should be of the order of 1, as the style's is.
      loss: what the discriminator minimises; the paper's is `losses.least_squares_targets(-1, 1, 1)`, and the reward is
        for logits with these targets.
      optimizer: one for both players, or {"discriminator": ..., "policy": ...}.
      style: share of the style's reward, in [0, 1]; the paper has 0.5.
      learning: discount of rewards, lambda of the advantages, both in [0, 1], and weight of the entropy, >= 0.
      n_critic: discriminator updates per policy update, >= 1.
      **adversarial: penalty (the paper's is `r1(10.0)`), augment, replay and regularizer, as `systems.adversary` takes
        them.
    Returns:
      System with networks "policy", "value" and "discriminator". It generates roll-outs by the policy's means, from
      "index": what `data.rollout` returns.
    Raises:
      ValueError: a number is out of range, or the optimizers are not named after the players; at trace time, a batch
        that is no multiple of the horizon, or without transitions.
    References:
      Peng et al. AMP: Adversarial Motion Priors for Stylized Physics-Based Character Control. SIGGRAPH 2021, eq. 4, 7
      and 8, algorithm 1.
    """
    rates = Learning(*learning)
    check_learning("motion_prior", rates)
    if not 0 <= style <= 1:
        raise ValueError(f"motion_prior needs style in [0, 1], its share of the reward; got {style}")
    judge = adversary(loss, judged=2, **adversarial)

    def moved(nets: Nets, batch: Batch, turn: Turn) -> tuple[dict[str, Array], Any, Any]:
        """Returns roll-outs of the policy, the demonstrated transitions and its own."""
        check_batch("motion_prior", batch, **dict.fromkeys(TRANSITION, "of transitions, as data.demonstrations has it"))
        made = explored("motion_prior", nets, turn, task, len(batch["state"]))
        return made, tuple(batch[name] for name in TRANSITION), tuple(flat(made[name]) for name in TRANSITION)

    def policy(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        made, real, fake = moved(nets, batch, turn)
        verdict = judge.generator(nets, turn, real, fake)
        manner = style_rewards(image_logits(verdict.fake)).reshape(made["reward"].shape)
        value, metrics = improved(nets, turn, made, (1 - style) * made["reward"] + style * manner, rates)
        return value, verdict.metrics | metrics | {"style": manner.mean()}

    shown = player_loss(judge.discriminator, lambda *given: moved(*given)[1:])
    moves = {"discriminator": ("discriminator", shown, n_critic), "policy": (("value", "policy"), policy)}
    return between(judge, players(optimizer, **moves), by_means(task))
