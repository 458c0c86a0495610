"""Our train steps beside those of PyTorch, of public GAN libraries and of plain Flax, on the CPU of this machine.

Command: python -m benchmarks peers [--make] [--environment PATH] [--r3gan CLONE] [--stylegan2 CLONE] [--cases ...]
Every case runs in a process of its own, with as many threads for JAX as for torch (`--threads`), all ways in turns: the
tables give medians, and ratios to jaxgan's time of the same round (above 1: jaxgan is faster). CPU seconds are the
steady measure. Networks are checked to have equally many parameters; the losses of the first step are printed. What
does not import or run is named, with the reason.

The environment is made by `--make`, which prints and runs these lines (torch takes a gigabyte; `--torch SPEC` names
another build, such as one for CPUs only):

    python -m venv PATH
    PATH/bin/pip install torch
    PATH/bin/pip install --no-deps torch-mimicry

and a .pth file, which lends it the packages of the Python that runs this: JAX, NumPy and the rest. The two repositories
are cloned by hand, and nothing of them is kept here:

    git clone https://github.com/brownvc/R3GAN CLONE
    git clone https://github.com/NVlabs/stylegan2-ada-pytorch CLONE

torch-mimicry's package imports TensorFlow for its metrics; its networks and train steps are loaded without them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import pairs

ROOT = Path(__file__).parents[1]
CASES = ("dcgan", "dcgan_shared", "dcgan_r1", "sngan", "r3gan", "stylegan2", "ring", "ring_narrow")
OURS = "jaxgan"


def default_environment() -> Path:
    """Returns where the environment is made unless another place is named: the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgan" / "peers"


def make(environment: Path, torch: str) -> None:
    """Makes the environment.

    Args:
      environment: a folder, new or made so before.
      torch: what pip installs for torch.
    Raises:
      subprocess.CalledProcessError: a line failed; pip has said why.
    """
    python = str(environment / "bin" / "python")
    for line in (
        [sys.executable, "-m", "venv", str(environment)],
        [python, "-m", "pip", "install", torch],
        [python, "-m", "pip", "install", "--no-deps", "torch-mimicry"],
    ):
        print("$", *line, flush=True)
        subprocess.run(line, check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    lent = environment / "lib" / version / "site-packages" / "lent_by_jaxgan.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n")


def case(name: str, flags: argparse.Namespace) -> dict[str, Any]:
    """Measures one case in a process of its own; what keeps it from running stands under "missing"."""
    threads = str(flags.threads)
    quiet = {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE", "NPROC": threads, "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "case.json"
        line = [str(flags.environment / "bin" / "python"), "-m", "benchmarks.sides", name, str(output)]
        line += ["--rounds", str(flags.rounds), "--seconds", str(flags.seconds), "--threads", threads]
        for peer in ("r3gan", "stylegan2"):
            if clone := getattr(flags, peer):
                line += [f"--{peer}", str(clone.resolve())]
        line += ["--smoke"] if flags.smoke else []
        given = os.environ | quiet | {"PYTHONPATH": str(ROOT)}
        answer = subprocess.run(line, cwd=ROOT, env=given, stderr=subprocess.PIPE, text=True)
        if answer.returncode or not output.exists():
            reason = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
            return {"missing": {"all": reason}, "comparisons": {}}
        return json.loads(output.read_text())


def report(name: str, result: dict[str, Any]) -> str:
    """Writes one case's table, its losses, and what is missing."""
    lines = []
    if result["comparisons"]:
        comparisons = {way: restored(each) for way, each in result["comparisons"].items()}
        lines.append(pairs.table(f"{name}, {result['parameters']:,} parameters", comparisons, OURS))
        losses = [f"{way} {d:.2f} {g:.2f}" for way, (d, g) in result["losses"].items()]
        lines.append(f"first losses of discriminator and generator: {'; '.join(losses)}")
    lines += [f"{name}: {way} was not measured: {reason}" for way, reason in result["missing"].items()]
    return "\n".join(lines)


def restored(stored: dict[str, Any]) -> pairs.Comparison:
    """Reads a comparison back from JSON."""
    wall, cpu, wall_ratio, cpu_ratio = (pairs.Quartiles(**stored[field]) for field in pairs.Comparison._fields[:4])
    return pairs.Comparison(wall, cpu, wall_ratio, cpu_ratio, stored["rounds"])


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__.split("\n")[0])
    parser.add_argument("--environment", type=Path, default=default_environment(), metavar="PATH")
    parser.add_argument("--make", action="store_true", help="make the environment first (see the top of this file)")
    parser.add_argument("--torch", default="torch", metavar="SPEC", help="what --make installs, such as torch==2.13.0")
    parser.add_argument("--r3gan", type=Path, metavar="CLONE", help="of brownvc/R3GAN")
    parser.add_argument("--stylegan2", type=Path, metavar="CLONE", help="of NVlabs/stylegan2-ada-pytorch")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=60.0, help="that the rounds of one case may take")
    parser.add_argument("--threads", type=int, default=2, help="of JAX and of torch alike")
    parser.add_argument("--smoke", action="store_true", help="small sizes")
    pairs.add_outputs(parser)
    return parser.parse_args()


def main() -> int:
    """Prints a table for each case; returns 1 where there is no environment or a clone is missing."""
    flags = arguments()
    for peer in ("r3gan", "stylegan2"):
        if (clone := getattr(flags, peer)) and not clone.is_dir():
            print(f"--{peer} {clone} is no folder; clone the repository there (--help says which)", file=sys.stderr)
            return 1
    if flags.make:
        make(flags.environment, flags.torch)
    if not (flags.environment / "bin" / "python").exists():
        print(f"no environment in {flags.environment}; make it with --make, or name another one", file=sys.stderr)
        return 1
    results = {}
    for name in flags.cases:
        results[name] = case(name, flags)
        print(report(name, results[name]), end="\n\n", flush=True)
    if flags.json:
        pairs.write_json(flags.json, results)
    if flags.chart:
        bars = {
            name: {way: restored(each).cpu_ratio for way, each in result["comparisons"].items() if way != OURS}
            for name, result in results.items()
        }
        pairs.draw_bars(flags.chart, bars, "CPU seconds by jaxgan's (above 1: jaxgan is faster)", line=1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
