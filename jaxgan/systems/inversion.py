"""Inversion of a style-based generator by an encoder whose styles a discriminator cannot tell from the mapping's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.game import frozen
from jaxgan.losses import content as content_distance
from jaxgan.losses import squared_error
from jaxgan.penalties.weights import Weight, check_at_least_zero, is_absent, weight_at
from jaxgan.priors import Prior
from jaxgan.systems.adversary import Adversarial, LossOption, adversary, between, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, condition_of, drawn, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, example_keys, explains


@explains
def inversion(
    *,
    loss: LossOption,
    prior: Prior,
    optimizer: Optimizer,
    weight: Weight = 0.1,
    content: float | Mapping[str, float] = 0.8,
    delta: float = 2e-4,
    stages: tuple[int, int] = (20_000, 2_000),
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """e4e: an encoder finds styles that draw a picture again, and that lie where the generator's own styles lie.

    The encoder says of x [B, ...] one style w and an offset from it for each further layer, [B, layers, W]
    (`networks.encoders.Styles`); "generator", which is given and never moves, draws from their sums. Near w, and near
    what the mapping makes of latents, a picture can be edited; anywhere in the layers' own styles it is only rebuilt.
    So the encoder minimises E (G(w) - x)^2, plus `content` times the distance in a given network "features", plus
    `delta` times the norms of the offsets, plus `weight` times its loss against a discriminator of single styles. The
    offsets join one after the other: for `stages[0]` steps there is w alone, then one layer's more every `stages[1]`.

    Of each example the discriminator is shown one style, drawn from those that differ by now: the authors' code shows
    the encoder's turn all of them, which is the same in the mean. Their pools of 50 styles are `replay` (of the
    encoder's; the mapping's are drawn anew, so that a pool of those would change nothing). Their code does not pay for
    the offset that joined last until the next one joins; this one does.

    Metrics: each player's loss; the encoder's `pixel`, `content` (with its weights), `offsets` (the sum of norms) and
    `stage`, how many layers have one; the discriminator's as in `gan`, and `penalty` where there is one.

    Args:
      loss: what each player minimises besides, from `jaxgan.losses`; the paper's is `non_saturating`.
      prior: the latents of the generator.
      optimizer: one for both players, or {"discriminator": ..., "encoder": ...}.
      weight: of the adversarial loss, >= 0, or a schedule of the step; the number 0: there is no discriminator.
      content: of the squared distance in features, or by layer, >= 0; 0: there are no "features".
      delta: of the offsets' norms, >= 0.
      stages: train steps before the first offset, and from one to the next; (0, 1) and with it nearly all at once.
      n_critic: discriminator updates per encoder update, >= 1.
      **adversarial: penalty (the paper's is `every(16, r1(10.0))`), augment, replay and regularizer, as
        `systems.adversary` takes them; they are of styles [B, W].
    Returns:
      System with networks "encoder", "generator" (a `networks.stylegan2.Generator`, or another with the methods
      "mapping" and "synthesis" that take `train`), "discriminator" unless weight is 0 and "features" unless content is.
      It generates from "x": {"x": the pictures drawn again, "w": their styles [n, layers, W], all offsets added}.
    Raises:
      ValueError: a weight is negative, a stage is no positive number of steps, or the optimizers are not named after
        the players; at trace time, styles or pictures that do not fit.
    References:
      Tov, Alaluf, Nitzan, Patashnik, Cohen-Or. Designing an Encoder for StyleGAN Image Manipulation. SIGGRAPH 2021,
      section 5, eq. 3 to 7.
    """
    _check(weight, content, delta, stages)
    judge, judged = adversary(loss, **adversarial), not is_absent(weight)
    looks = bool(content) if isinstance(content, Mapping) else not is_absent(content)

    def shown(nets: Nets, batch: Batch, turn: Turn, joined: Joined | None = None) -> tuple[Array, Array]:
        """Returns a style of the mapping's and one of the encoder's for each example, both [B, W]."""
        joined = joined or encoded(nets, batch, turn)
        z = drawn(prior, batch, turn)
        real = frozen(nets["generator"])(z, *condition_of(batch), method="mapping", train=False)
        if real.shape[1:] != joined.styles.shape[1:]:
            wanted = ", ".join(map(str, real.shape[1:]))
            raise ValueError(
                f"inversion needs an encoder of the generator's styles [B, {wanted}]; it makes {joined.styles.shape}"
            )
        return real[:, 0], _one_each(joined, turn)

    def encoded(nets: Nets, batch: Batch, turn: Turn) -> Joined:
        check_batch("inversion", batch, x="pictures [B, H, W, C]")
        return _joined(nets["encoder"](batch["x"]), turn.step, stages)

    def encoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        joined = encoded(nets, batch, turn)
        made = frozen(nets["generator"])(joined.styles, method="synthesis", train=False)
        if made.shape != batch["x"].shape:
            raise ValueError(f"inversion of pictures {batch['x'].shape} by a generator that draws {made.shape}")
        pixel, norms = squared_error(batch["x"], made), jnp.sum(jnp.mean(_norms(joined.offsets), axis=0))
        value = pixel + delta * norms
        metrics = {"pixel": pixel, "offsets": norms, "stage": joined.stage.astype(jnp.float32)}
        if looks:
            features = frozen(nets["features"])
            metrics["content"] = content_distance(features(batch["x"]), features(made), content)
            value = value + metrics["content"]
        if judged:
            verdict = judge.generator(nets, turn, *shown(nets, batch, turn, joined))
            value = value + weight_at(weight, turn) * verdict.loss
        return value, metrics

    def generate(nets: Nets, key: Array, inputs: Inputs) -> dict[str, Array]:
        styles = nets["encoder"](inputs["x"])
        styles = jnp.concatenate([styles[:, :1], styles[:, :1] + styles[:, 1:]], axis=1)
        return {"x": frozen(nets["generator"])(styles, method="synthesis", train=False), "w": styles}

    shows = player_loss(judge.discriminator, shown)
    moves: dict[str, Any] = {"discriminator": ("discriminator", shows, n_critic)} if judged else {}
    playing = players(optimizer, **moves, encoder=("encoder", encoder))
    system = between(judge if judged else (), playing, generate, asks={"x": "pictures to invert, [n, H, W, C]"})
    return system._replace(frozen=(*system.frozen, "generator", *(["features"] if looks else [])))


class Joined(NamedTuple):
    """What an encoder says, as far as its offsets have joined."""

    styles: Array  # [B, layers, W]
    offsets: Array  # [B, layers, W], 0 of the first layer and of those that have not joined
    stage: Array  # [] int32, how many have


def _joined(encoded: Array, step: Array, stages: tuple[int, int]) -> Joined:
    """Adds to w, the first [B, W] of what is encoded, the offsets that have joined by a step."""
    stage = jnp.clip((step - stages[0]) // stages[1] + 1, 0, encoded.shape[1] - 1)
    place = jnp.arange(encoded.shape[1], dtype=jnp.int32)[None, :, None]
    offsets = jnp.where((place > 0) & (place <= stage), encoded, 0.0)
    return Joined(encoded[:, :1] + offsets, offsets, stage)


def _one_each(joined: Joined, turn: Turn) -> Array:
    """Returns one style [B, W] of each example, drawn from those that differ by now."""
    keys = example_keys(turn.named("style"), len(joined.styles), turn.examples)
    layer = jax.vmap(lambda key: jax.random.randint(key, (), 0, joined.stage + 1, jnp.int32))(keys)
    return jnp.take_along_axis(joined.styles, layer[:, None, None], axis=1)[:, 0]


def _check(weight: Weight, content: float | Mapping[str, float], delta: float, stages: tuple[int, int]) -> None:
    layers = list(content.values()) if isinstance(content, Mapping) else [content]
    named = {"weight": 0.0 if callable(weight) else weight, "delta": delta}
    for name, value in [*named.items(), *(("content", layer) for layer in layers)]:
        check_at_least_zero("inversion", name, value)
    if len(stages) != 2 or stages[0] < 0 or stages[1] < 1:
        raise ValueError(f"inversion needs stages (steps >= 0 before the first, >= 1 between two); got {stages}")


def _norms(offsets: Array) -> Array:
    """Returns the norms [B, layers] of offsets [B, layers, W]; their gradient at 0 is 0."""
    squares = jnp.sum(jnp.square(offsets), axis=-1)
    away = squares > 0
    return jnp.where(away, jnp.sqrt(jnp.where(away, squares, 1.0)), 0.0)
