"""What the explorer's page draws, as functions of a request: everything that needs no page.

A view is a trained generator with what can be asked of it. Its programs are compiled once for each number of samples:
where the controls stand are numbers that a program is given, so that moving one compiles nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.explore.latents import UNBOUNDED, along, blended, on_plane, truncated
from jaxgan.explore.wishes import DIRECTIONS, Controls, Wish
from jaxgan.export.loaded import Loaded, load
from jaxgan.pages import read_page
from jaxgan.priors import Prior, is_normal
from jaxgan.runs import loading
from jaxgan.runs.experiment import Experiment
from jaxgan.runs.loading import Trained, picture_inputs
from jaxgan.sample import as_bytes
from jaxgan.samplers import semantic_directions, trained
from jaxgan.types import Game, TrainState, averages_in_place, by_path

Inputs = dict[str, np.ndarray]  # what samples are made of, by name: arrays [n, ...]


class Shown(NamedTuple):
    """Samples, and what makes them again."""

    images: np.ndarray  # [n, H, W, C] uint8
    inputs: Inputs


class View(NamedTuple):
    """A trained generator and what can be asked of it."""

    name: str  # of the run or export, for the page's head
    shape: tuple[int, ...]  # [H, W, C] of its pictures
    controls: Controls
    draw: Callable[[Wish], Shown]  # of a translator: raises
    again: Callable[[Mapping[str, Any]], np.ndarray]  # the inputs of n samples -> their images [n, H, W, C] uint8


class Basis(NamedTuple):
    """SeFa's directions, which are computed when the first of them is used: the first picture need not wait."""

    number: int  # of directions
    width: int  # of a latent
    vectors: Callable[[], np.ndarray]  # () -> [count, width]


NO_DIRECTIONS = Basis(0, 0, lambda: np.zeros((0, 0), np.float32))


def open_view(
    folder: Path, step: int | Literal["latest", "best"] = "latest", file: Path | None = None
) -> tuple[View, Trained | None]:
    """Opens a run, or an export.

    Args:
      folder: of either.
      step: of a run: which checkpoint.
      file: of a run: the experiment, where a file of the user's made it.
    Returns:
      (View, the run; None for an export).
    Raises:
      ValueError: the folder is neither, or its generator draws no pictures or is asked with what no page can give.
    """
    if (folder / "export.json").exists():
        return view_of_export(load(folder), folder), None
    run = loading.load(folder, step, file=file)
    return view_of_run(run, folder), run


def view_of_run(run: Trained, folder: Path) -> View:
    """Returns a run's generator as a view.

    Args:
      run: read back.
      folder: its own, for the name and for messages.
    Returns:
      View.
    Raises:
      ValueError: it draws no pictures, or is asked with what no page can give.
    """
    experiment, game = run.experiment, run.experiment.game
    whole = folder.resolve()
    name = f"{whole.parent.name}/{whole.name}, step {int(run.state.step):,}"
    state = averages_in_place(run.state)._replace(opt_state={}, ema={}, ema_state={})
    pictures, asks = picture_inputs(run), set((game.system and game.system.asks) or {})
    if pictures and (pictures.keys() & asks or experiment.prior is None):
        if lacking := sorted(asks - pictures.keys()):
            raise ValueError(f"{folder} is asked with {lacking} beside pictures, which the page cannot give")
        return _translator(name, game, state, pictures)
    if lacking := sorted(asks - {"y"}):
        raise ValueError(f"{folder} is asked with {lacking}, which the page cannot give")
    shape = _shape(folder, game, state, _own(experiment, 1) | _labels(Wish(n=1), experiment.classes))
    generator: Any = (game.networks or {}).get("generator")
    if experiment.prior is None:
        controls = Controls(experiment.classes, experiment.names)
        view = _seeded(name, game, state, controls, lambda n: _own(experiment, n))
    elif hasattr(generator, "mapping") and "average" in state.model_state.get("generator", {}):
        view = _styled(name, experiment, experiment.prior, state)
    else:
        view = _plain(name, experiment, experiment.prior, state)
    return view._replace(shape=shape)


def view_of_export(loaded: Loaded, folder: Path) -> View:
    """Returns an export's generator as a view: by seeds and classes, as it does not say where latents come from.

    Args:
      loaded: the export.
      folder: its own, for the name and for messages.
    Returns:
      View.
    Raises:
      ValueError: it draws no pictures, or is asked with more than classes.
    """
    facts = read_page(folder / "export.json", facts=dict)["facts"]
    label, names = loaded.inputs.get("y"), tuple(map(str, facts.get("classes") or ()))
    if set(loaded.inputs) - {"y"} or (label is not None and (label["shape"] or not names)):
        what = {name: form["shape"] for name, form in loaded.inputs.items()}
        raise ValueError(
            f"{folder} is asked with {what}; the page gives an export seeds and, where it lists them, classes"
        )
    controls = Controls(len(names) if label is not None else 0, names)
    shape = _shape(folder, loaded.game, loaded.state, _labels(Wish(n=1), controls.classes))
    name = f"{facts.get('name') or folder.name}, an export"
    return _seeded(name, loaded.game, loaded.state, controls, lambda n: {})._replace(shape=shape)


