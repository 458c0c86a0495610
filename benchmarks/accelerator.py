"""Full-size train steps on one accelerator: steps a second, share of the peak rate, memory, waiting for data.

Command: python -m benchmarks accelerator [--minutes 7.5] [--cases dcgan64 ...] [--json PATH] [--chart PATH]
DCGAN of 64 pixels, BigGAN of 128, StyleGAN2 and R3GAN of 256, at the published sizes of their networks with one
device's batch, in float32 and bfloat16; where torch is importable, beside DCGAN in PyTorch, channels-last and compiled.

Each case runs in a process of its own, which is ended when its share of the minutes is over, so that the whole ends in
time; what was not reached is named. Batches come from arrays of noise by `jaxgan.data.batches`; the step waits for its
data while `next` runs. Operations are counted of the step as it is written, without what it does at rare steps (R1 and
path lengths of StyleGAN2), so that the share of the peak is a lower bound. Peak rates are those of the vendors' data
sheets, dense; of float32 at the precision that JAX takes by default (TF32 on NVIDIA's, bfloat16 on TPUs).

`--smoke` takes tiny networks in bfloat16, compiled in haste; it runs on a CPU, of which no peak rate is known.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import pairs

ROOT = Path(__file__).parents[1]
# Sizes as published: R3GAN "FFHQ-256", StyleGAN2 "paper256", BigGAN with "ch" 96, which compiles longest.
SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "dcgan64": ("dcgan", {"size": 64, "features": 128, "batch": 128}),
    "stylegan2_256": ("stylegan2", {"size": 256, "features": 64, "widest": 512, "lazy": True, "batch": 16}),
    "r3gan256": (
        "r3gan",
        {"size": 256, "features": (768, 768, 768, 768, 384, 192, 96), "blocks": 2, "batch": 16},
    ),
    "biggan128": ("biggan", {"size": 128, "features": 96, "classes": 1000, "batch": 64}),
}
SMOKE: dict[str, dict[str, Any]] = {
    "dcgan64": {"size": 16, "features": 4, "batch": 4},
    "stylegan2_256": {"size": 8, "features": 4, "batch": 4},
    "r3gan256": {"size": 8, "features": 8, "blocks": 1, "batch": 4},
    "biggan128": {"size": 16, "features": 2, "classes": 4, "batch": 4},
}
TYPES = ("float32", "bfloat16")
TORCH = "dcgan64 in torch"
# 1e12 operations a second of the matrix units, (float32 by default, bfloat16); by a part of the device's kind.
PEAKS = {
    "H200": (494.7, 989.4),
    "H100 PCIe": (378.0, 756.0),
    "H100": (494.7, 989.4),
    "A100": (156.0, 312.0),
    "L4": (60.5, 121.0),
    "TPU v4": (275.0, 275.0),
    "TPU v5 lite": (197.0, 197.0),
    "TPU v5p": (459.0, 459.0),
    "TPU v6 lite": (918.0, 918.0),
}
LEAST = 20.0  # seconds that a case is worth beginning for


def peak(kind: str, dtype: str) -> float | None:
    """Returns a device's operations a second, or None where they are not known."""
    for part, rates in PEAKS.items():
        if part in kind:
            return 1e12 * rates[TYPES.index(dtype)]
    return None


