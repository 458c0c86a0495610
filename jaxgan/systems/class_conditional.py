"""Games of labels in which the discriminator also says which class it sees: AC-GAN, ContraGAN, ReACGAN.

The generator is G(z, y). The discriminator is a `networks.heads.Headed`, called D(x, y), with the head "logits" and one
for classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses import auxiliary_classifier
from jaxgan.losses.contrastive import conditional_contrastive, data_to_data
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between
from jaxgan.systems.parts import Optimizer, check_batch, check_outputs, generates, samples, two_players
from jaxgan.types import Batch, Metrics, Nets, System, Turn, explains


class _Classes(NamedTuple):
    """What tells a system of this file from the others."""

    system: str  # its name
    head: str  # of the discriminator
    term: Callable[[Any, Array], Array]  # (the head's output, labels [B]) -> scalar
    samples_too: bool = False  # the discriminator minimises the term of samples as well


@explains
def acgan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    weight: float = 1.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A discriminator that also classifies: both players minimise the classes' cross-entropy beside their loss.

    D classifies real examples and samples, G wants its samples recognised. Heads: "logits" and "classes" [B, K].

    Metrics: each player's loss; `real_classes` and `fake_classes`, the cross-entropies in nats; the discriminator's
    logits and probabilities as in `gan`, `accuracy` of the classes on real examples, and `penalty` where there is one.

    Args:
      loss: what each player minimises, from `jaxgan.losses`.
      prior: the latents, from `jaxgan.priors`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      weight: of the cross-entropies in both losses, >= 0.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator"; it generates from "index" or "z", and "y".
    Raises:
      ValueError: weight is negative, or the optimizers are not named after the players; at trace time, no labels, a
        discriminator without these heads, or samples unlike the data.
    References:
      Odena, Olah, Shlens. Conditional Image Synthesis with Auxiliary Classifier GANs. ICML 2017, section 3.
    """
    classes = _Classes("acgan", "classes", auxiliary_classifier, samples_too=True)
    return _class_game(classes, loss, prior, optimizer, weight, n_critic, **adversarial)


@explains
def contragan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    weight: float = 1.0,
    temperature: float = 1.0,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """ContraGAN: examples are drawn to their class and to each other within it, by the 2C loss.

    D minimises it on real examples, G on its samples. Heads: "logits" and "contrast", a `networks.heads.Contrastive`.
    Arguments, metrics and errors are those of `acgan`, without `accuracy`.

    Args:
      loss: what each player minimises; the paper's is `hinge`.
      prior: the latents.
      optimizer: as in `acgan`.
      weight: of the 2C loss in both players' losses, >= 0.
      temperature: of the 2C loss, > 0.
      n_critic: as in `acgan`.
      **adversarial: as in `acgan`.
    Returns:
      System with networks "generator" and "discriminator".
    Raises:
      ValueError: as in `acgan`, or the temperature is not positive.
    References:
      Kang, Park. ContraGAN: Contrastive Learning for Conditional Image Generation. NeurIPS 2020, section 3.
    """
    if not temperature > 0:
        raise ValueError(f"contragan needs temperature > 0; got {temperature}")

    def term(contrast: Any, labels: Array) -> Array:
        return conditional_contrastive(contrast.embedding, contrast.proxy, labels, temperature=temperature)

    classes = _Classes("contragan", "contrast", term)
    return _class_game(classes, loss, prior, optimizer, weight, n_critic, **adversarial)


@explains
def reacgan(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    weight: float = 1.0,
    temperature: float = 0.5,
    margin: float = 0.98,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """ReACGAN: AC-GAN on unit vectors, with the data-to-data cross-entropy in place of the softmax classifier.

    D minimises it on real examples, G on its samples. Heads: "logits" and "contrast", a `networks.heads.Contrastive`.
    Arguments, metrics and errors are those of `acgan`, without `accuracy`.

    Args:
      loss: what each player minimises; the paper's is `hinge`.
      prior: the latents.
      optimizer: as in `acgan`.
      weight: of the cross-entropy in both players' losses, >= 0.
      temperature: > 0.
      margin: m_p, above which a similarity to the own class is enough, in [-1, 1].
      n_critic: as in `acgan`.
      **adversarial: as in `acgan`.
    Returns:
      System with networks "generator" and "discriminator".
    Raises:
      ValueError: as in `acgan`, or the temperature or the margin is out of range.
    References:
      Kang, Shim, Cho, Park. Rebooting ACGAN: Auxiliary Classifier GANs with Stable Training. NeurIPS 2021, section 3.
    """
    if not temperature > 0 or not -1 <= margin <= 1:
        raise ValueError(f"reacgan needs temperature > 0 and margin in [-1, 1]; got {temperature} and {margin}")

    def term(contrast: Any, labels: Array) -> Array:
        return data_to_data(contrast.embedding, contrast.proxy, labels, temperature=temperature, margin=margin)

    classes = _Classes("reacgan", "contrast", term)
    return _class_game(classes, loss, prior, optimizer, weight, n_critic, **adversarial)


def _class_game(
    classes: _Classes,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    weight: float,
    n_critic: int,
    **adversarial: Unpack[Adversarial],
) -> System:
    """Makes a game whose players add a term of classes: of real examples for D (`samples_too`: and of samples)."""
    system, head, term, samples_too = classes
    if not isinstance(weight, jax.core.Tracer) and not weight >= 0:
        raise ValueError(f"{system} needs weight >= 0; got {weight}")
    judge, fakes = adversary(loss, **adversarial), samples(prior)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, ...]:
        check_batch(system, batch, y="class labels [B] int32")
        return nets, turn, (batch["x"], batch["y"]), (fakes(nets, batch, turn), batch["y"])

    def discriminator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        verdict, y = judge.discriminator(*shown(nets, batch, turn)), batch["y"]
        check_outputs(system, verdict.real, "logits", head)
        terms = {"real_classes": term(verdict.real[head], y)}
        if samples_too:
            terms["fake_classes"] = term(verdict.fake[head], verdict.fake_shown[1])
        accuracy = {"accuracy": jnp.mean(jnp.argmax(verdict.real[head], axis=1) == y)} if head == "classes" else {}
        return verdict.loss + weight * sum(terms.values()), verdict.metrics | terms | accuracy

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        verdict = judge.generator(*shown(nets, batch, turn))
        cost = term(verdict.fake[head], batch["y"])
        return verdict.loss + weight * cost, {"fake_classes": cost}

    playing = two_players(optimizer, discriminator, generator, n_critic)
    return between(judge, playing, generates(prior), asks={"y": "the classes asked for, [n] int32"})
