"""One case of `benchmarks.peers`, in an environment that has torch: all its ways in one process, in turns."""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks import games, naive, pairs, torch_steps
from benchmarks.peers import CASES, OURS
from benchmarks.torch_steps import Form
from jaxgan import parallel

EAGER, LAST, FUSED = Form(), Form(channels_last=True), Form(channels_last=True, fused=True)
COMPILED = Form(channels_last=True, fused=True, compiled=True)
SEGMENT = 20  # steps that a call of `parallel.segments` takes
CALLS = {"ring": 3 * SEGMENT, "ring_narrow": 3 * SEGMENT}  # in a row: their steps take a millisecond


class Side(NamedTuple):
    """A way of playing one step of a case."""

    way: pairs.Way
    parameters: int
    losses: tuple[float, float]  # of the discriminator and the generator, in the first step


Made = tuple[pairs.Way, int]


def ours(name: str, **sizes: Any) -> Callable[[], Made]:
    """Returns what prepares our step of a game."""

    def make() -> Made:
        case = games.measured(name, **sizes)
        play = games.step(case)

        def run() -> tuple[float, float]:
            metrics = play()
            return float(metrics["discriminator/loss"]), float(metrics["generator/loss"])

        return run, games.parameters(case)

    return make


def by_segments(name: str, **sizes: Any) -> Callable[[], Made]:
    """Returns what prepares the same as one program for twenty steps, which every twentieth call plays."""

    def make() -> Made:
        case = games.measured(name, **sizes)
        play = parallel.segments(case.game, SEGMENT)
        batches = jax.device_put(parallel.stack([case.batch] * SEGMENT))
        state, metrics = case.game.init(jax.random.key(0), case.batch), {}
        called = itertools.count()

        def run() -> tuple[float, float]:
            nonlocal state, metrics
            place = next(called) % SEGMENT
            if place == 0:
                state, metrics = play(state, batches)
                metrics = {name: np.asarray(values) for name, values in metrics.items()}
            return float(metrics["discriminator/loss"][place]), float(metrics["generator/loss"][place])

        return run, games.parameters(case)

    return make


def dcgan_shared(batch: int, features: int) -> dict[str, Callable[[], Made]]:
    """DCGAN with batch normalisation, where both players play on one batch of samples, as does torch's step."""
    x = torch.tensor(games.pictures(batch)).permute(0, 3, 1, 2).contiguous()

    def theirs(form: Form) -> Callable[[], Made]:
        return lambda: torch_steps.dcgan(features, x, form._replace(shared=True), normalized=True, r1=0.0)

    return {
        OURS: ours("dcgan", batch=batch, features=features, shared=True),
        "jaxgan, samples for each turn": ours("dcgan", batch=batch, features=features),
        "torch eager": theirs(EAGER),
        "torch channels-last": theirs(LAST),
        "torch channels-last, fused Adam": theirs(FUSED),
    }


def dcgan(batch: int, features: int, normalized: bool) -> dict[str, Callable[[], Made]]:
    """DCGAN, with batch normalisation or R1."""
    pixels, r1 = games.pictures(batch), 0.0 if normalized else 1.0
    x = torch.tensor(pixels).permute(0, 3, 1, 2).contiguous()

    def theirs(form: Form) -> Callable[[], Made]:
        return lambda: torch_steps.dcgan(features, x, form, normalized=normalized, r1=r1)

    ways = {
        OURS: ours("dcgan" if normalized else "dcgan_r1", batch=batch, features=features),
        "torch eager": theirs(EAGER),
        "torch channels-last": theirs(LAST),
        "torch channels-last, fused Adam": theirs(FUSED),
    }
    if normalized:  # torch.compile differentiates once only, R1 twice
        ways["torch compiled, fused Adam"] = theirs(COMPILED)
    step = {"normalized": normalized, "r1": r1}
    return ways | {"naive Flax": lambda: naive.step(features, jnp.asarray(pixels), **step)}


def ring(batch: int, features: int) -> dict[str, Callable[[], Made]]:
    """Two hidden layers."""
    x = torch.tensor(games.measured("ring", batch=batch, features=features).batch["x"])
    return {
        OURS: ours("ring", batch=batch, features=features),
        f"jaxgan, {SEGMENT} steps a call": by_segments("ring", batch=batch, features=features),
        "torch eager": lambda: torch_steps.ring(features, x, EAGER),
        "torch fused Adam": lambda: torch_steps.ring(features, x, Form(fused=True)),
    }


