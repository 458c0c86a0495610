"""Turing Learning: models of a behaviour and classifiers of what they do evolve against each other by selection."""

from __future__ import annotations

from typing import Any, Unpack

import jax
from jax import Array

from jaxgan.losses import hard_threshold
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between
from jaxgan.systems.parts import Optimizer, check_batch, drawn, latents, translation, two_players
from jaxgan.types import Batch, Estimator, Inputs, Metrics, Nets, System, Turn, explains


@explains
def turing_learning(
    *,
    prior: Prior,
    optimizer: Optimizer,
    gradient: Estimator,
    loss: LossOption = hard_threshold,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """Classifiers call data genuine or counterfeit, yes or no; models earn the share of theirs that is called genuine.

    Both sides are only evaluated: models may be programs, and the threshold is meant. With `estimators.selection`,
    "generator" is a `networks.populations.Crowd`, of which every example is by another member, and "discriminator" a
    `networks.populations.Jury`, whose members all judge all examples. The loss of a member is then its own, against the
    whole other population of before its turn. With `estimators.evolution_strategies` both are single networks; but one
    yes or no is a step, on which most of the draws around a model see no slope, where a population votes in degrees.

    Metrics: each player's loss, of the generator minus its share of examples called genuine, of the discriminator minus
    (sensitivity + specificity) / 2, means over the population; the discriminator's logits and probabilities as in
    `gan`.

    Args:
      prior: what the models' behaviours start from and are disturbed by, from `jaxgan.priors`.
      optimizer: `optax.sgd(1.0)` for `selection`; any for an estimate of a gradient. One for both players, or
        {"discriminator": ..., "generator": ...}.
      gradient: `estimators.selection(parents)`, or another estimator that only evaluates.
      loss: what each player minimises, from `jaxgan.losses`.
      n_critic: generations of classifiers to one of models, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator". It generates from "index" or "z": example i by member i.
    Raises:
      ValueError: the optimizers are not named after the players; at trace time, a batch without "x", or behaviours
        unlike the data.
    References:
      Li, Gauci, Gross. Turing learning: a metric-free approach to inferring behavior and its application to swarms.
      Swarm Intelligence 2016, section 3.1.
    """
    judge = adversary(loss, **adversarial)

    def behaved(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, Any]:
        check_batch("turing_learning", batch, x="what the system does that is to be modelled")
        return batch["x"], translation(nets["generator"], drawn(prior, batch, turn), {"index": turn.examples})

    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        verdict = judge.discriminator(nets, turn, *behaved(nets, batch, turn))
        return turn.average(verdict.loss), verdict.metrics  # over all devices: or each would select for itself

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        verdict = judge.generator(nets, turn, *behaved(nets, batch, turn))
        return turn.average(verdict.loss), verdict.metrics

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Any:
        z = latents(prior, key, inputs)
        return translation(
            nets["generator"], z, inputs if "index" in inputs else {"index": jax.numpy.arange(z.shape[0])}
        )

    playing = two_players(optimizer, discriminator, generator, n_critic)
    playing = {name: player._replace(gradient=gradient) for name, player in playing.items()}
    return between(judge, playing, generate)
