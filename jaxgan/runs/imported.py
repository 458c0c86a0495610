"""A run that others trained: their weights in the folder of a run, so that whatever reads runs reads them.

`config.json` names this module, and holds the networks' settings; the one checkpoint, at step 0, holds their variables.
There are no data and no losses: nothing trains such a run, and what goes on from it is a run of its own, which begins
with its parameters (`--from`, `jaxgan.carry`).
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan import checkpoint
from jaxgan.data import Source
from jaxgan.metrics.extractors import weights
from jaxgan.published import Published
from jaxgan.published.parts import module
from jaxgan.runs import loading
from jaxgan.runs.experiment import Experiment, draw_images
from jaxgan.runs.folder import FORMAT, environment, read_config, versions, write_json
from jaxgan.systems import generates
from jaxgan.types import Batch, Nets, Network, Player, System, TrainState, Turn, averages_in_place, by_path

ORIGIN = "jaxgan.runs.imported"  # what config.json calls this module
DECAY = 0.999  # of the average that a file holds: nothing is averaged further here


@dataclass(frozen=True)
class Config:
    """Which networks, as `jaxgan.published` read them."""

    family: str = "stylegan2"
    latent: int = 512
    generator: dict[str, Any] = dataclasses.field(default_factory=dict)  # settings
    discriminator: dict[str, Any] | None = None  # settings; None: the file has none
    averaged: bool = False  # the file has an averaged generator beside the one that was trained
    files: dict[str, str] = dataclasses.field(default_factory=dict)  # SHA-256 by name
    seed: int = 0
    steps: int = 0
    batch_size: int = 1


def source(config: Config) -> Source:
    """Raises ValueError: weights come without the data that they were trained on."""
    raise ValueError("imported weights come without their training data; jaxgan evaluate RUN DATA takes others")


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Makes the game of the imported networks, which generates and trains nothing."""
    prior = jg.priors.normal(config.latent)
    networks = networks_of(asdict(config))

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        n = batch["x"].shape[0]
        y = (batch["y"],) if "y" in batch else ()
        return {
            "generator": (jnp.zeros((n, config.latent), jnp.float32), *y),
            "discriminator": (batch["x"], *(y if (config.discriminator or {}).get("classes") else ())),
        }

    asks = {"y": f"labels [n] int32 in 0..{classes - 1}"} if classes else {}
    players = {name: Player((name,), _untrained, optax.set_to_zero()) for name in networks}
    system = System(players, lambda batch: {name: inputs(batch)[name] for name in networks}, generates(prior))
    system = system._replace(asks=asks, takes={"z": f"latents [n, {config.latent}]"})
    game = jg.game(networks, system, ema={"generator": DECAY} if config.averaged else None)
    drawn = shape[-1] in (1, 3, 4)
    return Experiment(game, prior, classes, draw_images if drawn else None)


def networks_of(config: Mapping[str, Any]) -> dict[str, Network]:
    """Makes the networks of imported weights: the generator, and the discriminator if there is one.

    Args:
      config: of their run, or its entries "family", "generator" and "discriminator".
    Returns:
      By "generator" and "discriminator".
    Raises:
      ValueError: there is no such family, or it has no such settings.
    """
    roles = [name for name in ("generator", "discriminator") if config[name] is not None]
    return {name: module(config["family"], name.capitalize(), config[name]) for name in roles}


def write(published: Published, folder: Path, command: str) -> Path:
    """Writes imported networks as the folder of a run, whole or not at all.

    Args:
      published: the networks.
      folder: new.
      command: that made it, for its page.
    Returns:
      folder.
    Raises:
      ValueError: the folder exists.
      CheckpointError: it cannot be written.
    """
    if folder.exists():
        raise ValueError(f"{folder} exists; name a new folder with --out")
    config = Config(
        family=published.family,
        latent=published.latent,
        generator=published.generator.settings,
        discriminator=None if published.discriminator is None else published.discriminator.settings,
        averaged=published.average is not None,
        files=published.files,
    )
    batch = {"x": {"shape": [1, published.size, published.size, published.channels], "dtype": "float32"}}
    if published.classes:
        batch["y"] = {"shape": [1], "dtype": "int32"}
    page = {
        "format": FORMAT,
        "experiment": f"imported-{published.family}",
        "module": ORIGIN,
        "sha256": None,
        "command": command,
        "config": asdict(config),
        "batch": batch,
        "classes": published.classes,
        "data": {"name": "not known: imported weights", "size": None, "names": [], "counts": [], "digest": None},
    }
    return _written(folder, page, _state(published), None)


