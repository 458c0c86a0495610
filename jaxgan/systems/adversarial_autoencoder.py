"""Adversarial autoencoders: an autoencoder whose latents an adversary holds to a prior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses import auxiliary_classifier, non_saturating, unit_gaussian
from jaxgan.priors import Prior, codes
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, numbered, player_loss
from jaxgan.systems.parts import (
    Optimizer,
    check_batch,
    check_outputs,
    condition_of,
    drawn,
    encodes,
    latents,
    players,
)
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains


@explains
def adversarial_autoencoder(
    *,
    prior: Prior,
    optimizer: Optimizer,
    loss: LossOption = non_saturating,
    noise: Prior | None = None,
    region: Callable[[Array, Array], Array] | None = None,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """An autoencoder, and a discriminator of latents for which those of the prior are real and those of data are not.

    Three moves: encoder and decoder minimise 1/2 |x - Dec(E(x))|^2, summed over a datum's entries; the discriminator
    its loss; the encoder alone that of fooling it, by an optimizer of its own. Then the decoder is a generator of the
    prior's latents.

    Where the batch has labels "y", they supervise it: the decoder is called Dec(z, y), so that z keeps what they leave
    open, the style. With a `region` the discriminator is called D(z, y) instead, and each label has its part of the
    prior.

    Metrics: each player's loss; the discriminator's logits and probabilities as in `gan`, and `penalty` where there is
    one.

    Args:
      prior: what the latents shall be, from `jaxgan.priors`.
      optimizer: one for all players, or {"autoencoder": ..., "discriminator": ..., "encoder": ...}. The discriminator
        sees few numbers: at the autoencoder's rate it may win at once.
      loss: of the discriminator and of the encoder that fools it, from `jaxgan.losses`.
      noise: of a stochastic encoder E(x, noise), from `jaxgan.priors`; None: it is called E(x).
      region: (z [B, Z] of the prior, y [B]) -> the latents [B, Z] of these labels' parts of it.
      n_critic: discriminator updates per update of the others, >= 1.
      **adversarial: penalty, augment, replay and regularizer of the latents' discriminator, as `systems.adversary`
        takes them.
    Returns:
      System with networks "encoder", "decoder" and "discriminator". It generates from "index" or "z", with "y" where it
      is supervised, and of "x" [n, ...] the reconstructions.
    Raises:
      ValueError: the optimizers are not named after the players; at trace time, a batch without "x", without the "y" of
        regions, or encodings unlike the prior's latents.
    References:
      Makhzani et al. Adversarial Autoencoders. 2015, section 2; 2.3 (regions) and 4 (supervised).
    """
    judge, encode = adversary(loss, **adversarial), encodes(noise)

    def decoded(nets: Nets, z: Array, given: Batch | Inputs) -> Array:
        return nets["decoder"](z, *(() if region else condition_of(given)))

    def encoded(nets: Nets, batch: Batch, turn: Turn) -> Array:
        check_batch("adversarial_autoencoder", batch, x="data [B, ...]")
        return encode(nets, batch["x"], turn.named("noise"), turn.examples)

    def autoencoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        return unit_gaussian(batch["x"], decoded(nets, encoded(nets, batch, turn), batch)), {}

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Any, Any]:
        real, fake = drawn(prior, batch, turn), encoded(nets, batch, turn)
        if region is None:
            return real, fake
        check_batch("adversarial_autoencoder with a region", batch, y="class labels [B] int32")
        return (region(real, batch["y"]), batch["y"]), (fake, batch["y"])

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        if "x" in inputs:
            return decoded(nets, encode(nets, inputs["x"], key, inputs.get("index")), inputs)
        z = latents(prior, key, inputs)
        return decoded(nets, region(z, inputs["y"]) if region and "y" in inputs else z, inputs)

    playing = players(
        optimizer,
        autoencoder=(("encoder", "decoder"), autoencoder),
        discriminator=("discriminator", player_loss(judge.discriminator, shown), n_critic),
        encoder=("encoder", player_loss(judge.generator, shown)),
    )
    return between(judge, playing, generate, takes=_TAKES)


@explains
def semi_supervised_autoencoder(
    *,
    prior: Prior,
    optimizer: Optimizer,
    classes: int,
    loss: LossOption = non_saturating,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """An autoencoder of a class and a style, each held to its prior; few labels say what the classes are.

    The encoder is a `networks.heads.Headed` with the heads "classes" [B, K] and "latent" [B, Z]; the decoder is called
    Dec(z, y) with y [B, K] the classes' probabilities. "discriminator_y" is shown one-hot draws of K equally likely
    classes as real and those probabilities as fake, "discriminator_z" latents. The batch holds "x" [B, ...] unlabelled,
    "labelled" [B, ...] and their "y" [B], as of `semi_supervised`.

    Five moves: reconstruction, the two discriminators, the encoder against both, and cross-entropy of the labelled.
    Without the last (a rate of 0) it clusters.

    Metrics: each player's loss; the classifier's `accuracy` on its labelled examples; the discriminators' as in `gan`.

    Args:
      prior: of the style, from `jaxgan.priors`.
      optimizer: one for all, or by player: "autoencoder", "discriminator_y", "discriminator_z", "encoder" and
        "classifier".
      classes: K, >= 2.
      loss: of the discriminators and of the encoder that fools them, from `jaxgan.losses`.
      n_critic: updates of each discriminator per update of the others, >= 1.
      **adversarial: penalty, augment, replay and regularizer of both discriminators, as `systems.adversary` takes them;
        memories are named "pool_y" and "pool_z".
    Returns:
      System with networks "encoder", "decoder", "discriminator_y" and "discriminator_z". It generates from "index" or
      from "z" [n, K + Z], a one-hot class and a style; "y" [n] asks for classes, "x" [n, ...] for reconstructions.
    Raises:
      ValueError: classes < 2, or the optimizers are not named after the players; at trace time, a batch without one of
        the three, or an encoder without these heads.
    References:
      Makhzani et al. Adversarial Autoencoders. 2015, section 5 and 6 (clustering).
    """
    if classes < 2:
        raise ValueError(f"semi_supervised_autoencoder needs classes >= 2; got {classes}")
    joint = codes(prior, (classes,))
    judges = {side: adversary(loss, f"discriminator_{side}", **numbered(adversarial, side)) for side in "yz"}

    def encoded(nets: Nets, x: Array) -> Array:
        """Returns the latents [B, K + Z] of both, as the prior has them."""
        outputs = nets["encoder"](x)
        check_outputs("semi_supervised_autoencoder", outputs, "classes", "latent", network="an encoder")
        return jnp.concatenate([jax.nn.softmax(outputs["classes"]), outputs["latent"]], axis=1)

    def decoded(nets: Nets, z: Array) -> Array:
        return nets["decoder"](z[:, classes:], z[:, :classes])

    def autoencoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        check_batch("semi_supervised_autoencoder", batch, x="unlabelled data [B, ...]")
        return unit_gaussian(batch["x"], decoded(nets, encoded(nets, batch["x"]))), {}

    def shown(side: str) -> Callable[[Nets, Batch, Turn], tuple[Array, Array]]:
        part = slice(None, classes) if side == "y" else slice(classes, None)
        return lambda nets, batch, turn: (drawn(joint, batch, turn)[:, part], encoded(nets, batch["x"])[:, part])

    def encoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        fools = [judge.generator(nets, turn, *shown(side)(nets, batch, turn)).loss for side, judge in judges.items()]
        return fools[0] + fools[1], {}

    def classifier(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        words = {"labelled": "labelled examples [B, ...]", "y": "their labels [B] int32"}
        check_batch("semi_supervised_autoencoder", batch, **words)
        logits = nets["encoder"](batch["labelled"])["classes"]
        accuracy = jnp.mean(jnp.argmax(logits, axis=1) == batch["y"])
        return auxiliary_classifier(logits, batch["y"]), {"accuracy": accuracy}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z = encoded(nets, inputs["x"]) if "x" in inputs else latents(joint, key, inputs)
        if "y" in inputs:
            z = jnp.concatenate([jax.nn.one_hot(inputs["y"], classes, dtype=z.dtype), z[:, classes:]], axis=1)
        return decoded(nets, z)

    refusing = {
        f"discriminator_{side}": (f"discriminator_{side}", player_loss(judge.discriminator, shown(side)), n_critic)
        for side, judge in judges.items()
    }
    playing = players(
        optimizer,
        autoencoder=(("encoder", "decoder"), autoencoder),
        **refusing,
        encoder=("encoder", encoder),
        classifier=("encoder", classifier),
    )
    return between(list(judges.values()), playing, generate, takes=_TAKES)


_TAKES = {"x": "data to reconstruct, [n, ...] float32", "y": "class labels, [n] int32"}
