"""Samples from a trained game: in chunks, along paths between latents, and as a grid to look at."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.checks import check_key, check_labels
from jaxgan.data.check import narrow
from jaxgan.parallel import Parallel
from jaxgan.types import Game, PyTree, TrainState

Progress = Callable[[int, int], None]  # (samples made, of how many)


def sample(
    game: Game | Parallel,
    state: TrainState,
    key: Array,
    *,
    n: int | None = None,
    chunk: int = 256,
    progress: Progress = lambda done, total: None,
    **inputs: Any,
) -> Any:
    """Draws n samples from a game, by averaged parameters where they are kept and without batch statistics.

    Sample i depends on the key, i and its inputs alone, so that neither n nor the chunk changes it (unless the network
    itself draws noise when it is used).

        sample(game, state, key, n=64)                          # a generator of latents
        sample(game, state, key, n=64, y=3)                     # of a label, a vector, a caption
        sample(game, state, key, x=photographs)                 # a translator, on the host's arrays

    Args:
      game: any; what its system generates from, beside "index", it says by `System.asks` and `System.takes`.
      state: its train state.
      key: [] typed PRNG key.
      n: how many samples, >= 1; if None, as many as the inputs have.
      chunk: samples made by one call, >= 1; bounds the memory of the device: inputs stay on the host until their turn.
      progress: called after each chunk with the samples made and n.
      **inputs: by name, what is asked for: arrays [n, ...], or any pytree of such; integers become int32 and floating
        numbers float32; a number stands for n of them, and None for nothing.
    Returns:
      samples [n, ...] (any pytree of such, if the system makes one).
    Raises:
      ValueError: n or chunk is not positive, the inputs are not n, a label is out of range, or the system needs other
        inputs.
    """
    check_key("sample", key)
    arrays = {name: value for name, value in inputs.items() if value is not None}
    sizes = [np.shape(leaf)[0] for leaf in jax.tree.leaves(arrays, is_leaf=_is_list) if np.ndim(leaf)]
    n = sizes[0] if n is None and sizes else n
    if n is None or n < 1 or chunk < 1:
        raise ValueError(f"sample needs n >= 1, or inputs that say how many, and chunk >= 1; got n={n}, chunk={chunk}")
    asked = {name: conditions("sample", value, n, name) for name, value in arrays.items()}
    check_labels(asked, getattr(game, "networks", None) or {})
    chunk = min(chunk, n)
    index = np.arange(math.ceil(n / chunk) * chunk, dtype=np.int32)  # the last chunk is filled up: one shape, one trace
    parts = []
    for start in range(0, n, chunk):
        rows = index[start : start + chunk]
        part = {"index": rows} | jax.tree.map(lambda leaf, rows=rows: leaf[np.minimum(rows, n - 1)], asked)
        parts.append(_generate(game.generate)(state, key, part))
        progress(min(start + chunk, n), n)
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:n], *parts)


def interpolate(
    game: Game | Parallel,
    state: TrainState,
    key: Array,
    start: Array,
    end: Array,
    *,
    steps: int = 8,
    path: Literal["linear", "spherical"] = "spherical",
    y: PyTree = None,
) -> Array:
    """Generates along paths between pairs of latents.

    Args:
      game: with a system that generates from "z" (and "y").
      state: its train state.
      key: [] typed PRNG key, for networks that draw noise.
      start: latents where the paths begin, [n, Z].
      end: latents where they end, [n, Z].
      steps: points on each path, both ends included, >= 2.
      path: "linear" in the latents, or "spherical": along the great circle, with the norms interpolated, which stays
        in the shell where normal latents lie.
      y: what is asked for, as in `sample`: one condition for each path, or None.
    Returns:
      samples, [n, steps, ...].
    Raises:
      ValueError: fewer than two steps, latents of different shapes, an unknown path, conditions that are not n, or a
        label out of range.
    References:
      White. Sampling Generative Networks. 2016, section 2.1 (spherical interpolation).
    """
    check_key("interpolate", key)
    paths = {"linear": _linear, "spherical": spherical}
    if path not in paths or steps < 2:
        raise ValueError(
            f"interpolate needs steps >= 2 and a path of {sorted(paths)}; got steps={steps}, path={path!r}"
        )
    if start.shape != end.shape or start.ndim != 2:
        raise ValueError(f"interpolate needs latents [n, Z] of one shape; got {start.shape} and {end.shape}")
    time = jnp.linspace(0.0, 1.0, steps, dtype=jnp.float32).reshape(1, steps, 1)
    z = paths[path](start[:, None], end[:, None], time)
    inputs = {"z": z.reshape(-1, start.shape[-1])}
    if y is not None:
        asked = conditions("interpolate", y, len(start))
        check_labels({"y": asked}, getattr(game, "networks", None) or {})
        inputs["y"] = jax.tree.map(lambda leaf: jnp.repeat(leaf, steps, axis=0), asked)
    samples = _generate(game.generate)(state, key, inputs)
    return samples.reshape(len(start), steps, *samples.shape[1:])


def conditions(caller: str, y: PyTree, n: int, name: str = "y") -> PyTree:
    """Makes what is asked for arrays of n: integers int32, other entries float32; a number is repeated.

    Args:
      caller: what the error calls it.
      y: labels [n], arrays [n, ...], numbers, or any pytree of such; a list of numbers is an array.
      n: how many conditions.
      name: of the input.
    Returns:
      The same pytree with leaves [n, ...] of NumPy.
    Raises:
      ValueError: a leaf is neither a number nor of n examples, or an integer does not fit into int32.
    """

    def leaf(value: Any) -> np.ndarray:
        array = narrow(value, f"{caller}: {name}")
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{caller} needs numbers as {name!r}; got {value!r}: labels are integers from 0")
        array = array.astype(np.float32 if np.issubdtype(array.dtype, np.floating) else np.int32)
        if array.ndim and len(array) != n:
            raise ValueError(
                f"{caller} needs conditions for n={n}, a number or n of them; got shape {array.shape} of {name!r}"
            )
        return array if array.ndim else np.broadcast_to(array, (n,))

    return jax.tree.map(leaf, y, is_leaf=_is_list)


def _is_list(node: Any) -> bool:
    return isinstance(node, list | tuple)


def grid(images: ArrayLike, columns: int | None = None) -> np.ndarray:
    """Lays images out in rows, for looking at.

    Args:
      images: [n, H, W, C] in [-1, 1], C = 1, 3 or 4 (the last is opacity, 1: opaque); values outside are clipped.
      columns: images per row; about a square if None.
    Returns:
      [rows * H, columns * W, C] uint8; cells without an image are black, or transparent.
    Raises:
      ValueError: images of another rank or number of channels, or columns < 1.
    """
    x = np.asarray(images, np.float32)
    if x.ndim != 4 or x.shape[-1] not in (1, 3, 4) or not len(x) or (columns is not None and columns < 1):
        raise ValueError(
            f"grid takes images [n, H, W, 1, 3 or 4], n >= 1, and columns >= 1; got shape {x.shape}, columns={columns}"
        )
    n, height, width, channels = x.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = as_bytes(x)
    cells = cells.reshape(rows, columns, height, width, channels)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def save_grid(path: str | os.PathLike[str], images: ArrayLike, columns: int | None = None, scale: int = 2) -> Path:
    """Writes `grid(images)` as a PNG, every pixel enlarged `scale` times; returns its path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target, grid(images, columns).repeat(scale, axis=0).repeat(scale, axis=1))
    return target