def from_export(file: Path, like: Path, folder: Path) -> Path:
    """Writes the weights of an export, which has no networks of its own, as a run of the networks of another.

    Args:
      file: `generator.safetensors` of an export.
      like: the folder of a run with the same networks; what the file does not hold is as there.
      folder: new.
    Returns:
      folder.
    Raises:
      ValueError: the folder exists, `like` is no run, or the file's arrays are not of its networks, by the first.
      CheckpointError: the checkpoint of `like` cannot be read, or the new one not written.
    """
    if folder.exists():
        raise ValueError(f"{folder} exists; name a new folder with --out")
    arrays, trained = weights.read(file).arrays, loading.load(like)
    state = averages_in_place(trained.state)
    have = by_path({name: {"params": state.params[name], **state.model_state[name]} for name in state.params})
    for name, array in arrays.items():
        if name not in have or have[name].shape != array.shape:
            there = f"{have[name].shape} in" if name in have else "not in"
            raise ValueError(f"{file} is not of the networks of {like}: {name} {array.shape} is {there} these")

    def taken(tree: Any, *start: str) -> Any:
        def leaf(path: Any, value: Any) -> Any:
            name = "/".join([*start, jax.tree_util.keystr(path, simple=True, separator="/")])
            return jnp.asarray(arrays[name], value.dtype) if name in arrays else value

        return jax.tree_util.tree_map_with_path(leaf, tree)

    params = {name: taken(each, name, "params") for name, each in state.params.items()}
    kept = {name: {c: taken(v, name, c) for c, v in each.items()} for name, each in state.model_state.items()}
    averages = {name: jax.tree.map(jnp.copy, params[name]) for name in trained.state.ema}
    averaged = {name: {c: kept[name][c] for c in each} for name, each in trained.state.ema_state.items()}
    state = trained.state._replace(
        step=jnp.zeros((), jnp.int32), params=params, model_state=kept, ema=averages, ema_state=averaged
    )
    page, given = read_config(like), trained.experiment.game.given
    return _written(folder, page | {"imported": str(file)}, state, given)


def _written(folder: Path, page: Mapping[str, Any], state: TrainState, given: Mapping[str, Any] | None) -> Path:
    """Writes the folder of a run, whole or not at all."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with closing(checkpoint.open_checkpoints(partial / "checkpoints")) as manager:
            checkpoint.save(manager, state, page["config"], versions=versions(), given=given)
        write_json(partial / "environment.json", environment())
        write_json(partial / "config.json", page)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _state(published: Published) -> TrainState:
    networks = {"generator": published.generator.variables}
    if published.discriminator is not None:
        networks["discriminator"] = published.discriminator.variables
    params, model_state = {}, {}
    for name, variables in networks.items():
        params[name], model_state[name] = _collections(variables)
    averages = {} if published.average is None else {"generator": _collections(published.average)}
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=jax.random.key(0),
        params=params,
        model_state=model_state,
        opt_state={name: optax.set_to_zero().init({name: params[name]}) for name in networks},
        ema={name: each for name, (each, _) in averages.items()},
        ema_state={name: each for name, (_, each) in averages.items()},
    )


def _collections(variables: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns parameters, and other collections, as trees: of a name "kernel/u" a vector keeps its slashes."""
    paths = {_path(name): jnp.asarray(array) for name, array in variables.items()}
    tree = flax.traverse_util.unflatten_dict(paths)
    return tree.get("params", {}), {name: each for name, each in tree.items() if name != "params"}


def _path(name: str) -> tuple[str, ...]:
    collection, *rest = name.split("/")
    if collection != "spectral":
        return (collection, *rest)
    norm = next(k for k, part in enumerate(rest) if part.startswith("SpectralNorm_"))
    return (collection, *rest[: norm + 1], "/".join(rest[norm + 1 :]))


def _untrained(nets: Nets, batch: Batch, turn: Turn) -> NoReturn:
    raise ValueError(
        "imported weights come without the losses that trained them; to train on, begin a run with their parameters: "
        "jaxgan train DATA --from FOLDER, or jaxgan.carry"
    )
