"""Progressive growing: a game for each resolution, whose new layers fade in, and whose parameters carry over."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from jaxgan.networks.layers.resampling import NEAREST, downsample, upsample
from jaxgan.networks.progressive import grow
from jaxgan.types import Augment, Batch, LossFn, Metrics, Nets, Schedule, System, TrainState, Turn, explains


@explains
def fading(system: System, alpha: Schedule) -> System:
    """Lets the newest layers of the networks fade in, by a schedule of the step.

    Before a player moves, alpha is written to the collection "fade" of every network that has one
    (`networks.progressive`). It stays in the train state, so that samples are made by the alpha of the last step.

    Args:
      system: any, such as `gan(...)`.
      alpha: step [] -> share of the newest layers, in [0, 1]; `optax.linear_schedule(0.0, 1.0, steps)`.
    Returns:
      The system with the same players.
    References:
      Karras et al. Progressive Growing of GANs for Improved Quality, Stability, and Variation. ICLR 2018, section 2.
    """

    def faded(loss: LossFn) -> LossFn:
        def value(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
            for net in nets.values():
                if "fade" in net.state:
                    net.state["fade"] = {"alpha": jnp.asarray(alpha(turn.step), jnp.float32)}
            return loss(nets, batch, turn)

        return value

    players = {name: player._replace(loss=faded(player.loss)) for name, player in system.players.items()}
    return system._replace(players=players)


@explains
def fade_real(alpha: Schedule) -> Augment:
    """Shows the discriminator real images with the share alpha of their newest detail, as samples have it.

    Args:
      alpha: as for `fading`.
    Returns:
      Augment; samples pass as they are.
    References:
      Karras et al. Progressive Growing of GANs for Improved Quality, Stability, and Variation. ICLR 2018, figure 2.
    """

    def augment(x: Array, turn: Turn, use: str) -> Array:
        if use != "real":
            return x
        coarse = upsample(downsample(x, NEAREST), NEAREST)
        return coarse + alpha(turn.step) * (x - coarse)

    return augment


def grown(old: TrainState, new: TrainState) -> TrainState:
    """Starts a larger game where a smaller one ended: parameters and averages carry over, optimizers start afresh.

    Args:
      old: of the smaller game.
      new: of the larger one, as `init` makes it.
    Returns:
      `new` with what both have taken from `old`; its step is 0, where the fade begins.
    Raises:
      ValueError: the games' networks have other names, or no parameter carries over.
    References:
      Karras et al. Progressive Growing of GANs for Improved Quality, Stability, and Variation. ICLR 2018, section 2.
    """
    if set(old.params) != set(new.params) or set(old.ema) != set(new.ema):
        raise ValueError(f"grown takes games of the same networks; got {sorted(old.params)} and {sorted(new.params)}")
    return new._replace(
        params={name: grow(old.params[name], new.params[name]) for name in new.params},
        ema={name: grow(old.ema[name], new.ema[name]) for name in new.ema},
    )
