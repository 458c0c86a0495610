"""Samples of one training by averages of several kinds, kept side by side: what decides docs/decisions/averages.md.

Command: python benchmarks/averages.py --steps 3000 --features 8 --seeds 0 1 2
Takes: about a minute a seed on one CPU core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import jaxgan as jg
from experiments.digits import dcgan

GENERATOR = "generator"
DECAYS: dict[str, Callable[[float, jax.Array], jax.Array]] = {  # (final decay, steps so far) -> decay
    "constant": lambda d, n: jnp.float32(d),
    "warmed up": lambda d, n: jnp.minimum(d, (1 + n) / (10 + n)),
    "half-life of a twentieth": lambda d, n: jnp.minimum(d, 0.5 ** (1 / (0.05 * (n + 1)))),
}


def measure(config: dcgan.Config, marks: list[int], folder: Path) -> None:
    """Trains once and prints the Fréchet distance of samples by every kind of average at the marked steps."""
    judge = dcgan.judge(config, folder)
    game = dcgan.build(config, (config.size, config.size, 1), 0).game
    batch = jg.data.batch_at(dcgan.source(config), config.batch_size, config.seed)

    def variables(state: jg.TrainState) -> Any:
        return state.params[GENERATOR], state.model_state[GENERATOR]

    @jax.jit
    def step(state: jg.TrainState, averages: Any, batch: Any) -> Any:
        after, _ = game.train_step(state, batch)
        moved = {}
        for name, decay in DECAYS.items():
            kept = decay(config.ema, state.step)
            moved[name] = jax.tree.map(lambda a, b, k=kept: k * a + (1 - k) * b, averages[name], variables(after))
        return after, moved

    def distance(state: jg.TrainState, params: Any = None, statistics: Any = None, standing: bool = False) -> float:
        ema = {} if params is None else {GENERATOR: params}
        state = state._replace(ema=ema, ema_state={GENERATOR: statistics} if ema else {})
        if standing:
            state = jg.metrics.standing_statistics(game, state, jax.random.key(5))
        samples = jg.sample(game, state, jax.random.key(99), n=judge.samples)
        return judge.judge(samples).figures["frechet_distance"]

    state = game.init(jax.random.key(config.seed), batch(0))
    averages = {name: jax.tree.map(jnp.copy, variables(state)) for name in DECAYS}
    for number in range(max(marks)):
        state, averages = step(state, averages, batch(number))
        if number + 1 not in marks:
            continue
        distances = {"none": distance(state), "none, standing": distance(state, standing=True)}
        for name, (params, statistics) in averages.items():
            distances[f"{name}, plain statistics"] = distance(state, params, state.model_state[GENERATOR])
            distances[f"{name}, averaged statistics"] = distance(state, params, statistics)
            distances[f"{name}, standing statistics"] = distance(state, params, statistics, standing=True)
        for name, value in distances.items():
            print(f"seed {config.seed} step {number + 1:>5}  {value:8.1f}  {name}", flush=True)


def main() -> None:
    """Measures each seed."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--steps", type=int, default=3000)
    flags.add_argument("--features", type=int, default=8)
    flags.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    flags.add_argument("--out", type=Path, default=Path("runs/averages"))
    given = flags.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds:
        config = replace(
            dcgan.Config(),
            seed=seed,
            steps=given.steps,
            generator_features=given.features,
            discriminator_features=given.features,
            judge_steps=300,
        )
        measure(config, [min(800, given.steps), given.steps], given.out)


if __name__ == "__main__":
    main()
