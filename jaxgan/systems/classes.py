"""Games of labels in which the discriminator also says which class it sees: AC-GAN, ContraGAN, ReACGAN.

The generator is G(z, y). The discriminator is a `networks.heads.Headed`, called D(x, y), with the head "logits" and one
for classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses import auxiliary_classifier
from jaxgan.losses.contrastive import conditional_contrastive, data_to_data
from jaxgan.priors import Prior
from jaxgan.systems.players import (
    Optimizer,
    check_batch,
    check_outputs,
    check_samples,
    latents,
    logit_metrics,
    two_players,
)
from jaxgan.types import Augment, Batch, Inputs, Loss, Metrics, Nets, Penalty, System, Turn

ClassTerm = Callable[[Any, Array], Array]  # (a head's output, labels [B]) -> scalar


def acgan(
    *,
    loss: Loss,
    prior: Prior,
    optimizer: Optimizer,
    weight: float = 1.0,
    penalty: Penalty | None = None,
    n_critic: int = 1,
    augment: Augment | None = None,
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
      penalty: added to the discriminator's loss, of its "logits" head.
      n_critic: discriminator updates per generator update, >= 1.
      augment: of all that the discriminator sees, from `jaxgan.augment`.
    Returns:
      System with networks "generator" and "discriminator"; it generates from "index" or "z", and "y".
    Raises:
      ValueError: weight is negative, or the optimizers are not named after the players; at trace time, no labels, a
        discriminator without these heads, or samples unlike the data.
    References:
      Odena, Olah, Shlens. Conditional Image Synthesis with Auxiliary Classifier GANs. ICML 2017, section 3.
    """

    def accuracy(logits: Array, labels: Array) -> Metrics:
        return {"accuracy": jnp.mean(jnp.argmax(logits, axis=1) == labels)}

    settings = (loss, prior, optimizer, weight, penalty, n_critic, augment)
    return _class_game("acgan", "classes", auxiliary_classifier, *settings, samples_too=True, told=accuracy)


def contragan(
    *,
    loss: Loss,
    prior: Prior,
    optimizer: Optimizer,
    weight: float = 1.0,
    temperature: float = 1.0,
    penalty: Penalty | None = None,
    n_critic: int = 1,
    augment: Augment | None = None,
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
      penalty: as in `acgan`.
      n_critic: as in `acgan`.
      augment: as in `acgan`.
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

    return _class_game("contragan", "contrast", term, loss, prior, optimizer, weight, penalty, n_critic, augment)


def reacgan(
    *,
    loss: Loss,
    prior: Prior,
    optimizer: Optimizer,
    weight: float = 1.0,
    temperature: float = 0.5,
    margin: float = 0.98,
    penalty: Penalty | None = None,
    n_critic: int = 1,
    augment: Augment | None = None,
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
      penalty: as in `acgan`.
      n_critic: as in `acgan`.
      augment: as in `acgan`.
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

    return _class_game("reacgan", "contrast", term, loss, prior, optimizer, weight, penalty, n_critic, augment)


def _class_game(
    system: str,
    head: str,
    term: ClassTerm,
    loss: Loss,
    prior: Prior,
    optimizer: Optimizer,
    weight: float,
    penalty: Penalty | None,
    n_critic: int,
    augment: Augment | None,
    samples_too: bool = False,
    told: Callable[[Any, Array], Metrics] = lambda output, labels: {},
) -> System:
    """Makes a game whose players add a term of classes: of real examples for D (`samples_too`: and of samples)."""
    if not isinstance(weight, jax.core.Tracer) and not weight >= 0:
        raise ValueError(f"{system} needs weight >= 0; got {weight}")

    def sample(nets: Nets, batch: Batch, turn: Turn) -> Array:
        check_batch(system, batch, y="class labels [B] int32")
        z = prior(turn.named("latent"), batch["x"].shape[0], turn.examples)
        return nets["generator"](z, batch["y"])

    def seen(x: Array, turn: Turn, use: str) -> Array:
        return augment(x, turn, use) if augment else x

    def discriminator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        fake, y = sample(nets, batch, turn), batch["y"]
        check_samples(batch["x"], fake)
        real, fake = seen(batch["x"], turn, "real"), seen(fake, turn, "fake")
        of_real, of_fake = nets["discriminator"](real, y), nets["discriminator"](fake, y)
        check_outputs(system, of_real, "logits", head)
        classes = {"real_classes": term(of_real[head], y)}
        if samples_too:
            classes["fake_classes"] = term(of_fake[head], y)
        value = loss.discriminator(of_real["logits"], of_fake["logits"]) + weight * sum(classes.values())
        metrics = logit_metrics(of_real["logits"], of_fake["logits"]) | classes | told(of_real[head], y)
        if penalty is None:
            return value, metrics
        critic = frozen(nets["discriminator"])
        cost = penalty(lambda x: critic(x, y)["logits"], real, fake, turn)
        return value + cost, metrics | {"penalty": cost}

    def generator_loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        y = batch.get("y")
        of_fake = nets["discriminator"](seen(sample(nets, batch, turn), turn, "fake"), y)
        of_real = nets["discriminator"](seen(batch["x"], turn, "real"), y)  # compiled away where the loss ignores it
        classes = term(of_fake[head], batch["y"])
        value = loss.generator(of_real["logits"], of_fake["logits"]) + weight * classes
        return value, {"fake_classes": classes}

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        check_batch(system, batch, y="class labels [B] int32")
        z = prior(jax.random.key(0), batch["x"].shape[0])  # only its shape matters
        return {"generator": (z, batch["y"]), "discriminator": (batch["x"], batch["y"])}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        check_batch(system, inputs, y="the classes asked for, [n] int32")
        z = latents(prior, key, inputs)
        return nets["generator"](z, inputs["y"])

    return System(
        players=two_players(optimizer, discriminator_loss, generator_loss, n_critic),
        inputs=inputs,
        generate=generate,
    )
