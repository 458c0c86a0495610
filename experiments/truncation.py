"""Truncation and style mixing of StyleGAN2's digits: precision is bought with recall, and layers divide the work.

Of a run of `digits_stylegan2` (`--run runs/digits_stylegan2/ID`), or of one that is trained here without `--run`:
samples are drawn nearer and nearer to the mean style (Karras, Laine, Aila 2019), and each set is measured as the run
was. The picture crosses styles: its first layers are of the latent of the row, the rest of that of the column.

Command: python -m experiments truncation --run runs/digits_stylegan2/ID
Takes: minutes on 2 CPU cores, beside the training. Expected result: experiments/README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxgan as jg
from experiments import digits_stylegan2
from experiments.tables import Cell, Table, said
from jaxgan import checkpoint
from jaxgan.sample import save_grid
from jaxgan.types import TrainState, name_index


@dataclass(frozen=True)
class Config:
    """Which run, and how near to the mean."""

    seed: int = 0  # of the training, where there is no run
    run: str = ""  # folder of a run of digits_stylegan2; none: one is trained
    steps: int = 3000  # of that training
    truncations: str = "1.0,0.9,0.8,0.7,0.6,0.5,0.3"  # with commas between
    crossing: int = 2  # layers of the row's style in the picture, of eight
    tiny: bool = False  # train a tiny game, to see that everything works


SMOKE = {"steps": 2, "truncations": "1.0,0.5", "tiny": True}


def check(config: Config) -> None:
    """Refuses what cannot be measured.

    Raises:
      ValueError: says what.
    """
    _truncations(config)
    if config.run and not (Path(config.run) / "config.json").is_file():
        raise ValueError(f"--run {config.run} is not the folder of a run of digits_stylegan2")
    if config.steps < 1 or config.crossing < 1:
        raise ValueError(f"--steps and --crossing must be at least 1; got {config.steps} and {config.crossing}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields the table, and draws crossed styles."""
    settings, state = _trained(config)
    judge = digits_stylegan2.judge(settings, folder)
    key, rows = jax.random.fold_in(state.key, name_index("judgement")), []
    shape = (settings.size, settings.size, 1)
    for truncation in _truncations(config):
        built = digits_stylegan2.build(replace(settings, truncation=truncation), shape, 0)
        samples = jg.sample(built.game, state, key, n=judge.samples)
        row: dict[str, Cell] = {"truncation": truncation, **judge.judge(samples).figures}
        rows.append(row)
        print(", ".join(f"{name} {said(value)}" for name, value in row.items()), flush=True)
    save_grid(folder / "mixing.png", _crossed(settings, state, config.crossing), columns=9)
    yield Table("Truncation of digits", judge.protocol, rows)


def _trained(config: Config) -> tuple[digits_stylegan2.Config, TrainState]:
    """Reads the run, or trains one."""
    if config.run:
        page = json.loads((Path(config.run) / "config.json").read_text())
        settings = digits_stylegan2.Config(**page["config"])
    else:
        tiny: dict[str, Any] = digits_stylegan2.SMOKE if config.tiny else {}
        settings = digits_stylegan2.Config(**(tiny | {"seed": config.seed, "steps": config.steps}))
    source = digits_stylegan2.source(settings)
    batches = jg.data.batches(source, settings.batch_size, settings.seed)
    batch = next(batches)
    game = digits_stylegan2.build(settings, tuple(batch["x"].shape[1:]), 0).game
    if config.run:
        target = jax.eval_shape(game.init, jax.random.key(settings.seed), batch)
        manager = checkpoint.open_checkpoints(Path(config.run) / "checkpoints", read_only=True)
        state = checkpoint.restore(manager, target, page["config"], may_differ=digits_stylegan2.MAY_DIFFER)
        manager.close()
        return settings, state
    state, step = game.init(jax.random.key(settings.seed), batch), jax.jit(game.train_step, donate_argnums=0)
    for _ in range(settings.steps):
        state, _ = step(state, batch)
        batch = next(batches)
    return settings, state


def _crossed(settings: digits_stylegan2.Config, state: TrainState, crossing: int) -> np.ndarray:
    """Nine rows of nine: the latents' own images along the edges, crossed styles inside; [81, H, W, 1]."""
    size = (settings.size, settings.size, 1)
    built = digits_stylegan2.build(settings, size, 0)
    generator = digits_stylegan2.generator(settings, 1, 0)
    variables = {"params": (state.params | state.ema)["generator"], **state.model_state["generator"]}
    z = built.prior(jax.random.fold_in(state.key, name_index("mixing")), 16)
    w: Any = generator.apply(variables, z, train=False, method="mapping")
    rows, columns = w[:8], w[8:]
    first = (jnp.arange(w.shape[1]) < crossing).reshape(1, 1, -1, 1)
    inside = jnp.where(first, rows[:, None], columns[None])
    corner = jnp.zeros_like(w[:1, None])
    top = jnp.concatenate([corner, columns[None]], axis=1)
    whole = jnp.concatenate([top, jnp.concatenate([rows[:, None], inside], axis=1)])
    images: Any = generator.apply(variables, whole.reshape(-1, *w.shape[1:]), train=False, method="synthesis")
    return np.asarray(images)


def _truncations(config: Config) -> list[float]:
    try:
        values = [float(word) for word in config.truncations.split(",")]
    except ValueError:
        raise ValueError(f"--truncations are numbers with commas between; got {config.truncations!r}") from None
    return values