def cases(smoke: bool, r3gan: Path | None, stylegan2: Path | None) -> dict[str, Callable[[], Any]]:
    """What is measured, by name; each returns its ways by name.

    Args:
      smoke: small batches.
      r3gan: a clone of the authors' repository, or None.
      stylegan2: likewise.
    Returns:
      Functions that prepare the ways, and raise where a peer is missing.
    """

    def images(batch: int) -> torch.Tensor:
        return torch.tensor(games.pictures(batch)).permute(0, 3, 1, 2).contiguous()

    def authors(step: Any, folder: Path | None, name: str, batch: int, features: int) -> dict[str, Callable[[], Made]]:
        if folder is None:
            raise FileNotFoundError(f"no clone of its authors' repository; give --{name} PATH")
        x = images(batch)
        forms = {"authors' networks": EAGER, "authors', channels-last, fused Adam": FUSED}
        theirs = {way: (lambda form=form: step(folder, features, x, form)) for way, form in forms.items()}
        return {OURS: ours(name, batch=batch, features=features)} | theirs

    size = {True: 4, False: 64}[smoke]
    wide = 8 if smoke else 64
    return {
        "dcgan": lambda: dcgan(size, wide, True),
        "dcgan_r1": lambda: dcgan(size, wide, False),
        "dcgan_shared": lambda: dcgan_shared(size, wide),
        "sngan": lambda: {
            OURS: ours("sngan", batch=min(16, size)),
            "torch-mimicry": lambda: torch_steps.mimicry(images(min(16, size)), EAGER),
            "torch-mimicry, channels-last, fused Adam": lambda: torch_steps.mimicry(images(min(16, size)), FUSED),
        },
        "r3gan": lambda: authors(torch_steps.r3gan, r3gan, "r3gan", min(32, size), wide),
        "stylegan2": lambda: authors(torch_steps.stylegan2, stylegan2, "stylegan2", min(32, size), 8 if smoke else 32),
        "ring": lambda: ring(256, 128),
        "ring_narrow": lambda: ring(64, 32),
    }


def prepared(ways: dict[str, Callable[[], Made]]) -> tuple[dict[str, Side], dict[str, str]]:
    """Makes every way and plays its first step.

    Returns:
      (sides by name, why the others do not run by name).
    """
    sides, missing = {}, {}
    for name, make in ways.items():
        try:
            way, parameters = make()
            sides[name] = Side(way, parameters, way())
        except Exception as error:  # a peer's own, of any kind: it is reported, and the others are measured
            if name == OURS:
                raise
            missing[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
    return sides, missing


def measured(name: str, flags: argparse.Namespace) -> dict[str, Any]:
    """Measures one case.

    Returns:
      versions, parameters and first losses by way, comparisons by way, why ways are missing.
    Raises:
      ValueError: networks do not have equally many parameters, so that steps are not comparable.
    """
    versions = {package: importlib.metadata.version(package) for package in ("torch", "jax", "jaxlib")}
    try:
        ways = cases(flags.smoke, flags.r3gan, flags.stylegan2)[name]()
    except FileNotFoundError as error:
        return {"versions": versions, "missing": {"authors' networks": str(error)}, "comparisons": {}}
    sides, missing = prepared(ways)
    if len({side.parameters for side in sides.values()}) > 1:
        counts = {way: side.parameters for way, side in sides.items()}
        raise ValueError(f"the networks of {name!r} are not equal; they have {counts} parameters")
    times = pairs.interleaved(
        {way: side.way for way, side in sides.items()},
        flags.rounds,
        seconds=flags.seconds,
        calls=CALLS.get(name, 1),
        pause=0.02,
    )
    return {
        "versions": versions,
        "parameters": next(iter(sides.values())).parameters,
        "losses": {way: side.losses for way, side in sides.items()},
        "comparisons": pairs.compared(times, OURS),
        "missing": missing,
    }


def write_case() -> None:
    """Measures the case that the command line names, and writes it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides", description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--r3gan", type=Path)
    parser.add_argument("--stylegan2", type=Path)
    parser.add_argument("--smoke", action="store_true")
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    jax.config.update("jax_compilation_cache_dir", None)
    flags.output.write_text(json.dumps(pairs.named(measured(flags.case, flags))))


if __name__ == "__main__":
    write_case()
