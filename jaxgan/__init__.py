"""jaxgan: a GAN is a game, named networks and players who take turns, each updating the networks it owns.

The rooms, in reading order: `types` (the six nouns), `data` (seeded minibatches), `priors` (latents), `networks`,
`losses` and `penalties` (one function for each equation), `augment` (what the discriminator sees), `dynamics` (how
turns are played), `optimizers` and `estimators` (remedies that are one), `precision` (bfloat16 and float16), `game`
(all of it as three pure functions; with `nets`, how losses call networks, `recording`, what initialises them, `rules`,
what can happen in a turn, and `checks`), `carried` (from one game into another), `systems` (named GANs),
`parallel` (many devices, processes and seeds), `guard`, `lock` and `watchdog` (what can be survived), `loop` and
`checkpoint` (training that resumes exactly), `sample` and `samplers` (what a trained game can do), `metrics`,
`evaluation` (figures with protocols), `report` and `diagnose` (what ails a run).
"""

from jaxgan import (
    augment,
    data,
    diagnose,
    dynamics,
    estimators,
    losses,
    metrics,
    networks,
    optimizers,
    parallel,
    penalties,
    precision,
    priors,
    samplers,
    systems,
    types,
)
from jaxgan.carried import Carried, carry
from jaxgan.game import averaged, frozen, game
from jaxgan.sample import grid, interpolate, sample
from jaxgan.types import Game, Loss, Player, System, TrainState, Turn

__version__ = "0.1.0"

__all__ = [
    "Carried",
    "Game",
    "Loss",
    "Player",
    "System",
    "TrainState",
    "Turn",
    "augment",
    "averaged",
    "carry",
    "data",
    "diagnose",
    "dynamics",
    "estimators",
    "frozen",
    "game",
    "grid",
    "interpolate",
    "losses",
    "metrics",
    "networks",
    "optimizers",
    "parallel",
    "penalties",
    "precision",
    "priors",
    "sample",
    "samplers",
    "systems",
    "types",
]
