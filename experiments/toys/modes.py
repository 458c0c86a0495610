"""Mode collapse on a ring of 8 and a grid of 25 Gaussians, and what cures it: every method with the same networks.

Measured as in VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018): of 2,500 samples, modes covered, share of
high quality (within three standard deviations of a mode), reverse KL of their histogram. The games are those of
`gaussians`, after Metz et al. 2017; every row has the same budget of generator updates. `--data slow` gives
the discriminator a tenth of the generator's rate, as in the public re-implementation of Metz et al. `--data fit` asks
how good samples on the grid can get in 20,000 steps of 256, the budget of d2l's JAX reference.

Command: python -m experiments modes [--data ring | grid | slow | fit] [--methods vanilla,r1]
Takes: 8 minutes for ring and for grid, 2 for slow, up to 10 for each row and 3 seeds of fit, on 2 CPU cores.
Expected result: experiments/README.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from experiments.toys.gaussians import SAMPLES, Method, Setting, judged, methods, samples, settings, trained
from jaxgan.parallel import member
from jaxgan.runs.tables import Cell, Table, at_least, chosen, formatted, save

TITLES = {
    "ring": "Ring of 8 Gaussians, radius 2, standard deviation 0.02",
    "grid": "Grid of 25 Gaussians, spacing 2, standard deviation 0.05",
    "slow": "The same ring, with a discriminator that learns at a tenth of the generator's rate",
    "fit": "How good samples on the grid of 25 can get at a fixed budget",
}
PAPERS = {  # modes / share of high quality (/ reverse KL): VEEGAN, table 1, and PacGAN, table 1
    "ring": {
        "vanilla": "1 / .993 (VEEGAN); 6.3 / .982 / .45 (PacGAN)",
        "unrolled 5": "7.6 / .356 (VEEGAN)",
        "packing 2": "7.9 / .956 / .07",
        "packing 4": "7.8 / .959 / .07",
    },
    "grid": {
        "vanilla": "3.3 / .005 (VEEGAN); 17.3 / .948 / .70 (PacGAN)",
        "unrolled 5": "23.6 / .16 (VEEGAN)",
        "packing 2": "23.8 / .913 / .13",
        "packing 4": "24.8 / .936 / .04",
    },
    "fit": {"as published": "25 / .04 / .22 (d2l's JAX reference)"},
}


@dataclass(frozen=True)
class Config:
    """Which games are played, and for how long."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 8  # runs of each method
    data: Literal["both", "ring", "grid", "slow", "fit"] = (
        "both"  # both: ring and grid; slow: ring, D at a tenth of G's rate
    )
    methods: str = "all"  # or their names, with commas between
    steps: int = 0  # generator updates; 0: those of the setting (4,000; fit 20,000)
    batch_size: int = 0  # 0: that of the setting
    width: int = 0  # units of each of the two hidden layers; 0: those of the setting


SMOKE = {"seeds": 2, "steps": 4, "batch_size": 8, "width": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which, and what is known.
    """
    at_least(config, seeds=2, steps=0, batch_size=0, width=0)
    for data in _tables(config):
        _chosen(config, data)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table for the ring, for the grid, or for the fit; draws the samples of each method's first run."""
    seeds = range(config.seed, config.seed + config.seeds)
    for data in _tables(config):
        setting = settings()[data]
        given = {name: getattr(config, name) for name in ("steps", "batch_size", "width") if getattr(config, name)}
        setting = setting._replace(**given)
        rows: list[dict[str, Cell]] = []
        pictures: dict[str, np.ndarray] = {}
        for name, method in _chosen(config, data).items():
            began = time.monotonic()
            game, states = trained(setting, method, seeds)
            figures = judged(setting, game, states, seeds)
            pictures[name] = samples(game, member(states, 0))
            seconds = round(time.monotonic() - began)
            papers = PAPERS.get(data, {}).get(name, "")
            rows.append({"method": name, **figures, "papers": papers, "seconds": str(seconds)})
            print(f"{data}: {', '.join(f'{key} {formatted(value)}' for key, value in rows[-1].items())}", flush=True)
        _draw(folder / f"{data}.png", pictures, setting)
        yield Table(TITLES[data], _note(setting, seeds), rows)


def _tables(config: Config) -> tuple[str, ...]:
    return ("ring", "grid") if config.data == "both" else (config.data,)


def _chosen(config: Config, data: str) -> dict[str, Method]:
    return chosen(config.methods, methods(data))


def _note(setting: Setting, seeds: Sequence[int]) -> str:
    return (
        f"{setting.steps} generator updates, batch {setting.batch_size}, two hidden layers of {setting.width} in both "
        f"networks, {setting.latent} latents, Adam (b1 {setting.b1}) at {setting.rates[0]:g} for the discriminator and "
        f"{setting.rates[1]:g} for the generator where the row says no other; {SAMPLES} samples; mean and 95 % "
        f"interval over seeds {seeds[0]}..{seeds[-1]}. Papers: modes / share of high quality / reverse KL, of other "
        "networks and budgets."
    )


def _draw(path: Path, pictures: dict[str, np.ndarray], setting: Setting) -> None:
    """Draws the samples of every method beside each other."""
    from matplotlib.figure import Figure

    columns = min(5, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(max(3.4, 1.7 * columns), 1.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    centres = setting.source.modes.centres if setting.source.modes else np.zeros((0, 2))
    side = 1.25 * np.abs(centres).max()
    for axes in grid.flat:
        axes.axis("off")
    for axes, (name, points) in zip(grid.flat, pictures.items(), strict=False):
        axes.plot(*centres.T, "o", color="#d9730d", markersize=5, markerfacecolor="none", markeredgewidth=0.6)
        axes.plot(*points[:1000].T, ".", color="#1f4e8c", markersize=1)
        axes.set(xlim=(-side, side), ylim=(-side, side), aspect="equal")
        axes.set_title(name, fontsize=7)
    save(figure, path)
