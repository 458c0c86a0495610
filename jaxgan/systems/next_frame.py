"""Next frames beyond the mean square error: sharp where several futures are possible."""

from __future__ import annotations

import functools
from typing import Any, Literal, Unpack, get_args

import jax
from jax import Array

from jaxgan.losses import absolute_error, gradient_difference, squared_error
from jaxgan.networks.frames import pyramid
from jaxgan.systems.adversary import Adversarial, Arguments, LossOption, adversary, between, numbered, player_loss
from jaxgan.systems.parts import Optimizer, check_batch, players
from jaxgan.types import Batch, Inputs, Metrics, Nets, System, Turn, explains

Power = Literal[1, 2]


@explains
def next_frame(
    *,
    loss: LossOption,
    optimizer: Optimizer,
    scales: int = 4,
    weight: float = 0.05,
    gradient: float = 1.0,
    power: Power = 2,
    n_critic: int = 1,
    **adversarial: Unpack[Adversarial],
) -> System:
    """A generator of the frame that comes next, near the truth in pixels and in their differences, and a game.

    The batch has clips "x" [B, T, H, W, C]: the last frame is what the others are followed by. The generator makes it
    at every scale, the coarsest first (`networks.frames.Generator`), and minimises the sum over scales of
    E|Y - G(X)|^p + gradient * `losses.gradient_difference`(Y, G(X)) + weight * its adversarial loss. At scale k
    "discriminator_k" D(Y, X) tells frames that came from those that were made, given the frames before. For frames
    further ahead, give the generator its own answers.

    With weight=0 there is no discriminator: the baselines, by the mean square error alone where gradient is 0 too.

    Metrics: each player's loss; the generator's `pixel` and `gradient`, sums over scales, without their weights; each
    discriminator's as in `gan`.

    Args:
      loss: what each player minimises besides, from `jaxgan.losses`; the paper's is `non_saturating`.
      optimizer: one for all players, or {"discriminator_0": ..., ..., "generator": ...}.
      scales: of the generator, >= 1; the paper's are 4, from an eighth of the sides on.
      weight: of the adversarial loss, >= 0; the paper's is 0.05, its authors' code has 0.01.
      gradient: of the gradient difference, >= 0; the paper's is 1, where it is used.
      power: p of the distance in pixels, a mean over them.
      n_critic: updates of every discriminator per generator update, >= 1.
      **adversarial: penalty, augment, replay and regularizer, as `systems.adversary` takes them; names of memories are
        numbered, "pool_0", "pool_1", ...
    Returns:
      System with networks "generator" and "discriminator_0", ..., one for each scale. It generates the next frame from
      "x", the frames so far.
    Raises:
      ValueError: there is no scale, a weight is negative or all are zero, another power, or the optimizers are not
        named after the players; at trace time, no clips in the batch, or predictions unlike them.
    References:
      Mathieu, Couprie, LeCun. Deep Multi-Scale Video Prediction beyond Mean Square Error. ICLR 2016, eq. 3 to 7; the
      authors' code draws a new batch for the discriminators, and shows them true frames of other clips as wrong too.
    """
    if scales < 1 or not min(weight, gradient) >= 0 or power not in get_args(Power):
        raise ValueError(
            f"next_frame needs scales >= 1, weights >= 0 and power 1 or 2; got {scales}, {weight}, {gradient} and "
            f"{power}"
        )
    pixel_error = absolute_error if power == 1 else squared_error
    count = scales if weight else 0
    judges = [adversary(loss, f"discriminator_{k}", **numbered(adversarial, k)) for k in range(count)]

    def shown(nets: Nets, batch: Batch, turn: Turn, scale: int) -> tuple[Arguments, Arguments]:
        truth, made, past = (each[scale] for each in _predicted(nets, batch, scales))
        return (truth, past), (made, past)

    def generator(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        truth, made, past = _predicted(nets, batch, scales)
        pairs = list(zip(truth, made, strict=True))
        apart = sum((pixel_error(*pair) for pair in pairs[1:]), pixel_error(*pairs[0]))
        sharp = sum((gradient_difference(*pair) for pair in pairs[1:]), gradient_difference(*pairs[0]))
        value = apart + gradient * sharp
        for judge, y, made_y, x in zip(judges, truth, made, past, strict=bool(judges)):
            value = value + weight * judge.generator(nets, turn, (y, x), (made_y, x)).loss
        return value, {"pixel": apart, "gradient": sharp}

    moves: dict[str, Any] = {}
    for scale, judge in enumerate(judges):
        name = f"discriminator_{scale}"
        moves[name] = (name, player_loss(judge.discriminator, functools.partial(shown, scale=scale)), n_critic)
    moves["generator"] = ("generator", generator)

    def generate(nets: Nets, key: Array, inputs: Inputs) -> Array:
        frame: Array = nets["generator"](inputs["x"])[-1]
        return frame

    asks = {"x": "the frames so far, [n, T, H, W, C]"}
    return between(judges, players(optimizer, **moves), generate, asks=asks)


def _predicted(nets: Nets, batch: Batch, scales: int) -> tuple[tuple[Array, ...], ...]:
    """Returns, by scale, the true frame, the prediction, and the frames before."""
    check_batch("next_frame", batch, x="clips whose last frame is to be predicted")
    x = batch["x"]
    if x.ndim != 5 or x.shape[1] < 2:
        raise ValueError(f"next_frame needs clips batch['x'] [B, T, H, W, C], T >= 2; got shape {x.shape}")
    past, truth = pyramid(x[:, :-1], scales), pyramid(x[:, -1], scales)
    made = nets["generator"](x[:, :-1])
    shapes = [jax.tree.map(lambda frame: frame.shape, frames) for frames in (tuple(made), truth)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"next_frame(scales={scales}) needs a generator of frames {shapes[1]}; it makes {shapes[0]}")
    return truth, made, past
