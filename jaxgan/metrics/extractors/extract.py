"""The loop from images to features: any feature network, any number of images, all devices."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan.metrics.extractors.extractor import Extractor
from jaxgan.metrics.images import warn_of_zero_to_one

Progress = Callable[[int, int | None], None]  # (images done, images in all if known)
Images = Iterable[Any]  # an array, or batches of arrays


def extract(
    extractor: Extractor,
    images: Images,
    batch_size: int = 64,
    devices: Sequence[jax.Device] | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Computes the features of any number of images, in compiled calls of one size on all devices.

    The last call is padded; its surplus is dropped. Parameters are copied to every device, batches are split.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> bright = jg.metrics.extractors.function("brightness", lambda x: x.mean(axis=(1, 2)))
      >>> black = np.zeros((3, 4, 4, 1), np.uint8)  # bytes, of a picture file
      >>> jg.metrics.extractors.extract(bright, black).tolist()
      [[-1.0], [-1.0], [-1.0]]

    Args:
      extractor: the network.
      images: [N, H, W, C], or an iterable of such batches of any N (or of mappings that hold them under "x"); uint8 in
        [0, 255] or float in [-1, 1].
      batch_size: images per call, >= 1; rounded up to a multiple of the number of devices.
      devices: of this process; None: all of them.
      progress: called with (images done, images in all; None where it is not known) after every call.
    Returns:
      [N, F] float32, in the order of the images.
    Raises:
      ValueError: images of another rank, dtype, range (named) or number of channels, non-finite ones (counted), no
        images at all, or features that are not one row per image. Floats without any value below 0 are warned of.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    devices = list(devices) if devices is not None else jax.local_devices()
    if extractor.compiled:
        batch_size = -(-batch_size // len(devices)) * len(devices)
    total = len(images) if isinstance(images, np.ndarray | Array) else None
    call = _on_devices(extractor, devices) if extractor.compiled else functools.partial(extractor.apply, ())
    rows: list[np.ndarray] = []
    pending: deque[tuple[Any, int]] = deque()
    done = 0
    for batch in _batches(extractor, images, batch_size):
        pending.append((call(_padded(batch, batch_size) if extractor.compiled else batch), len(batch)))
        if len(pending) > 1:  # the host prepares the next batch while the devices compute
            rows.append(_rows(extractor, *pending.popleft()))
        done += len(batch)
        if progress is not None:
            progress(done, total)
    rows += [_rows(extractor, *last) for last in pending]
    if not rows:
        raise ValueError("there are no images to compute features of")
    return np.concatenate(rows)


def _on_devices(extractor: Extractor, devices: Sequence[jax.Device]) -> Callable[[np.ndarray], Array]:
    """Returns the compiled call; XLA splits the batch, so the function itself knows nothing of devices."""
    mesh = Mesh(np.array(devices), ("batch",))
    split = NamedSharding(mesh, PartitionSpec("batch"))
    parameters = jax.device_put(extractor.parameters, NamedSharding(mesh, PartitionSpec()))
    compiled = jax.jit(extractor.apply)
    return lambda batch: compiled(parameters, jax.device_put(batch, split))


def _batches(extractor: Extractor, images: Images, size: int) -> Iterator[np.ndarray]:
    """Yields prepared images in batches of one size, the last of what remains."""
    parts = images
    if isinstance(images, np.ndarray | Array):
        parts = (images[i : i + size] for i in range(0, len(images), size))
    waiting: list[np.ndarray] = []
    for part in parts:
        x = _checked(part["x"] if isinstance(part, Mapping) else part, extractor.channels)
        x = x if extractor.prepare is None else extractor.prepare(x)
        if waiting and x.shape[1:] != waiting[0].shape[1:]:
            raise ValueError(f"images must all have one shape; got {waiting[0].shape[1:]} and {x.shape[1:]}")
        waiting.append(x)
        if sum(map(len, waiting)) >= size:
            joined = np.concatenate(waiting)
            whole = len(joined) // size * size
            yield from np.split(joined[:whole], whole // size)
            waiting = [joined[whole:]]
    if any(map(len, waiting)):
        yield np.concatenate(waiting)


def _checked(images: Any, channels: int | None) -> np.ndarray:
    """Returns float32 in [-1, 1] of the wanted number of channels."""
    x = np.asarray(images)
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ValueError(f"images must be [N, H, W, C]; got shape {x.shape}")
    if x.dtype == np.uint8:
        x = x.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    elif jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(np.float32)
        bad = x.size - np.count_nonzero(np.isfinite(x))
        if bad:
            raise ValueError(f"images hold {bad} non-finite values of {x.size}")
        if x.size and (x.min() < -1.0 or x.max() > 1.0):
            raise ValueError(f"float images must lie in [-1, 1]; got [{x.min()}, {x.max()}]: rescale or clip them")
        warn_of_zero_to_one(x)
    else:
        raise ValueError(f"images must be uint8 in [0, 255] or float in [-1, 1]; got {x.dtype}")
    if channels is not None and x.shape[3] != channels:
        if x.shape[3] != 1:
            raise ValueError(f"images must have {channels} channels or 1; got {x.shape[3]}")
        x = np.repeat(x, channels, axis=3)
    return x


def _padded(batch: np.ndarray, size: int) -> np.ndarray:
    return np.pad(batch, ((0, size - len(batch)), *((0, 0),) * (batch.ndim - 1)))


def _rows(extractor: Extractor, features: Any, count: int) -> np.ndarray:
    rows = np.asarray(features, np.float32)
    if rows.ndim < 2 or len(rows) < count:
        raise ValueError(f"{extractor.name} must give one row of features per image; got {rows.shape} for {count}")
    return rows[:count].reshape(count, -1)
