"""jaxgan: a GAN is a game, named networks and players who take turns, each updating the networks it owns.

The rooms, in reading order: `types` (the six nouns), `data` (seeded minibatches), `priors` (latents), `networks`,
`losses` and `penalties` (one function for each equation), `dynamics` (how turns are played), `precision` (bfloat16 and
float16), `game` (all of it as three pure functions; with `nets`, how losses call networks, and `checks`), `systems`
(named GANs), `parallel` (many devices, processes and seeds), `loop` and `checkpoint` (training that resumes exactly),
`sample`, `metrics` and `report`.
"""

from jaxgan import data, dynamics, losses, metrics, networks, parallel, penalties, precision, priors, systems, types
from jaxgan.game import frozen, game
from jaxgan.sample import grid, interpolate, sample
from jaxgan.types import Game, Loss, Player, System, TrainState, Turn

__version__ = "0.1.0"

__all__ = [
    "Game",
    "Loss",
    "Player",
    "System",
    "TrainState",
    "Turn",
    "data",
    "dynamics",
    "frozen",
    "game",
    "grid",
    "interpolate",
    "losses",
    "metrics",
    "networks",
    "parallel",
    "penalties",
    "precision",
    "priors",
    "sample",
    "systems",
    "types",
]
