"""Inversion of a style-based generator by an encoder whose styles a discriminator cannot tell from the mapping's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

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
    layers = list(content.values()) if isinstance(content, Mapping) else [content]
    named = {"weight": 0.0 if callable(weight) else weight, "delta": delta, "content": min(layers, default=0.0)}
    for name, value in named.items():
        check_at_least_zero("inversion", name, value)
    if len(stages) != 2 or stages[0] < 0 or stages[1] < 1:
        raise ValueError(f"inversion needs stages (steps >= 0 before the first, >= 1 between two); got {stages}")
    judge, judged = adversary(loss, **adversarial), not is_absent(weight)
    looks = not all(is_absent(layer) for layer in layers)

    def encoded(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array, Array]:
        """Returns w, the offsets [B, layers, W] that have joined by now, and how many layers have one."""
        check_batch("inversion", batch, x="pictures [B, H, W, C]")
        styles = nets["encoder"](batch["x"])
        stage = jnp.clip((turn.step - stages[0]) // stages[1] + 1, 0, styles.shape[1] - 1)
        place = jnp.arange(styles.shape[1], dtype=jnp.int32)[None, :, None]
        return styles[:, :1], jnp.where((place > 0) & (place <= stage), styles, 0.0), stage

    def shown(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Array]:
        """Returns a style of the mapping's and one of the encoder's for each example, both [B, W]."""
        w, offsets, stage = encoded(nets, batch, turn)
        return sides(nets, batch, turn, w + offsets, stage)

    def sides(nets: Nets, batch: Batch, turn: Turn, styles: Array, stage: Array) -> tuple[Array, Array]:
        z = drawn(prior, batch, turn)
        real = frozen(nets["generator"])(z, *condition_of(batch), method="mapping", train=False)
        if real.shape[1:] != styles.shape[1:]:
            raise ValueError(
                f"inversion needs an encoder of the generator's styles [B, {', '.join(map(str, real.shape[1:]))}]; "
                f"it makes {styles.shape}"
            )
        keys = example_keys(turn.named("style"), len(styles), turn.examples)
        layer = jax.vmap(lambda key: jax.random.randint(key, (), 0, stage + 1, jnp.int32))(keys)
        return real[:, 0], jnp.take_along_axis(styles, layer[:, None, None], axis=1)[:, 0]

    def encoder(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        w, offsets, stage = encoded(nets, batch, turn)
        made = frozen(nets["generator"])(w + offsets, method="synthesis", train=False)
        if made.shape != batch["x"].shape:
            raise ValueError(f"inversion of pictures {batch['x'].shape} by a generator that draws {made.shape}")
        pixel, norms = squared_error(batch["x"], made), jnp.sum(jnp.mean(_norms(offsets), axis=0))
        value, metrics = pixel + delta * norms, {"pixel": pixel, "offsets": norms, "stage": stage.astype(jnp.float32)}
        if looks:
            features = frozen(nets["features"])
            metrics["content"] = content_distance(features(batch["x"]), features(made), content)
            value = value + metrics["content"]
        if judged:
            verdict = judge.generator(nets, turn, *sides(nets, batch, turn, w + offsets, stage))
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


def _norms(offsets: Array) -> Array:
    """Returns the norms [B, layers] of offsets [B, layers, W]; their gradient at 0 is 0."""
    squares = jnp.sum(jnp.square(offsets), axis=-1)
    away = squares > 0
    return jnp.where(away, jnp.sqrt(jnp.where(away, squares, 1.0)), 0.0)