def measured(name: str, dtype: str, seconds: float, smoke: bool) -> dict[str, Any]:
    """Measures one case in this process.

    Args:
      name: of SIZES.
      dtype: of the networks' computation.
      seconds: that it may take all together; steps are played for at most a fifth of it, and three at least.
      smoke: tiny networks.
    Returns:
      device, parameters, operations, seconds to compile, steps, steps a second, share of the peak or None, share of the
      time waiting for data, peak bytes of the device or of the compiled program.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxgan as jg
    from benchmarks import games, operations

    began = time.perf_counter()
    game, sizes = SIZES[name]
    sizes = dict(SMOKE[name] if smoke else sizes)
    case = games.measured(game, dtype=jnp.bfloat16 if dtype == "bfloat16" else None, **sizes)
    batch = sizes["batch"]
    pixels = np.random.default_rng(0).integers(0, 256, (4 * batch, *case.batch["x"].shape[1:]), dtype=np.uint8)
    labels = np.arange(len(pixels), dtype=np.int32) % sizes["classes"] if "classes" in sizes else None
    source = jg.data.arrays(jg.data.from_uint8(pixels), labels)
    state = case.game.init(jax.random.key(0), case.batch)
    total = operations.analytic(case.game.train_step, state, case.batch, branch=min)
    compiling = time.perf_counter()
    step = jax.jit(case.game.train_step, donate_argnums=0).lower(state, case.batch).compile()
    compiled = time.perf_counter() - compiling
    waiting, steps = 0.0, 0
    stream = jg.data.batches(source, batch, seed=0)
    state, metrics = step(state, next(stream))
    jax.block_until_ready(metrics)
    first = time.perf_counter()
    until = min(began + seconds, first + seconds / 5)
    while steps < 3 or time.perf_counter() < until:
        asked = time.perf_counter()
        examples = next(stream)
        waiting += time.perf_counter() - asked
        state, metrics = step(state, examples)
        jax.block_until_ready(metrics)
        steps += 1
    took = time.perf_counter() - first
    device = jax.devices()[0]
    stats, rate = device.memory_stats() or {}, peak(device.device_kind, dtype)
    return {
        "device": device.device_kind,
        "parameters": games.parameters(case),
        "operations": total,
        "compile_seconds": compiled,
        "steps": steps,
        "steps_a_second": steps / took,
        "share_of_peak": total * steps / took / rate if rate else None,
        "waiting": waiting / took,
        "peak_bytes": stats.get("peak_bytes_in_use") or operations.peak_bytes(step),
    }


def beside(dtype: str, seconds: float, smoke: bool) -> dict[str, Any]:
    """Measures DCGAN in PyTorch, channels-last, with fused Adam, as it is and compiled; on CUDA where there is one.

    Returns:
      device, and steps a second by way; a way that does not run is named with its reason.
    """
    import torch

    from benchmarks import games, torch_steps

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sizes = SMOKE["dcgan64"] if smoke else SIZES["dcgan64"][1]
    x = torch.tensor(games.pictures(sizes["batch"], sizes["size"])).permute(0, 3, 1, 2).to(device)
    rates: dict[str, Any] = {"device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu"}
    for name, compiled in (("torch channels-last", False), ("torch channels-last, compiled", True)):
        form = torch_steps.Form(channels_last=True, fused=True, compiled=compiled)
        try:
            run, _ = torch_steps.dcgan(sizes["features"], x, form, normalized=True, r1=0.0)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
                run()
                run()
                steps, first = 0, time.perf_counter()
                while steps < 3 or time.perf_counter() < first + seconds / 10:
                    run()
                    steps += 1
            rates[name] = steps / (time.perf_counter() - first)
        except Exception as error:  # torch's own, of any kind: it is reported, and the other way is measured
            rates[name] = f"not measured: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:150]}"
    return rates


def elsewhere(name: str, dtype: str, seconds: float, smoke: bool) -> dict[str, Any]:
    """Measures a case in a process of its own; what keeps it from an end in time stands under "missing"."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "case.json"
        line = [
            sys.executable,
            "-m",
            "benchmarks",
            "accelerator",
            "--one",
            name,
            dtype,
            str(0.8 * seconds),
            str(output),
        ]
        line += ["--smoke"] if smoke else []
        quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"} if smoke else {}  # tiny programs run shorter than they compile
        given = os.environ | {"PYTHONPATH": str(ROOT)} | quick
        try:
            answer = subprocess.run(line, cwd=ROOT, env=given, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return {"missing": f"did not end within its {seconds:.0f} seconds; give more by --minutes or fewer --cases"}
        if answer.returncode or not output.exists():
            return {"missing": (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]}
        return json.loads(output.read_text())


def row(name: str, dtype: str, each: dict[str, Any]) -> str:
    """Writes one line of the table."""
    if "missing" in each:
        return f"{name:15} {dtype:9} not measured: {each['missing']}"
    if "steps_a_second" not in each:
        ways = [f"{way} {rate if isinstance(rate, str) else f'{rate:.2f}'}" for way, rate in each.items()]
        return f"{name:15} {dtype:9} {'; '.join(ways)}"
    share = "unknown" if each["share_of_peak"] is None else f"{each['share_of_peak']:.1%}"
    return (
        f"{name:15} {dtype:9} {each['steps_a_second']:8.2f} {each['operations'] / 1e9:10.4g} {share:>8} "
        f"{each['peak_bytes'] / 1e6:9.1f} {each['waiting']:8.1%} {each['compile_seconds']:10.1f}"
    )


def main() -> None:
    """Prints the table, case by case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks accelerator", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--types", nargs="+", choices=TYPES, help="both, but for --smoke")
    parser.add_argument("--minutes", type=float, default=7.5, help="that all of it may take")
    parser.add_argument("--smoke", action="store_true", help="tiny networks, under two minutes")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)  # what `elsewhere` starts
    pairs.add_outputs(parser)
    flags = parser.parse_args()
    flags.types = flags.types or (["bfloat16"] if flags.smoke else list(TYPES))
    if flags.one:
        name, dtype, seconds, output = flags.one
        measure = beside if name == TORCH else lambda *rest: measured(name, *rest)
        Path(output).write_text(json.dumps(measure(dtype, float(seconds), flags.smoke)))
        return
    end = time.monotonic() + 60 * (min(flags.minutes, 1.8) if flags.smoke else flags.minutes)
    cases = [(name, dtype) for name in flags.cases for dtype in flags.types]
    if "dcgan64" in flags.cases and importlib.util.find_spec("torch"):
        cases += [(TORCH, dtype) for dtype in flags.types]
    elif "dcgan64" in flags.cases:
        print("torch is not importable here, so that nothing is measured beside")
    print(
        f"{'case':15} {'type':9} {'steps/s':>8} {'G ops/step':>10} {'of peak':>8} {'peak MB':>9} {'waiting':>8} "
        f"{'compile s':>10}"
    )
    results: dict[str, dict[str, Any]] = {}
    for done, (name, dtype) in enumerate(cases):
        seconds = (end - time.monotonic()) / (len(cases) - done)
        least = 1.0 if flags.smoke else LEAST
        late = {"missing": "the minutes were over"}
        results[f"{name}, {dtype}"] = each = late if seconds < least else elsewhere(name, dtype, seconds, flags.smoke)
        print(row(name, dtype, each), flush=True)
    print(f"device: {next((each['device'] for each in results.values() if 'device' in each), 'none was reached')}")
    if flags.json:
        pairs.write_json(flags.json, results)
    if flags.chart:
        rates = {name: each.get("steps_a_second", 0.0) for name, each in results.items()}
        bars = {name: pairs.Quartiles(rate, rate, rate) for name, rate in rates.items()}
        pairs.draw_bars(flags.chart, {"": bars}, "steps a second")


if __name__ == "__main__":
    main()
