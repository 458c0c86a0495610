"""The files of an export, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors.numpy import save

from jaxgan.export.card import Facts, card
from jaxgan.export.onnx import onnx
from jaxgan.export.program import Program, program
from jaxgan.priors import Prior
from jaxgan.types import Game, TrainState

FORMAT = 1  # of export.json; a reader refuses others
ONNX = "generator.onnx"
GENERATOR, LATENTS = "generator.stablehlo", "latents.stablehlo"  # programs, of a key and of latents


class Export(NamedTuple):
    """What was written."""

    folder: Path
    weights: int  # numbers in generator.safetensors
    programs: tuple[str, ...]  # names of files


def write(
    game: Game,
    state: TrainState,
    folder: str | Path,
    *,
    inputs: Mapping[str, Any] | None = None,
    prior: Prior | None = None,
    facts: Facts | None = None,
    with_onnx: bool = False,
) -> Export:
    """Writes a game's generator as files that need neither this library nor the classes of its networks.

    Args:
      game: any.
      state: its train state.
      folder: new, or an export that is replaced.
      inputs: what two samples are asked with beside latents: arrays [2, ...], whose dtypes and further axes count.
      prior: of the latents, for a program of latents; None: there is none.
      facts: for the card; None: the card says that nothing is known.
      with_onnx: also as ONNX, `generator.onnx`: of latents, or of the arrays that a translator is given.
    Returns:
      Export.
    Raises:
      ValueError: the folder holds something else, or the generator cannot be lowered for any number of samples.
      ImportError: flatbuffers, which writes programs, is not there; or jax2onnx, for ONNX.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / "export.json").is_file() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds other things than an export; name a new folder")
    asked = {name: value for name, value in (inputs or {}).items() if name not in ("index", "z")}
    programs = {GENERATOR: _made(game, state, asked | {"index": np.zeros(2, np.int32)})}
    if prior is not None:
        z = np.asarray(prior(jax.random.key(0), 2))
        programs[LATENTS] = _made(game, state, asked | {"z": z})
    weights = dict[str, np.ndarray]()
    for made in programs.values():
        weights |= made.weights
    drawn = {} if prior is None else {"z": np.asarray(prior(jax.random.key(0), 2))}
    file = onnx(game, state, {k: np.asarray(v) for k, v in (asked | drawn).items()}) if with_onnx else None
    samples = jax.eval_shape(game.generate, state, jax.random.key(0), asked | {"index": np.zeros(2, np.int32)})
    page = {
        "format": FORMAT,
        "inputs": jax.tree.map(_form, asked),
        "samples": jax.tree.map(_form, samples),
        "latents": None if prior is None else list(z.shape[1:]),
        "programs": {name: sorted(made.weights) for name, made in programs.items()},
        "facts": (facts or Facts())._asdict(),
    }
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "generator.safetensors").write_bytes(save(weights, {"format": "jaxgan"}))
    for name, made in programs.items():
        (partial / name).write_bytes(made.module)
    if file is not None:
        (partial / ONNX).write_bytes(file)
    (partial / "export.json").write_text(json.dumps(page, indent=2) + "\n")
    (partial / "README.md").write_text(card(page), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
    return Export(folder, sum(array.size for array in weights.values()), (*programs, *([] if file is None else [ONNX])))


def _made(game: Game, state: TrainState, inputs: Mapping[str, Any]) -> Program:
    try:
        return program(game, state, inputs)
    except ImportError as error:
        raise ImportError("programs are written with flatbuffers: pip install 'jaxgan[export]'") from error


def _form(leaf: Any) -> dict[str, Any]:
    """Describes an array of any number of examples."""
    return {"shape": list(np.shape(leaf)[1:]), "dtype": str(leaf.dtype)}
