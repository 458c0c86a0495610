"""CTGAN: rows of a table that fulfil a condition, judged in packs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.data.encodings import Span
from jaxgan.networks.tabular import activated
from jaxgan.penalties.weights import check_at_least_zero
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, condition_of, drawn, latents, shuffled, two_players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, example_keys, explains, name_index


@explains
def ctgan(
    *,
    loss: LossOption,
    prior: Prior,
    spans: Sequence[Span],
    optimizer: Optimizer,
    conditions: Prior | None = None,
    weight: float = 1.0,
    temperature: float = 0.2,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator of encoded rows, each asked for one value of one discrete column; the discriminator moves first.

    Batches are those of `data.encodings.matched`: rows "x" [B, D] and conditions "y" [B, C] that they fulfil; without
    discrete columns there is no "y". What is judged, and penalised, are rows and conditions together. Real rows are
    shuffled with their conditions, so that a pack of samples does not stand beside a pack of the same conditions. The
    paper's game is `losses.wasserstein` with `penalties.packed(penalties.gradient_penalty(10.0), 10)` and
    `networks.tabular`, whose discriminator has dropout and packs of 10.

    Metrics: each player's loss; the discriminator's logits, probabilities and `penalty` as in `gan`; the generator's
    `asked`, the cross-entropy of what was asked for, in nats.

    Args:
      loss: what each player minimises, from `jaxgan.losses`.
      prior: the latents, from `jaxgan.priors`.
      spans: what the entries of a row are, `data.encodings.spans`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      conditions: what is asked for where samples are made without a "y": `priors.conditions` of the data's counts,
        unlike in training by frequencies themselves, or samples have other margins than the data; None: "y" is needed.
      weight: of the cross-entropy in the generator's loss, >= 0.
      temperature: of the Gumbel-softmax that makes one-hots, > 0.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment (of rows alone), replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator", G(z, y) -> rows before their activation, and "discriminator", D(x, y). It
      generates encoded rows [n, D] from "index" or "z", and "y" where it is asked for certain values.
    Raises:
      ValueError: a weight or temperature is out of range; at trace time, a batch with a "y" of another width than the
        categories, or without one where there are some, or a generator of other rows than the spans.
    References:
      Xu, Skoularidou, Cuesta-Infante, Veeramachaneni. Modeling Tabular Data using Conditional GAN. NeurIPS 2019,
      section 4.3-4.4.
    """
    check_at_least_zero("ctgan", "weight", weight)
    if not isinstance(temperature, jax.core.Tracer) and not temperature > 0:
        raise ValueError(f"ctgan needs temperature > 0; got {temperature}")
    plain, conditioned = (adversary(loss, judged=judged, **adversarial) for judged in (1, 2))
    judge = conditioned if any(span.kind == "category" for span in spans) else plain

    def made(nets: Nets, z: Array, condition: tuple[Array, ...], keys: Array) -> tuple[Array, Array]:
        """Returns rows, and what they were before their activation."""
        raw = nets["generator"](z, *condition)
        return activated(raw, spans, keys, temperature), raw

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, Any, Array]:
        condition, n = condition_of(batch), batch["x"].shape[0]
        _check_conditions(spans, condition)
        keys = example_keys(turn.named("gumbel"), n, turn.examples)
        rows, raw = made(nets, drawn(prior, batch, turn), condition, keys)
        return shuffled((batch["x"], *condition), turn), (rows, *condition), raw

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        real, fake, raw = shown(nets, batch, turn)
        value = judge.generator(nets, turn, real, fake).loss
        if "y" not in batch:
            return value, {}
        asked = asked_entropy(raw, batch["y"], spans)
        return value + weight * asked, {"asked": asked}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z, index, condition = latents(prior, key, inputs), inputs.get("index"), condition_of(inputs)
        named = {use: jax.random.fold_in(key, name_index(use)) for use in ("conditions", "gumbel")}
        if not condition and conditions is not None:
            condition = (conditions(named["conditions"], z.shape[0], index),)
        _check_conditions(spans, condition)
        return made(nets, z, condition, example_keys(named["gumbel"], z.shape[0], index))[0]

    discriminator = player_loss(judge.discriminator, lambda *given: shown(*given)[:2])
    words = {"y": "conditions, a one-hot over the values of all discrete columns [n, C]"}
    needs = judge is conditioned and conditions is None
    playing = two_players(optimizer, discriminator, generator, n_critic)
    return between(judge, playing, generate, asks=words if needs else None, takes=None if needs else words)


def asked_entropy(raw: Array, y: Array, spans: Sequence[Span]) -> Array:
    """Cross-entropy of the value that was asked for: of its column's raw entries alone, the others are free.

    Args:
      raw: rows [B, D] before their activation.
      y: conditions [B, C], a one-hot over the values of all discrete columns.
      spans: what the entries of rows are.
    Returns:
      [], mean over B, in nats.
    """
    total, entry, value = jnp.zeros(raw.shape[:1], jnp.float32), 0, 0
    for span in spans:
        if span.kind == "category":
            log_p = jax.nn.log_softmax(raw[:, entry : entry + span.width], axis=1)
            total = total - jnp.sum(y[:, value : value + span.width] * log_p, axis=1)
            value += span.width
        entry += span.width
    return jnp.mean(total)


def _check_conditions(spans: Sequence[Span], condition: tuple[Array, ...]) -> None:
    """Raises ValueError unless there is a condition exactly where there are categories, as wide as they are."""
    width = sum(span.width for span in spans if span.kind == "category")
    have = jnp.shape(condition[0]) if condition else None
    if (have is None) != (width == 0) or (have is not None and have[1:] != (width,)):
        wanted = f"'y' [n, {width}], the one-hot of a value that rows are asked for" if width else "no 'y'"
        raise ValueError(
            f"ctgan of these spans takes {wanted}; got {have}: use data.encodings.matched, and priors.conditions"
        )