def _seeded(name: str, game: Game, state: TrainState, controls: Controls, own: Callable[[int], Inputs]) -> View:
    """A generator that is asked by seed, and by class where it has classes."""
    generate = jax.jit(game.generate)

    def again(inputs: Mapping[str, Any]) -> np.ndarray:
        asked = {k: v for k, v in inputs.items() if k != "seed"}
        return as_bytes(generate(state, _key(inputs), asked))

    def draw(wish: Wish) -> Shown:
        inputs = _numbers(wish) | own(wish.n) | _labels(wish, controls.classes)
        return Shown(again(inputs), inputs)

    return View(name, (), controls, draw, again)


def _plain(name: str, experiment: Experiment, prior: Prior, state: TrainState) -> View:
    """A generator of latents, G(z) or G(z, y)."""
    game, classes = experiment.game, experiment.classes
    normal, width = is_normal(prior), jax.eval_shape(lambda: prior(jax.random.key(0), 1)).shape[1:]
    basis = _basis(_first_kernels(state, width[0])) if len(width) == 1 else NO_DIRECTIONS
    generate = jax.jit(game.generate)

    @jax.jit
    def draw(state: TrainState, wish: Mapping[str, Any], asked: Inputs) -> tuple[Array, Any]:
        key, index = jax.random.key(wish["seed"]), wish["index"]
        z, end = (prior(jax.random.key(wish[seed]), len(index), index) for seed in ("seed", "other"))
        if normal:
            z, end = (truncated(latent, wish["truncation"]) for latent in (z, end))
        z = blended(z, end, wish["blend"], normal)
        z = on_plane(z, wish["plane"], key, normal) if z.ndim == 2 else z
        z = along(z, wish["basis"], wish["along"], jnp.zeros(())) if basis.number else z
        return z, game.generate(state, key, {"z": z, "index": index} | asked)

    def shown(wish: Wish) -> Shown:
        asked = _own(experiment, wish.n) | _labels(wish, classes)
        z, images = draw(state, _dials(wish, basis), asked)
        return Shown(as_bytes(images), {"z": np.asarray(z)} | _numbers(wish) | asked)

    def again(inputs: Mapping[str, Any]) -> np.ndarray:
        asked = {k: v for k, v in inputs.items() if k != "seed"}
        return as_bytes(generate(state, _key(inputs), asked))

    controls = Controls(
        classes,
        experiment.names,
        latents=len(width) == 1,
        truncation=(0.1, UNBOUNDED) if normal else None,
        directions=basis.number,
    )
    return View(name, (), controls, shown, again)


def _styled(name: str, experiment: Experiment, prior: Prior, state: TrainState) -> View:
    """A generator of styles: truncation, mixing and directions are those of its styles, w."""
    classes = experiment.classes
    generator: Any = dict(experiment.game.networks or {})["generator"]
    networks, cutoff = {"generator": generator.clone(truncation=1.0)}, generator.truncation_cutoff  # by a dial instead
    leaves = by_path(state.params["generator"])
    basis = _basis([leaf for path, leaf in leaves.items() if path.endswith("style/kernel")])

    @jax.jit
    def draw(state: TrainState, wish: Mapping[str, Any], asked: Inputs) -> tuple[Array, Any]:
        key, index = jax.random.key(wish["seed"]), wish["index"]
        mean = state.model_state["generator"]["average"]["w"][None, None]
        g = trained(networks, state, "generator", key=key)
        z, end = (prior(jax.random.key(wish[seed]), len(index), index) for seed in ("seed", "other"))
        start, end = (
            g(latent, *asked.values(), method="mapping") for latent in (on_plane(z, wish["plane"], key, True), end)
        )
        layer = jnp.arange(start.shape[1])[None, :, None]
        w = jnp.where(layer >= start.shape[1] - wish["mixed"], end, start + wish["blend"] * (end - start))
        near = jnp.where(wish["truncation"] == 1, w, mean + wish["truncation"] * (w - mean))
        w = near if cutoff is None else jnp.where(layer < cutoff, near, w)
        w = along(w, wish["basis"], wish["along"], mean) if basis.number else w
        return w, g(w, method="synthesis")

    @jax.jit
    def synthesis(state: TrainState, key: Array, w: ArrayLike) -> Any:
        return trained(networks, state, "generator", key=key)(w, method="synthesis")

    def shown(wish: Wish) -> Shown:
        w, images = draw(state, _dials(wish, basis), _labels(wish, classes))
        return Shown(as_bytes(images), {"w": np.asarray(w)} | _numbers(wish))

    def again(inputs: Mapping[str, Any]) -> np.ndarray:
        return as_bytes(synthesis(state, _key(inputs), inputs["w"]))

    styles = jax.eval_shape(draw, state, _dials(Wish(n=1), basis), _labels(Wish(n=1), classes))[0]
    controls = Controls(
        classes,
        experiment.names,
        latents=True,
        truncation=(0.0, 1.5),
        truncated=float(generator.truncation),
        layers=styles.shape[1],
        directions=basis.number,
    )
    return View(name, (), controls, shown, again)


