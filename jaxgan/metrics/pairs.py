"""The matrix of distances between two sets, bounded a block at a time on the devices.

The bounds come from one matrix product in float32 and hold for any order of summation. A block that they leave largely
undecided is bounded again in float64, a part of its rows at a time, so that it needs no more memory.
"""

from __future__ import annotations

import collections
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxgan.metrics.check import ROWS

ENTRIES = 2**24  # of the distance matrix in a block: its bounds take a few times 64 MiB
PARTS = 4  # of a block in float64
LARGEST = 1e150  # features further from their mean cannot be squared in float64

Progress = Callable[[int, int], None]  # (rows done, rows in all), after every block
Devices = Sequence[jax.Device] | None  # None: all local accelerators, or the one CPU, which has threads of its own


class Frame(NamedTuple):
    """What is taken off and divided out before a device sees the features."""

    centre: np.ndarray  # [F] float64
    scale: float  # no norm is above it, so nothing overflows in float32


class Points(NamedTuple):
    """Rows of a set as a device sees them, in a frame."""

    x: Array  # [n, F]
    squares: Array  # [n] squared norms
    copy: Array  # [n] int32, equal for rows that are copies of each other; -1: padding


def bounds(x: Points, y: Points) -> tuple[Array, Array, Array]:
    """Returns (low, high, same) [n, m]: bounds of the scaled squared distances, and which pairs are copies.

    A product of length F in any order errs by at most F u |x| |y| with unit roundoff u = eps / 2, and |x| |y| is at
    most half the sum of squares; rounding of the operands and of the sum adds a few u. The bounds are twice as wide.
    """
    eps, tiny = float(jnp.finfo(x.x.dtype).eps), float(jnp.finfo(x.x.dtype).tiny)
    product = lax.dot_general(x.x, y.x, (((1,), (1,)), ((), ())), precision=lax.Precision.HIGHEST)
    squares = x.squares[:, None] + y.squares[None]
    error = (x.x.shape[1] + 16) * eps * squares + tiny**0.8  # the last where products underflow
    return squares - 2.0 * product - error, squares - 2.0 * product + error, x.copy[:, None] == y.copy[None]


