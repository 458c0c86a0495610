"""What the metrics on features cost, beside torch-fidelity, prdc and plain NumPy: seconds, throughput, peak memory.

Command: python benchmarks/metrics.py [--peers-python PATH] [--n 10000] [--features 2048]
Every line is a process of its own, so that its peak memory is its own; "beyond" is the peak above what was resident
once libraries and features were loaded. Peers may live in another interpreter (they need no JAX, we no PyTorch); those
that are not installed are skipped. Ends with an error if two implementations of a figure disagree.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

K = 5  # neighbours; prdc takes one k for all four figures
Figures = dict[str, float]
Task = Callable[[np.ndarray, np.ndarray], Callable[[], Figures]]  # imports first, and outside of the clock


def fidelity(name: str) -> Any:
    """Returns a module of torch-fidelity for features; its loading of images, which needs torchvision, is left out."""
    package, images = types.ModuleType("torch_fidelity"), types.ModuleType("torch_fidelity.utils")
    spec = importlib.util.find_spec("torch_fidelity")
    package.__path__ = list(spec.submodule_search_locations or ()) if spec else []
    vars(images)["__getattr__"] = lambda wanted: None
    sys.modules |= {"torch_fidelity": package, "torch_fidelity.utils": images}
    return importlib.import_module(f"torch_fidelity.{name}")


def our_statistics(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """Mean and covariance of both sets, streamed."""
    from jaxgan.metrics.moments import moments_of

    return lambda: {"trace": sum(float(np.trace(moments_of(x).scatter)) / (len(x) - 1) for x in (real, fake))}


def numpy_statistics(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """The same by `np.cov`, as torch-fidelity and pytorch-fid have it."""
    return lambda: {"trace": sum(float(np.trace(np.cov(x, rowvar=False))) for x in (real, fake))}


def our_fid(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """FID, statistics included."""
    from jaxgan.metrics import fid

    return lambda: {"fid": fid(real, fake)}


def numpy_fid(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """FID by `np.cov` and `scipy.linalg.sqrtm`."""
    import scipy.linalg

    def figures() -> Figures:
        a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
        shift = real.mean(0, dtype=np.float64) - fake.mean(0, dtype=np.float64)
        return {"fid": float(shift @ shift + np.trace(a + b) - 2.0 * np.trace(scipy.linalg.sqrtm(a @ b)).real)}

    return figures


def fidelity_fid(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """FID by torch-fidelity, from features in float64 (in float32 its means are)."""
    import torch

    metric = fidelity("metric_fid")

    def figures() -> Figures:
        statistics = [metric.fid_features_to_statistics(torch.from_numpy(x.astype(np.float64))) for x in (real, fake)]
        return {"fid": metric.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]}

    return figures


def our_kid(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """KID over all pairs."""
    from jaxgan.metrics.kernel import kid

    return lambda: {"kid": kid(real, fake)}


def fidelity_kid(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """KID by torch-fidelity with one subset that is everything, so that no drawing differs; in float64."""
    import torch

    metric = fidelity("metric_kid")

    def figures() -> Figures:
        sets = [torch.from_numpy(x.astype(np.float64)) for x in (real, fake)]
        options = {"kid_subsets": 1, "kid_subset_size": len(real), "verbose": False}
        return {"kid": metric.kid_features_to_metric(*sets, **options)["kernel_inception_distance_mean"]}

    return figures


def our_prdc(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """Precision, recall, density and coverage."""
    from jaxgan.metrics import precision_recall
    from jaxgan.metrics.density_coverage import density_coverage

    return lambda: precision_recall(real, fake, K)._asdict() | density_coverage(real, fake, K)._asdict()


def numpy_prdc(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """The same from whole distance matrices in float64."""

    def squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = x.astype(np.float64), y.astype(np.float64)
        return np.sum(x * x, 1)[:, None] + np.sum(y * y, 1)[None] - 2.0 * (x @ y.T)

    def figures() -> Figures:
        of_real, of_fake = (np.partition(squared(x, x), K, axis=1)[:, K] for x in (real, fake))
        distance = squared(real, fake)
        in_real, in_fake = distance < of_real[:, None], distance < of_fake[None]
        return {
            "precision": float(in_real.any(axis=0).mean()),
            "recall": float(in_fake.any(axis=1).mean()),
            "density": float(in_real.sum() / (K * len(fake))),
            "coverage": float(in_real.any(axis=1).mean()),
        }

    return figures


def package_prdc(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """The same by the prdc package (scikit-learn's distances)."""
    import prdc

    return lambda: {name: float(value) for name, value in prdc.compute_prdc(real, fake, nearest_k=K).items()}


def fidelity_prc(real: np.ndarray, fake: np.ndarray) -> Callable[[], Figures]:
    """Precision and recall by torch-fidelity, in float32 as it comes; the generated set goes first."""
    import torch

    metric = fidelity("metric_prc")

    def figures() -> Figures:
        sets = torch.from_numpy(fake), torch.from_numpy(real)
        options = {"prc_neighborhood": K, "prc_batch_size": 10_000, "save_cpu_ram": False, "verbose": False}
        found = metric.prc_features_to_metric(*sets, **options)
        return {name: found[name] for name in ("precision", "recall")}

    return figures


NEEDS = {  # what a peer must find, and how to install it
    "torch-fidelity": ("torch_fidelity", "pip install torch-fidelity"),
    "prdc": ("prdc", "pip install prdc"),
    "numpy": ("scipy", "pip install scipy"),
    "jaxgan": ("jaxgan", "pip install -e ."),
}
TASKS: dict[str, dict[str, Task]] = {
    "FID statistics": {"jaxgan": our_statistics, "numpy": numpy_statistics},
    "FID": {"jaxgan": our_fid, "numpy": numpy_fid, "torch-fidelity": fidelity_fid},
    "KID, all pairs": {"jaxgan": our_kid, "torch-fidelity": fidelity_kid},
    "P/R/D/C": {"jaxgan": our_prdc, "numpy": numpy_prdc, "prdc": package_prdc, "torch-fidelity": fidelity_prc},
}


def measure(task: str, library: str, folder: Path) -> dict[str, Any]:
    """Runs one line of the table in this process."""
    module, install = NEEDS[library]
    if importlib.util.find_spec(module) is None:
        return {"missing": install}
    real, fake = np.load(folder / "real.npy"), np.load(folder / "fake.npy")
    figures = TASKS[task][library](real, fake)
    before = resident()
    began = time.perf_counter()
    found = figures()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak": peak(), "beyond": peak() - before, "figures": found}


def peak() -> float:
    """MiB, this process's largest resident set so far."""
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def resident() -> float:
    """MiB resident now, or the peak so far where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() / 2**20 if status.exists() else peak()


def differs(task: str, library: str, ours: Figures, theirs: Figures) -> list[str]:
    """Says which figures do not agree: 1e-6 relative, and neighbour shares to the last example."""
    # torch-fidelity's distances are rounded to float32, so an example on a boundary may fall to either side.
    tolerance = {"P/R/D/C": 1e-3 if library == "torch-fidelity" else 1e-12}.get(task, 1e-6)
    pairs = [(name, ours[name], value) for name, value in theirs.items()]
    return [f"{task}, {name}: {a} and {library}'s {b}" for name, a, b in pairs if abs(a - b) > tolerance * abs(a)]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has torch-fidelity and prdc")
    parser.add_argument("--n", type=int, default=10_000, help="examples of either set")
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--line", nargs=3, metavar=("TASK", "LIBRARY", "FOLDER"), help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.line:
        print(json.dumps(measure(flags.line[0], flags.line[1], Path(flags.line[2]))))
        return
    wrong, apart = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        mix = rng.normal(size=(flags.features, flags.features), scale=0.5 / np.sqrt(flags.features)).astype(np.float32)
        for name, shift in (("real", 0.0), ("fake", 0.02)):
            x = rng.normal(size=(flags.n, flags.features)).astype(np.float32)
            np.save(Path(folder) / f"{name}.npy", np.maximum(0.5 * x + x @ mix + np.float32(0.3 + shift), 0))
        print(f"N = M = {flags.n}, F = {flags.features}, float32 features, k = {K}; one process each")
        print(f"{'figure':16}{'by':16}{'s':>9}{'features/s':>13}{'peak MiB':>10}{'beyond MiB':>12}  figures")
        for task, libraries in TASKS.items():
            ours: Figures = {}
            for library in libraries:
                python = sys.executable if library == "jaxgan" else flags.peers_python
                command = [python, __file__, "--line", task, library, folder]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{task} by {library} failed:\n{done.stderr}")
                line = json.loads(done.stdout.splitlines()[-1])
                if "missing" in line:
                    print(f"{task:16}{library:16}skipped: {line['missing']}")
                    continue
                shown = "  ".join(f"{name} {value:.8g}" for name, value in line["figures"].items())
                rate = f"{2 * flags.n / line['seconds']:13,.0f}"
                memory = f"{line['peak']:10,.0f}{line['beyond']:12,.0f}"
                print(f"{task:16}{library:16}{line['seconds']:9.2f}{rate}{memory}  {shown}", flush=True)
                ours = ours or line["figures"]
                wrong += differs(task, library, ours, line["figures"])
                if task == "P/R/D/C" and library == "torch-fidelity":
                    apart = max(abs(ours[name] - value) for name, value in line["figures"].items())
    if wrong:
        raise SystemExit("these disagree:\n" + "\n".join(wrong))
    print(f"all agree: FID and KID to 1e-6, P/R/D/C exactly; torch-fidelity's P/R, in float32, to {apart:.1e}")


if __name__ == "__main__":
    main()
