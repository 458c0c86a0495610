"""S²-GAN: the structure of a scene from noise, and its picture from the structure and more noise."""

from __future__ import annotations

import functools
from typing import Any, Unpack

import jax
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses import misalignment
from jaxgan.penalties.weights import check_at_least_zero
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, numbered, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains

STRUCTURE, STYLE = 0, 1


@explains
def structure_style(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    weight: float = 1.0,
    joint: float = 0.0,
    learn_estimator: bool = True,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A game for surface normals and one for pictures of them, which a third network must be able to read back.

    The batch has pictures "x" and their "normals" [B, H, W, 3] of unit length. "generator_0" G(z) makes normals that
    "discriminator_0" D(normals) judges; "generator_1" G(z, normals) paints a picture of real normals, and
    "discriminator_1" D(x, normals) judges it as theirs. "estimator" F(x) reads normals back: generator_1 minimises
    `weight` times their `losses.misalignment` to those that were painted. F learns on real pictures, or is given and
    kept (`networks.pretrained`). With `joint` > 0, generator_0 also minimises that multiple of what discriminator_1
    says of the picture painted of its normals: the end-to-end phase, to which a state is carried (`carry`).

    `generate` goes through both generators from "index" [n], or "z" [n, 2, Z]; given "normals", it paints those.

    Metrics: each player's loss; of the discriminators those of `systems.adversary`; generator_1's and the estimator's
    `misalignment`, in [0, 2].

    Args:
      loss: what the players of both games minimise, from `jaxgan.losses`.
      prior: the latents of either generator, from `jaxgan.priors`; the paper's are uniform.
      optimizer: one for all players, or by player: {"discriminator_0": ..., "generator_0": ..., ...}.
      weight: of the misalignment in the painter's loss, >= 0.
      joint: of the painter's judge in the loss of generator_0, >= 0; the paper trains without it first.
      learn_estimator: whether "estimator" is a player; else it is given.
      n_critic: updates of either discriminator per generator update, >= 1.
      **adversarial: penalty (of pictures at fixed normals), augment, replay and regularizer, as `systems.adversary`
        takes them; names of memories are numbered, "pool_0" and "pool_1".
    Returns:
      System with these five networks.
    Raises:
      ValueError: a weight is negative, or the optimizers are not named after the players; at trace time, no "normals"
        in the batch, or samples unlike the data.
    References:
      Wang, Gupta. Generative Image Modeling using Style and Structure Adversarial Networks. ECCV 2016, eq. 1 to 6
      (there classes of normals and their cross-entropy stand for directions and their angles).
    """
    check_at_least_zero("structure_style", "weight", weight)
    check_at_least_zero("structure_style", "joint", joint)
    judges = [adversary(loss, f"discriminator_{part}", **numbered(adversarial, part)) for part in (STRUCTURE, STYLE)]

    def latent(key: Array, n: int, index: Array | None, part: int) -> Array:
        return prior(jax.random.fold_in(key, part), n, index)

    def shown(nets: Nets, batch: Batch, turn: Turn, part: int) -> tuple[Any, Any]:
        """Returns what is real and what is made: normals, or pictures with the real normals that they are of."""
        check_batch("structure_style", batch, x="pictures", normals="their surfaces' directions")
        normals, z = batch["normals"], latent(turn.named("latent"), batch["x"].shape[0], turn.examples, part)
        if part == STRUCTURE:
            return normals, nets["generator_0"](z)
        return (batch["x"], normals), (nets["generator_1"](z, normals), normals)

    def structure(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        real, normals = shown(nets, batch, turn, STRUCTURE)
        value = judges[STRUCTURE].generator(nets, turn, real, normals).loss
        if joint:
            z = latent(turn.named("latent"), normals.shape[0], turn.examples, STYLE)
            painted = frozen(nets["generator_1"])(z, normals), normals
            value = value + joint * judges[STYLE].generator(nets, turn, (batch["x"], real), painted).loss
        return value, {}

    def style(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        real, fake = shown(nets, batch, turn, STYLE)
        apart = misalignment(batch["normals"], frozen(nets["estimator"])(fake[0]))
        return judges[STYLE].generator(nets, turn, real, fake).loss + weight * apart, {"misalignment": apart}

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        first, second = (
            inputs["z"][:, part] if "z" in inputs else latent(key, inputs["index"].shape[0], inputs["index"], part)
            for part in (STRUCTURE, STYLE)
        )
        normals = inputs["normals"] if "normals" in inputs else nets["generator_0"](first)
        painted: Array = nets["generator_1"](second, normals)
        return painted

    moves: dict[str, Any] = {}
    for part, generator in enumerate((structure, style)):
        discriminator = player_loss(judges[part].discriminator, functools.partial(shown, part=part))
        moves[f"discriminator_{part}"] = (f"discriminator_{part}", discriminator, n_critic)
        moves[f"generator_{part}"] = (f"generator_{part}", generator)
    if learn_estimator:
        moves["estimator"] = ("estimator", _reading)
    takes = {"normals": "surfaces to paint, [n, H, W, 3] of unit length"}
    system = between(judges, players(optimizer, **moves), generate, takes=takes)
    return system if learn_estimator else system._replace(frozen=(*system.frozen, "estimator"))


def _reading(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
    """What the estimator minimises: how far it reads normals of real pictures wrongly."""
    apart = misalignment(batch["normals"], nets["estimator"](batch["x"]))
    return apart, {"misalignment": apart}