def sweep(
    x: np.ndarray,
    y: np.ndarray,
    kernel: Callable[..., Any],
    radii: Sequence[np.ndarray],
    devices: Devices,
    progress: Progress | None,
) -> Iterator[tuple[slice, Any, list[np.ndarray]]]:
    """Yields (rows, sure findings, undecided pairs) of the kernel, on the host, for every block of rows of x."""
    devices = _default_devices() if devices is None else devices
    frame, (copy_x, copy_y) = frame_of(x, y), _copies(x, y)
    size = min(len(x), max(1, ENTRIES // len(y)))
    blocks = [slice(start, min(start + size, len(x))) for start in range(0, len(x), size)]

    def run(rows: slice, length: int, whole: Points, device: jax.Device, dtype: type) -> Any:
        block = points_of(x[rows], copy_x[rows], length, frame, dtype)
        scaled = [_scaled(r if len(r) == 1 else _padded(r[rows], length), frame, dtype) for r in radii]
        return kernel(*jax.device_put((block, whole, scaled), device))

    wholes = [jax.device_put(points_of(y, copy_y, len(y), frame, np.float32), device) for device in devices]
    precise: list[Points] = []  # y in float64, once a block asks for it
    pending: collections.deque[tuple[slice, Any]] = collections.deque()
    for turn in range(len(blocks) + len(devices)):  # every device has a block at work while the host finishes another
        if turn < len(blocks):
            n = turn % len(devices)
            pending.append((blocks[turn], run(blocks[turn], size, wholes[n], devices[n], np.float32)))
        if turn >= len(devices):
            rows, outputs = pending.popleft()
            host = _host() if _many(outputs[1], rows, len(y)) else None
            if host is None:
                yield rows, *jax.device_get(outputs)
            else:
                del outputs
                precise = precise or [_precise(y, copy_y, frame, host)]
                length = -(-size // PARTS)
                for start in range(rows.start, rows.stop, length):
                    part = slice(start, min(start + length, rows.stop))
                    with jax.enable_x64(True):
                        results = jax.device_get(run(part, length, precise[0], host, np.float64))
                    yield part, *results
            if progress is not None:
                progress(rows.stop, len(x))


def frame_of(x: np.ndarray, y: np.ndarray) -> Frame:
    """Returns the mean of y and a bound of all norms from there: rounding is relative to the spread, not the offset."""
    centre = sum(y[i : i + ROWS].sum(axis=0, dtype=np.float64) for i in range(0, len(y), ROWS)) / len(y)
    reach = max(float(np.abs(part[i : i + ROWS] - centre).max()) for part in (x, y) for i in range(0, len(part), ROWS))
    if reach > LARGEST:
        raise ValueError(f"features reach {reach:.1e} from their mean, too large to square; scale them down")
    # Squares of what is below the inverse are 0 in float64: nothing to scale.
    return Frame(centre, reach * float(np.sqrt(x.shape[1])) if reach > 1.0 / LARGEST else 1.0)


def points_of(x: np.ndarray, copy: np.ndarray, length: int, frame: Frame, dtype: type) -> Any:
    """Returns the rows in the frame as Points of this length on the host, the missing rows zero."""
    values = _aligned((length, x.shape[1]), dtype)
    squares: np.ndarray = np.zeros(length, dtype)
    for i in range(0, len(x), ROWS):
        rows = (x[i : i + ROWS].astype(np.float64) - frame.centre) / frame.scale
        values[i : i + len(rows)] = rows
        squares[i : i + len(rows)] = np.einsum("nf,nf->n", rows, rows)
    return Points(values, squares, np.pad(copy, (0, length - len(copy)), constant_values=-1))  # type: ignore[arg-type]


def _precise(y: np.ndarray, copy: np.ndarray, frame: Frame, host: jax.Device) -> Points:
    with jax.enable_x64(True):
        points: Points = jax.device_put(points_of(y, copy, len(y), frame, np.float64), host)
    return points


def _aligned(shape: tuple[int, int], dtype: type) -> np.ndarray:
    """Returns zeros that begin where XLA's CPU client takes an array as it is, without a copy: at 64 bytes."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory: np.ndarray = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def _scaled(squared_radii: np.ndarray, frame: Frame, dtype: type) -> np.ndarray:
    """Returns the radii in the frame; one above 0 stays above 0 and finite."""
    radii = np.clip(squared_radii / frame.scale**2, 8.0 * float(np.finfo(dtype).tiny), 1e30)
    return np.where(squared_radii > 0.0, radii, 0.0).astype(dtype)


def _padded(radii: np.ndarray, size: int) -> np.ndarray:
    return np.pad(radii, ((0, size - len(radii)), (0, 0)))


def _copies(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns an int32 for every row of x and of y, equal exactly where rows are equal."""
    known: dict[bytes, int] = {}
    dtype = np.result_type(x, y)

    def numbers(part: np.ndarray) -> np.ndarray:
        blocks = (part[i : i + ROWS].astype(dtype) + dtype.type(0) for i in range(0, len(part), ROWS))  # -0 is 0
        digests = (hashlib.blake2b(row.data, digest_size=16).digest() for block in blocks for row in block)
        return np.fromiter((known.setdefault(digest, len(known)) for digest in digests), np.int32, len(part))

    of_y = numbers(y)
    return of_y if x is y else numbers(x), of_y


def _many(undecided: list[Array], rows: slice, columns: int) -> bool:
    """Whether so many pairs are undecided that another matrix product is cheaper than to compute each."""
    enough = (rows.stop - rows.start) * (16 + columns // 1024)
    return any(np.count_nonzero(np.asarray(pairs)) > enough for pairs in undecided)


def _default_devices() -> Sequence[jax.Device]:
    devices = jax.local_devices()
    return devices[:1] if devices[0].platform == "cpu" else devices


def _host() -> jax.Device | None:
    """Returns the CPU, for float64; None where JAX was told to leave it out: brute force then has more to do."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None
