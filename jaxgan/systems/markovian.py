"""Markovian GANs: a texture of any size, all of whose patches look like those of one picture."""

from __future__ import annotations

from typing import Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses import total_variation
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, two_players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, example_keys, explains


@explains
def markovian(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    cells: tuple[int, int],
    width: int,
    smoothness: float = 1e-4,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator of textures from fields of noise, and a discriminator of patches; both are convolutions alone.

    The batch has crops "x" of a texture. The generator G(z) takes normal fields [B, height, width, Z], and makes as
    many pixels as its strides give (`networks.texture.Weaver`); the discriminator gives a map of logits, each of the
    patch that it sees (`networks.patch.Discriminator`). The generator also minimises `smoothness` times the total
    variation. `generate` takes "index" [n], for fields of the training's size, or "z" [n, h, w, Z] of any size.

    Metrics: each player's loss; the generator's `total_variation`, without its weight; the discriminator's as in `gan`.

    Args:
      loss: what each player minimises, from `jaxgan.losses`; Li and Wand's is `margin`, spatial GANs have
        `non_saturating`.
      optimizer: one for both players, or {"discriminator": ..., "generator": ...}.
      cells: height and width of the training's fields, margins included, >= 1.
      width: Z, numbers in each cell, >= 1.
      smoothness: weight of the total variation, >= 0; the authors' code has 1e-4.
      n_critic: discriminator updates per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them.
    Returns:
      System with networks "generator" and "discriminator".
    Raises:
      ValueError: an argument is out of range, or the optimizers are not named after the players; at trace time, no "x"
        in the batch, or textures unlike the crops in size.
    References:
      Li, Wand. Precomputed Real-Time Texture Synthesis with Markovian Generative Adversarial Networks. ECCV 2016,
      section 4 (there of features of a picture, not of noise).
      Jetchev, Bergmann, Vollgraf. Texture Synthesis with Spatial Generative Adversarial Networks. NIPS Workshop on
      Adversarial Training 2016, eq. 1.
    """
    if len(cells) != 2 or min(*cells, width) < 1 or not smoothness >= 0:
        raise ValueError(
            "markovian needs two sides of cells >= 1, width >= 1 and smoothness >= 0; "
            f"got {cells}, {width} and {smoothness}"
        )
    judge = adversary(loss, **adversarial)

    def fields(key: Array, n: int, index: Array | None) -> Array:
        keys = example_keys(key, n, index)
        return jax.vmap(lambda key: jax.random.normal(key, (*cells, width), jnp.float32))(keys)

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
        check_batch("markovian", batch, x="crops of a texture")
        made: Array = nets["generator"](fields(turn.named("latent"), batch["x"].shape[0], turn.examples))
        return batch["x"], made

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        x, made = shown(nets, batch, turn)
        rough = total_variation(made)
        return judge.generator(nets, turn, x, made).loss + smoothness * rough, {"total_variation": rough}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        z = inputs["z"] if "z" in inputs else fields(key, inputs["index"].shape[0], inputs["index"])
        made: Array = nets["generator"](z)
        return made

    playing = two_players(optimizer, player_loss(judge.discriminator, shown), generator, n_critic)
    return between(judge, playing, generate)
