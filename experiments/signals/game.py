"""The game that both experiments on signals play."""

from __future__ import annotations

from typing import Any

import optax

import jaxgan as jg
from jaxgan.networks import wavegan
from jaxgan.types import Game


def wave_game(config: Any, shuffle: int, classes: int = 0) -> Game:
    """A WaveGAN of signals of one channel, of as many classes (0: without labels), by the fields of either `Config`."""
    updates = {"discriminator": config.steps * config.n_critic, "generator": config.steps}
    adam = {
        name: optax.adam(optax.cosine_decay_schedule(config.learning_rate, count), b1=config.b1, b2=config.b2)
        for name, count in updates.items()
    }
    system = jg.systems.wavegan(optimizer=adam, prior=jg.priors.uniform(config.latent), n_critic=config.n_critic)
    networks: dict[str, Any] = {
        "generator": wavegan.WaveGenerator(config.length, 1, config.features, classes),
        "discriminator": wavegan.WaveDiscriminator(config.length, config.features, shuffle, classes),
    }
    return jg.game(networks, system, ema={"generator": config.ema})
