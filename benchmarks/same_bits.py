"""Does the code of now play the same games as an earlier commit, bit for bit?

Checks out that commit beside this one and runs both on this machine, in the same way, each in processes of its own:
every system with tiny networks, every dynamics, and every experiment with the settings of its `--smoke` run. Of games
it compares the train state after three steps; of experiments that end in tables, the tables. Bits differ between
processors, so none are stored.

Command: python benchmarks/same_bits.py [--base COMMIT] [--only NAME-PART]
It prints a line for each case, equal or the first leaf that differs and by how much; the exit code is 1 if any differs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
BASE = "6be93f9"  # the last commit before systems were written with adversaries
STEPS = 3
Case = Callable[[Path], dict[str, Any]]  # a scratch folder -> by name, arrays or numbers


def main() -> int:
    """Runs the command line; returns its exit code."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--base", default=BASE)
    flags.add_argument("--only", default="")
    flags.add_argument("--worker", help=argparse.SUPPRESS)
    asked = flags.parse_args()
    if asked.worker:
        return work(Path(asked.worker), asked.only)
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "base"
        subprocess.run(["git", "worktree", "add", "--detach", str(base), asked.base], cwd=ROOT, check=True)
        try:
            results = [run(tree, Path(scratch) / name, asked.only) for name, tree in (("old", base), ("new", ROOT))]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(base)], cwd=ROOT, check=True)
        names = sorted({path.stem for result in results for path in result.glob("*.npz")})
        lines = {name: difference(*(result / f"{name}.npz" for result in results)) for name in names}
    for name, line in lines.items():
        print(f"{name:40} {line or 'equal'}")
    print(f"{sum(not line for line in lines.values())} of {len(lines)} equal")
    return int(any(lines.values()))


def run(tree: Path, out: Path, only: str) -> Path:
    """Runs all cases by the code of a tree; returns the folder with what came of them."""
    out.mkdir()
    program = [sys.executable, __file__, "--worker", str(out), "--only", only]
    subprocess.run(program, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, check=True)
    return out


def work(out: Path, only: str) -> int:
    """Runs all cases by the code in reach, and writes what came of each."""
    import jax

    for name, case in cases():
        if only in name:
            print(f"{out.name}: {name}", flush=True)
            jax.clear_caches()
            np.savez(out / f"{name}.npz", **case(out))
    return 0


def cases() -> Iterator[tuple[str, Case]]:
    """Yields every case by name."""
    import jaxgan as jg
    from tests.systems.tiny import TINY

    for name, make in TINY.items():
        yield f"system-{name}", lambda scratch, make=make: after_steps(jg.game(*make()[:2]), [make()[2]] * STEPS)
    for name, system, networks, batch in two_player_systems():
        yield (
            f"system-{name}",
            lambda scratch, case=(networks, system, batch): after_steps(jg.game(*case[:2]), [case[2]] * STEPS),
        )
    for name, dynamics in all_dynamics().items():
        yield f"dynamics-{name}", lambda scratch, dynamics=dynamics: after_steps(*ring_game(dynamics))
    yield from experiments()


def two_player_systems() -> Iterator[tuple[str, Any, Any, Any]]:
    """Yields `gan` with each of its options, and StyleGAN2's game: name, system, networks, batch."""
    import jax
    import jax.numpy as jnp
    import optax

    import jaxgan as jg
    from jaxgan.networks import mlp, stylegan2
    from jaxgan.networks.remedies import Replay

    x = jax.random.normal(jax.random.key(7), (8, 2))
    images = jnp.tanh(jax.random.normal(jax.random.key(8), (8, 8, 8, 1)))
    pair = {"generator": mlp.Generator((2,), (8,)), "discriminator": mlp.Discriminator((8,))}
    common = {"loss": jg.losses.hinge, "prior": jg.priors.normal(3), "optimizer": optax.adam(1e-2, b1=0.5)}
    noise = jg.augment.instance_noise(0.3)
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "penalty": {"penalty": jg.penalties.gradient_penalty(10.0)},
        "penalties": {"penalty": jg.penalties.total(jg.penalties.r1(1.0), jg.penalties.every(2, jg.penalties.r2(1.0)))},
        "dragan": {"penalty": jg.penalties.dragan(1.0)},
        "augment": {"augment": noise},
        "n_critic": {"n_critic": 2},
        "latents": {"optimize_latents": jg.systems.latent_optimization()},
        "turn": {"loss": lambda turn: jg.losses.flipped(jg.losses.minimax, 0.3, turn)},
        "replay": {"replay": "pool"},
    }
    for name, option in options.items():
        networks = pair | ({"pool": Replay(16)} if name == "replay" else {})
        yield f"gan-{name}", jg.systems.gan(**common | option), networks, {"x": x}
    yield "zcr", jg.systems.zcr(jg.systems.gan(**common), jg.priors.normal(3)), pair, {"x": x}
    yield (
        "several",
        jg.systems.several_discriminators(jg.systems.gan(**common), 2, 1.0),
        {
            "generator": pair["generator"],
            **{f"discriminator_{k}": pair["discriminator"] for k in range(2)},
        },
        {"x": x},
    )
    mixture = jg.systems.mixture(jg.systems.gan(**common), 2)
    members = {f"{side}_{k}": pair[side] for side in pair for k in range(2)}
    weights = {f"{side}_weights": jg.systems.MixtureWeights(2) for side in pair}
    yield "mixture", mixture, members | weights, {"x": x}
    style = {
        "generator": stylegan2.Generator(channels=1, size=8, features=4, max_features=8, hidden=(8, 8)),
        "discriminator": stylegan2.Discriminator(size=8, features=4, max_features=8),
    }
    for name, augment in (("stylegan2", None), ("stylegan2-ada", "ada")):
        system = jg.systems.stylegan2(
            prior=jg.priors.normal(8),
            optimizer=optax.adam(1e-3),
            penalty=jg.penalties.every(2, jg.penalties.r1(1.0)),
            augment=augment,
        )
        yield name, system, style | ({"ada": jg.augment.Adaptive(initial=0.5)} if augment else {}), {"x": images}


