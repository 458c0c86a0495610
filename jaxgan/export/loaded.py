"""A trained generator as something to call, from a run's folder or from an export's."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax import Array, export
from safetensors import SafetensorError
from safetensors.numpy import load_file

from jaxgan.export.files import FORMAT, GENERATOR, LATENTS
from jaxgan.pages import read_page
from jaxgan.runs import loading
from jaxgan.runs.showing import run_in_html, run_in_words
from jaxgan.sample import sample
from jaxgan.types import Game, TrainState, html_table, size_of


class Loaded(NamedTuple):
    """A generator: call it for samples."""

    game: Game  # of an export: its `generate` alone
    state: TrainState
    inputs: Mapping[str, Any]  # what it may be asked with, in words or as shapes and dtypes
    folder: Path = Path()  # of the run or of the export

    def __repr__(self) -> str:
        """Says what it is, and how it is asked."""
        asked = ", ".join(f"{name}=..." for name in self.inputs)
        call = f"  call it: generator(n=64, seed=0{', ' + asked if asked else ''})"
        if self.game.networks is not None:
            return f"{run_in_words(self.folder, self.state)}\n{call}"
        return f"Export {self.folder}: {size_of(self.state.params):,} numbers\n{call}"

    def _repr_html_(self) -> str:
        """Shows it in a notebook."""
        if self.game.networks is not None:
            return run_in_html(self.folder, self.state) + self._asked()
        what = f"<p><b>Export {escape(str(self.folder))}</b>: {size_of(self.state.params):,} numbers</p>"
        return what + self._asked()

    def _asked(self) -> str:
        rows = [(name, str(words)) for name, words in self.inputs.items()]
        return html_table(("is asked with", "what it is"), rows) if rows else ""

    def __call__(self, n: int | None = None, *, seed: int = 0, chunk: int = 256, **inputs: Any) -> Any:
        """Makes n samples, of which the i-th depends on the seed, i and its inputs alone.

        Args:
          n: how many, >= 1; if None, as many as the inputs have.
          seed: of the latents.
          chunk: samples made at once, which bounds memory.
          **inputs: as `jaxgan.sample` takes them: `y=3`, `x=photographs`, `z=latents`.
        Returns:
          samples [n, ...].
        Raises:
          ValueError: as `jaxgan.sample`.
        """
        return sample(self.game, self.state, jax.random.key(seed), n=n, chunk=chunk, **inputs)


def load(
    folder: str | Path, *, step: int | Literal["latest", "best"] = "latest", file: str | Path | None = None
) -> Loaded:
    """Loads a trained generator.

        generator = jg.load("runs/digits/RUN")
        images = generator(n=64, seed=0)

    Args:
      folder: of a run, or of an export, which needs none of the code that made it.
      step: of a run: which checkpoint.
      file: of a run: the experiment, where a file of the user's made it.
    Returns:
      Loaded, to be called.
    Raises:
      ValueError: the folder is neither, or its files do not fit together.
      CheckpointError: a run's checkpoint cannot be read.
    """
    folder = Path(folder)
    if not (folder / "export.json").exists():
        trained = loading.load(folder, step, file=None if file is None else Path(file))
        return Loaded(trained.experiment.game, trained.state, loading.inputs_in_words(trained), folder)
    page = read_page(folder / "export.json", format=int, programs=dict, inputs=dict)
    if page["format"] != FORMAT:
        raise ValueError(f"{folder}/export.json is of format {page['format']}; this version reads {FORMAT}")
    try:
        weights = load_file(folder / "generator.safetensors")
        programs = {name: _program(folder / name, weights) for name in (GENERATOR, LATENTS) if name in page["programs"]}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{folder} is no whole export: {error}") from error

    def generate(state: TrainState, key: Array, inputs: Mapping[str, Any]) -> Any:
        name = LATENTS if "z" in inputs else GENERATOR
        if name not in programs:
            raise ValueError(f"{folder} has no program of latents; ask by seed")
        asked = {k: v for k, v in inputs.items() if not (k == "index" and "z" in inputs)}
        if wrong := set(asked) - {"index", "z"} ^ set(page["inputs"]):
            raise ValueError(
                f"{folder} is asked with {sorted(page['inputs'])}; {sorted(wrong)} are missing or too many"
            )
        program, known = programs[name]
        return program.call({w: state.params[w] for w in known}, jax.random.key_data(key), asked)

    none = TrainState(*(None,) * 2, weights, {}, {}, {})  # type: ignore[arg-type]  # of a generator, params alone are used
    return Loaded(Game(_untrained, _untrained, generate), none, page["inputs"], folder)


def _program(path: Path, weights: Mapping[str, np.ndarray]) -> tuple[export.Exported, list[str]]:
    """Reads a program, and which of the weights it takes."""
    try:
        made = export.deserialize(bytearray(path.read_bytes()))
        known = list(jax.tree.unflatten(made.in_tree, made.in_avals)[0][0])
    except OSError:
        raise
    except Exception as error:  # whatever a damaged file makes the reader do
        raise ValueError(f"{path} is no program of jax.export: {error}") from error
    if lacking := sorted(set(known) - set(weights)):
        raise ValueError(f"{path} needs weights that its export lacks: {lacking[:5]}")
    return made, known


def _untrained(*given: Any) -> Any:
    raise ValueError("an export makes samples; to train on, go on from the run that it was made of")