def _translator(name: str, game: Game, state: TrainState, pictures: Mapping[str, tuple[int, ...]]) -> View:
    """A translator: `again` of one of its inputs, [n, H, W, C] in [-1, 1], makes the answers."""
    generate = jax.jit(game.generate)

    def again(inputs: Mapping[str, Any]) -> np.ndarray:
        asked = {k: v for k, v in inputs.items() if k != "seed"}
        return as_bytes(generate(state, _key(inputs), asked))

    def draw(wish: Wish) -> Shown:
        raise ValueError(f"{name} translates pictures; give it one")

    for entry, form in pictures.items():
        shape = _shape(name, game, state, {entry: np.zeros((1, *form), np.float32)})
    return View(name, shape, Controls(pictures=pictures), draw, again)


def _own(experiment: Experiment, n: int) -> Inputs:
    """Returns what the experiment itself asks n samples with, where that is no class."""
    own = {} if experiment.classes or experiment.inputs is None else experiment.inputs(n)
    return jax.tree.map(np.asarray, dict(own))


def _labels(wish: Wish, classes: int) -> Inputs:
    if not classes:
        return {}
    if wish.y is not None and not 0 <= wish.y < classes:
        raise ValueError(f"class {wish.y} is none of 0..{classes - 1}")
    y = np.arange(wish.n) % classes if wish.y is None else np.full(wish.n, wish.y)
    return {"y": y.astype(np.int32)}


def _numbers(wish: Wish) -> Inputs:
    """Returns the seed of the samples' noise, and their numbers."""
    return {"seed": np.full(wish.n, wish.seed, np.int32), "index": np.arange(wish.n, dtype=np.int32)}


def _key(inputs: Mapping[str, Any]) -> Array:
    return jax.random.key(int(np.asarray(inputs["seed"])[0]))


def _dials(wish: Wish, basis: Basis) -> dict[str, Any]:
    """Returns a wish as arrays of fixed shapes, which compile once."""
    dials = np.zeros(basis.number, np.float32)
    dials[: len(wish.along)] = wish.along[: basis.number]
    return {
        "seed": np.int32(wish.seed),
        "other": np.int32(wish.other),
        "index": np.arange(wish.n, dtype=np.int32),
        "truncation": np.float32(wish.truncation),
        "blend": np.float32(wish.blend),
        "plane": np.asarray(wish.plane, np.float32),
        "mixed": np.int32(wish.mixed),
        "along": dials,
        "basis": basis.vectors() if dials.any() else np.zeros((basis.number, basis.width), np.float32),
    }


def _first_kernels(state: TrainState, width: int) -> list[Any]:
    """Returns the kernel that the latent enters a generator by, where there is one dense layer for that."""
    leaves = by_path(state.params.get("generator", {}))
    dense = [path for path in leaves if path.endswith("kernel") and path.count("/") == 1]
    fits = [path for path in dense if leaves[path].ndim == 2 and leaves[path].shape[0] == width]
    return [leaves[min(fits)]] if fits else []


def _basis(kernels: Sequence[Any]) -> Basis:
    """Prepares SeFa's directions of the layers that a latent enters by."""
    if not kernels:
        return NO_DIRECTIONS
    width = kernels[0].shape[0]
    count = min(DIRECTIONS, width)
    return Basis(count, width, functools.cache(lambda: np.asarray(semantic_directions(*kernels, count=count).vectors)))


def _shape(name: Path | str, game: Game, state: TrainState, asked: Inputs) -> tuple[int, ...]:
    """Returns the shape [H, W, C] of what is made; raises unless that are pictures."""
    inputs = {"index": np.zeros(1, np.int32)} | asked
    made = jax.eval_shape(game.generate, state, jax.random.key(0), inputs)
    shape = getattr(made, "shape", None)
    if shape is None or len(shape) != 4 or shape[-1] not in (1, 3, 4):
        what = "several arrays" if shape is None else f"arrays {list(shape[1:])}"
        raise ValueError(f"{name} makes {what}; the page shows pictures [H, W, 1, 3 or 4]")
    return tuple(shape[1:])