def all_dynamics() -> dict[str, Any]:
    """Returns every dynamics by name, ready to use."""
    import jaxgan as jg

    made = {"consensus": (1.0,), "symplectic": (1.0,), "competitive": (1e-2, 3), "unrolled": (2,)}
    return {name: getattr(jg.dynamics, name)(*made.get(name, ())) for name in jg.dynamics.__all__ if name != "gated"}


def ring_game(dynamics: Any) -> tuple[Any, list[Any]]:
    """Returns a small game on the ring under a dynamics, and its batches."""
    import optax

    import jaxgan as jg

    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(3),
        optimizer=optax.sgd(1e-2),
        penalty=jg.penalties.r1(1.0),
    )
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (8,)),
        "discriminator": jg.networks.mlp.Discriminator((8,)),
    }
    read = jg.data.batch_at(jg.data.ring(), 16, 0)
    return jg.game(networks, system, dynamics=dynamics, ema={"generator": 0.9}), [read(k) for k in range(STEPS)]


def after_steps(game: Any, batches: list[Any], cut: bool = False) -> dict[str, Any]:
    """Returns the leaves of the train state after a step for each batch; `cut`: batches hold all updates of a step."""
    import jax
    import jax.numpy as jnp

    if game.updates > 1 and not cut:
        batches = [jax.tree.map(lambda x: jnp.concatenate([x] * game.updates), batch) for batch in batches]
    state, step = game.init(jax.random.key(0), batches[0]), jax.jit(game.train_step)
    for batch in batches:
        state, _ = step(state, batch)
    state = state._replace(key=jax.random.key_data(state.key))
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state._asdict())
    }


def experiments() -> Iterator[tuple[str, Case]]:
    """Yields every experiment with the settings of a smoke run; those of other people's data have none to run on."""
    from experiments import EXPERIMENTS, TABLES

    for name, module in EXPERIMENTS.items():
        if name not in ("tfds", "folder"):
            yield f"experiment-{name}", functools.partial(experiment_steps, module)
    for name in TABLES:
        yield f"table-{name}", functools.partial(table_rows, name)


def experiment_steps(module: Any, scratch: Path) -> dict[str, Any]:
    """Returns the state of an experiment's game after three steps on its own data."""
    import jaxgan as jg

    module = importlib.import_module(module) if isinstance(module, str) else module
    config = dataclasses.replace(module.Config(), **module.SMOKE)
    source = module.source(config)
    read = jg.data.batch_at(source, config.batch_size * getattr(config, "n_critic", 1), config.seed)
    game = module.build(config, tuple(read(0)["x"].shape[1:]), source.classes).game
    return after_steps(game, [read(step) for step in range(STEPS)], cut=True)


def table_rows(name: str, scratch: Path) -> dict[str, Any]:
    """Returns the cells of an experiment's tables, as text with all digits; not the seconds that they took."""
    from experiments.__main__ import main as command

    with contextlib.redirect_stdout(io.StringIO()):
        code = command([name, "--smoke", "--out", str(scratch), "--id", "bits"])
    if code:
        raise RuntimeError(f"the smoke run of {name} ended with {code}")
    page = json.loads((scratch / name / "bits" / "table.json").read_text())
    cells = {
        f"{number}-{k}-{column}".replace("/", " per "): np.array(str(cell))
        for number, table in enumerate(page["tables"])
        for k, row in enumerate(table["rows"])
        for column, cell in row.items()
        if column != "seconds"
    }
    return cells


def difference(old: Path, new: Path) -> str:
    """Says in words where two results differ; "" if nowhere."""
    if not old.exists() or not new.exists():
        return f"only in the {'new' if new.exists() else 'old'} code"
    with np.load(old) as one, np.load(new) as other:
        if one.files != other.files:
            return f"leaves differ: {sorted(set(one.files) ^ set(other.files))}"
        for name in one.files:
            a, b = one[name], other[name]
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"{name} is {a.dtype}{a.shape}, was {b.dtype}{b.shape}"
            if a.tobytes() != b.tobytes():
                gap = np.max(np.abs(a.astype(np.float64) - b)) if np.issubdtype(a.dtype, np.number) else "not a number"
                return f"{name} differs by {gap}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