def show(images: ArrayLike, columns: int | None = None, scale: int = 2) -> Any:
    """Returns `grid(images)` as a `PIL.Image`, every pixel enlarged `scale` times: in a notebook it shows itself.

    Args:
      images: [n, H, W, C] in [-1, 1], as `grid` takes them.
      columns: images per row; about a square if None.
      scale: >= 1.
    Returns:
      PIL.Image.Image.
    Raises:
      ValueError: as `grid`, or scale < 1.
    """
    if scale < 1:
        raise ValueError(f"show needs scale >= 1; got {scale}")
    return as_picture(grid(images, columns).repeat(scale, axis=0).repeat(scale, axis=1))


def save_each(path: str | os.PathLike[str], images: ArrayLike, names: Sequence[str]) -> list[Path]:
    """Writes every image as a PNG of its own.

    Args:
      path: the folder, made if missing; files of these names are replaced.
      images: [n, H, W, C] in [-1, 1], as `grid` takes them.
      names: [n] file names without ".png", each once.
    Returns:
      The n paths.
    Raises:
      ValueError: images of another form, or not as many names, or one twice.
    """
    x = np.asarray(images, np.float32)
    if x.ndim != 4 or x.shape[-1] not in (1, 3, 4):
        raise ValueError(f"single pictures are made of images [n, H, W, 1, 3 or 4]; got shape {x.shape}")
    if len(set(names)) != len(x):
        raise ValueError(f"{len(x)} pictures need as many names, each once; got {len(set(names))}")
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{name}.png" for name in names]
    for target, image in zip(targets, x, strict=True):
        _write(target, as_bytes(image))
    return targets


def as_bytes(images: ArrayLike) -> np.ndarray:
    """Maps [-1, 1] to 0..255, rounded, as pictures have it; values outside are clipped."""
    return np.round((np.clip(np.asarray(images, np.float32), -1, 1) + 1) * 127.5).astype(np.uint8)


def _write(path: Path, picture: np.ndarray) -> None:
    """Writes a picture [H, W, C] of bytes."""
    as_picture(picture).save(path)


def as_picture(picture: np.ndarray) -> Any:
    """Returns a picture [H, W, C] of bytes as Pillow has it."""
    from PIL import Image

    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


@functools.lru_cache(maxsize=32)
def _generate(generate: Any) -> Any:
    """Compiles a game's generator once for all calls."""
    return jax.jit(generate)


def _linear(start: Array, end: Array, time: Array) -> Array:
    return (1 - time) * start + time * end


def spherical(start: Array, end: Array, time: Array) -> Array:
    """Turns from one direction to the other, by the angle between them; the norm goes on a line.

    Args:
      start: latents [..., Z].
      end: likewise.
      time: in [0, 1]; broadcasts against them.
    Returns:
      [..., Z].
    """
    norms = [jnp.linalg.norm(z, axis=-1, keepdims=True) for z in (start, end)]
    one, other = (z / jnp.maximum(norm, 1e-12) for z, norm in zip((start, end), norms, strict=True))
    cosine = jnp.sum(one * other, axis=-1, keepdims=True)
    across = _orthogonal(other - cosine * one, one)
    sine = jnp.linalg.norm(across, axis=-1, keepdims=True)
    # Between opposite directions any great circle will do: the one by the axis that is furthest from both.
    axis = jax.nn.one_hot(jnp.argmin(jnp.abs(one), axis=-1), one.shape[-1], dtype=one.dtype)
    across = jnp.where(sine > 1e-4, across, _orthogonal(axis, one))
    angle = time * jnp.arctan2(sine, cosine)
    across = across / jnp.maximum(jnp.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    return _linear(norms[0], norms[1], time) * (jnp.cos(angle) * one + jnp.sin(angle) * across)


def _orthogonal(z: Array, direction: Array) -> Array:
    """Returns what of z is orthogonal to a direction of norm 1."""
    return z - jnp.sum(z * direction, axis=-1, keepdims=True) * direction
