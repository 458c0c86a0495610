"""jaxgan: a GAN is a game, named networks and players who take turns, each updating the networks it owns.

The rooms, in reading order: `types` (the six nouns), `data` (seeded minibatches), `priors` (latents), `networks`,
`diffusion` (noise levels, and a sampler of denoisers), `losses` and `penalties` (one function for each equation),
`augment` (what the discriminator sees), `dynamics` (how turns are played), `optimizers` and `estimators` (remedies that
are one), `precision` (bfloat16 and float16), `game` (all of it as three pure functions; with `nets`, how losses call
networks, `recording`, what initialises them, `rules`, what can happen in a turn, and `checks`), `carried` (from one
game into another), `systems` (named GANs), `parallel` (many devices, processes and seeds), `guard`, `lock` and
`watchdog` (what can be survived), `loop` and `checkpoint` (training that resumes exactly), `sample` and `samplers`
(what a trained game can do), `metrics`, `evaluation` (figures with protocols), `report` and `diagnose` (what ails a
run), `published` (weights of others), `runs` (an experiment as a folder), `recipes` (GANs by name for any pictures),
`export` (a generator for others to use), `explore` (a page to play with one) and `commands` (the command line).

A room is imported when it is first used: `jaxgan --help` does not wait for JAX.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxgan import (
        augment,
        carried,
        checkpoint,
        checks,
        commands,
        data,
        diagnose,
        diffusion,
        dynamics,
        estimators,
        evaluation,
        export,
        guard,
        lock,
        log,
        loop,
        losses,
        metrics,
        nets,
        networks,
        optimizers,
        parallel,
        penalties,
        precision,
        priors,
        published,
        recipes,
        recording,
        report,
        rules,
        runs,
        samplers,
        systems,
        types,
        watchdog,
    )
    from jaxgan.carried import Carried, adopt, carry
    from jaxgan.explore import explore
    from jaxgan.export import load
    from jaxgan.game import averaged, frozen, game
    from jaxgan.sample import grid, interpolate, sample, save_grid, show
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
    "adopt",
    "augment",
    "averaged",
    "carried",
    "carry",
    "checkpoint",
    "checks",
    "commands",
    "data",
    "diagnose",
    "diffusion",
    "dynamics",
    "estimators",
    "evaluation",
    "explore",
    "export",
    "frozen",
    "game",
    "grid",
    "guard",
    "interpolate",
    "load",
    "lock",
    "log",
    "loop",
    "losses",
    "metrics",
    "nets",
    "networks",
    "optimizers",
    "parallel",
    "penalties",
    "precision",
    "priors",
    "published",
    "recipes",
    "recording",
    "report",
    "rules",
    "runs",
    "sample",
    "samplers",
    "save_grid",
    "show",
    "systems",
    "types",
    "watchdog",
]

_ROOM = {  # where a public name is that is no room itself; those of `__all__` that are not here are rooms
    **dict.fromkeys(("Carried", "adopt", "carry"), "carried"),
    **dict.fromkeys(("explore",), "explore"),
    **dict.fromkeys(("load",), "export"),
    **dict.fromkeys(("averaged", "frozen", "game"), "game"),
    **dict.fromkeys(("grid", "interpolate", "sample", "save_grid", "show"), "sample"),
    **dict.fromkeys(("Game", "Loss", "Player", "System", "TrainState", "Turn"), "types"),
}


class _Package(ModuleType):
    """This package, in which `explore`, `game` and `sample` are the functions, whoever imports their rooms, and when.

    Python binds a submodule in its package once it is imported, after anything that the two can do about it.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        shadows = isinstance(value, ModuleType) and _ROOM.get(name) == name
        super().__setattr__(name, getattr(value, name) if shadows else value)


def __getattr__(name: str) -> Any:
    """Imports what a public name stands for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = importlib.import_module(f"{__name__}.{_ROOM.get(name, name)}")
    value = getattr(room, name) if name in _ROOM else room
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
