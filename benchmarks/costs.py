"""Writes, or prints, what the steps of ten tiny games cost by count: operations, collectives, bytes, traces.

Command: python -m benchmarks costs [--record]    (a minute or two; no clock is read)
Each step is compiled for two simulated devices, its batch split over them, and its optimised program is counted, as
each of the devices runs it. `--record` writes tests/costs.json, which `tests/test_costs.py` holds the code to, within
2 %; without it the same JSON goes to the screen.

The numbers depend on the release of jaxlib, which is written beside them. They do not depend on the processor's vector
units, its number of cores, or how hard LLVM optimises: on one x86 machine all counts of dcgan, r3gan, biggan, stylegan2
and ring were those recorded with XLA_FLAGS=--xla_cpu_max_isa=SSE4_2 and NPROC=1, with AVX2 and NPROC=8, and with AVX512
and LLVM's optimisations, which are left out here to compile in less time.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

DEVICES = 2
RECORD = Path(__file__).parents[1] / "tests" / "costs.json"
OPTIONS = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}  # of code, not of HLO
# What would compile other programs than a user's; the tests' conftest sets several of these.
FORGET = ("JAX_DISABLE_MOST_OPTIMIZATIONS", "JAX_ENABLE_X64", "JAX_COMPILATION_CACHE_DIR")


def environment(given: dict[str, str], devices: int = DEVICES) -> dict[str, str]:
    """Returns a process's environment in which programs compile as a user's do, for simulated CPU devices."""
    kept = {name: value for name, value in given.items() if name not in FORGET}
    flags = f"--xla_force_host_platform_device_count={devices}"
    return kept | {"JAX_PLATFORMS": "cpu", "NPROC": "2", "XLA_FLAGS": flags}


def cost(name: str) -> dict[str, Any]:
    """Counts one tiny game's step on all devices that there are.

    Args:
      name: of `games.GAMES`.
    Returns:
      operations (of convolutions and matrix products, on one device), collectives by kind, sent (their bytes),
      peak_bytes (of one device) and traces (of the step, for a first state and for the state after a step).
    """
    import jax

    from benchmarks import games, operations
    from jaxgan.parallel import data_parallel

    case = games.tiny(name)
    counted, traces = operations.counted(case.game.train_step)
    parallel = data_parallel(case.game._replace(train_step=counted), "sharded")
    state = jax.eval_shape(case.game.init, jax.random.key(0), case.batch)
    batch = games.minibatches(case)
    lowered = parallel.step.lower(state, batch)
    after, _ = lowered.out_info
    parallel.step.lower(jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), after), batch)
    program = lowered.compile(compiler_options=OPTIONS)
    counts = operations.compiled(program.as_text())
    return {
        "operations": counts.convolutions + counts.dots,
        "collectives": counts.collectives,
        "sent": counts.sent,
        "peak_bytes": operations.peak_bytes(program),
        "traces": len(traces),
    }


def costs() -> dict[str, Any]:
    """Counts all games; returns them with the release of jaxlib."""
    from importlib.metadata import version

    from benchmarks import games

    return {"jaxlib": version("jaxlib"), "games": {name: cost(name) for name in games.GAMES}}


def main() -> None:
    """Records or prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks costs", description=__doc__.split("\n")[0])
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.parent.name}/{RECORD.name}")
    flags = parser.parse_args()
    clean = environment(dict(os.environ))
    os.environ.clear()
    os.environ.update(clean)
    text = json.dumps(costs(), indent=1) + "\n"
    if flags.record:
        RECORD.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
