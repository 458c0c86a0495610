"""The judge of the digits: a small CNN that the project trains itself, its features and its class probabilities.

No network trained on ImageNet is needed to measure a run on digits. What is computed with these features is called
"Fréchet distance (digits classifier)", never "FID": only Inception features give an FID.
"""

from __future__ import annotations

import functools
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util
from jax import Array
from jax.typing import ArrayLike

from jaxgan.checks import check_key
from jaxgan.metrics.images import warn_of_zero_to_one
from jaxgan.types import PyTree

BATCH = 250  # examples per compiled call of features and probabilities; the last call is padded to it
WARP = 0.15  # training images are seen through I + U(-WARP, WARP): turned, sheared and scaled a little
SHIFT = 2.0  # pixels: and moved by up to this much along each axis


Step = Callable[..., Any]  # a compiled function


class Network(nn.Module):
    """Three strided convolutions, a feature layer and the logits.

    The features are the 64 units *before* their ReLU: they have no mass point at zero, so the Gaussian that a Fréchet
    distance fits to them is a fairer summary and the distance moves smoothly with the samples.
    """

    classes: int

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Returns (features [B, 64], logits [B, classes]) of x [B, H, W, C] in [-1, 1]."""
        x = x + 1.0  # the background is 0, as is the padding of the convolutions
        for channels, size in ((32, 5), (64, 3), (64, 3)):
            x = nn.relu(nn.Conv(channels, (size, size), strides=2)(x))
        features = nn.Dense(64)(x.reshape(x.shape[0], -1))
        return features, nn.Dense(self.classes)(nn.relu(features))


class Classifier(NamedTuple):
    """A trained judge: plain arrays, and what is needed to apply them."""

    variables: PyTree  # of Network: {"params": ...}, float32
    classes: int  # K, the number of classes
    shape: tuple[int, ...]  # (H, W, C) of the images it was trained on


def train_classifier(
    x: ArrayLike,
    y: ArrayLike,
    key: Array,
    steps: int = 1200,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
) -> Classifier:
    """Trains the judge by cross-entropy with Adam, a cosine learning rate and small random affine maps of the images.

    The loop is a Python loop on purpose: inside `lax.scan`, convolution gradients lose their fast path on CPU.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> x, y = np.where(np.arange(8)[:, None] % 2, 0.9, -0.9) * np.ones((8, 64)), np.arange(8) % 2
      >>> judge = jg.metrics.train_classifier(x.reshape(8, 8, 8, 1), y, jax.random.key(0), steps=1, batch_size=8)
      >>> judge.classes, judge.shape
      (2, (8, 8, 1))

    Args:
      x: [N, H, W, C] images in [-1, 1], H and W at least 8.
      y: [N] integer labels in 0..K-1; K is the largest + 1.
      key: [] typed PRNG key; the same key gives the same classifier.
      steps: number of updates, >= 1.
      batch_size: examples per update, 1..N; every epoch is a new permutation without its remainder.
      learning_rate: Adam's largest step size, reached after a tenth of the steps.
    Returns:
      The classifier after the last step.
    Raises:
      ValueError: x is not a batch of images, y does not fit x, or steps or batch_size are out of range.
    """
    check_key("train_classifier", key)
    images, labels = np.asarray(x, np.float32), np.asarray(y)
    _check_labelled(images, labels)
    if not 1 <= batch_size <= len(images) or steps < 1:
        raise ValueError(f"need steps >= 1 and batch_size in 1..{len(images)}; got {steps} and {batch_size}")
    classes = int(labels.max()) + 1
    optimizer, init, update = _trainer(classes, steps, learning_rate)
    init_key, order_key, move_key = (jax.random.fold_in(key, i) for i in range(3))
    variables = init(init_key, images[:1])
    opt_state = optimizer.init(variables)
    per_epoch = len(images) // batch_size
    for step in range(steps):
        epoch, position = divmod(step, per_epoch)
        if position == 0:
            order = np.asarray(jax.random.permutation(jax.random.fold_in(order_key, epoch), len(images)))
        index = order[position * batch_size : (position + 1) * batch_size]
        variables, opt_state = update(
            variables, opt_state, images[index], labels[index].astype(np.int32), jax.random.fold_in(move_key, step)
        )
    return Classifier(variables, classes, images.shape[1:])


def features(classifier: Classifier, x: ArrayLike) -> np.ndarray:
    """Features of images: the 64 units of the penultimate layer before their ReLU, to measure distances in.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> x, y = np.where(np.arange(8)[:, None] % 2, 0.9, -0.9) * np.ones((8, 64)), np.arange(8) % 2
      >>> x = x.reshape(8, 8, 8, 1)
      >>> judge = jg.metrics.train_classifier(x, y, jax.random.key(0), steps=1, batch_size=8)
      >>> jg.metrics.features(judge, x).shape
      (8, 64)

    Args:
      classifier: the judge.
      x: [N, H, W, C] images in [-1, 1], of the shape it was trained on; any N.
    Returns:
      [N, 64] float32.
    Raises:
      ValueError: x is not a batch of such images.
    """
    return _outputs(classifier, x)[0]


def probabilities(classifier: Classifier, x: ArrayLike) -> np.ndarray:
    """Class probabilities of images.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> x, y = np.where(np.arange(8)[:, None] % 2, 0.9, -0.9) * np.ones((8, 64)), np.arange(8) % 2
      >>> x = x.reshape(8, 8, 8, 1)
      >>> judge = jg.metrics.train_classifier(x, y, jax.random.key(0), steps=1, batch_size=8)
      >>> jg.metrics.probabilities(judge, x).sum(axis=1).round(3).tolist()
      [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]

    Args:
      classifier: the judge.
      x: [N, H, W, C] images in [-1, 1], of the shape it was trained on; any N.
    Returns:
      [N, K] float32, rows sum to 1.
    Raises:
      ValueError: x is not a batch of such images.
    """
    return _outputs(classifier, x)[1]


def accuracy(classifier: Classifier, x: ArrayLike, y: ArrayLike) -> float:
    """Share of images whose most probable class is their label.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> x, y = np.where(np.arange(8)[:, None] % 2, 0.9, -0.9) * np.ones((8, 64)), np.arange(8) % 2
      >>> x = x.reshape(8, 8, 8, 1)
      >>> judge = jg.metrics.train_classifier(x, y, jax.random.key(0), steps=1, batch_size=8)
      >>> jg.metrics.accuracy(judge, x, y) in (0.0, 0.5, 1.0)  # two kinds of pictures, and a single step
      True

    Args:
      classifier: the judge.
      x: [N, H, W, C] images in [-1, 1], N >= 1: held out from its training, or the figure means little.
      y: [N] integer labels.
    Returns:
      Accuracy in [0, 1]; higher is better.
    Raises:
      ValueError: x is not a batch of images that the judge knows, or y does not fit it.
    """
    images, labels = np.asarray(x, np.float32), np.asarray(y)
    _check_labelled(images, labels)
    return float(np.mean(probabilities(classifier, images).argmax(axis=1) == labels))


def label_histogram(probabilities: ArrayLike) -> np.ndarray:
    """Counts how often each class is the most probable one.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> jg.metrics.label_histogram(np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.0, 0.2, 0.8]])).tolist()
      [2, 0, 1]

    Args:
      probabilities: [N, K].
    Returns:
      [K] int64 counts that sum to N.
    Raises:
      ValueError: probabilities do not have rank 2.
    """
    p = np.asarray(probabilities)
    if p.ndim != 2:
        raise ValueError(f"probabilities must have rank 2, [N, K]; got shape {p.shape}")
    return np.bincount(p.argmax(axis=1), minlength=p.shape[1])


def save_classifier(classifier: Classifier, path: Path) -> Path:
    """Writes the judge to one .npz of plain arrays (no pickle), so that a run keeps what it was measured by.

    Example:
      >>> import jax, numpy as np, tempfile, pathlib, jaxgan as jg
      >>> x, y = np.where(np.arange(8)[:, None] % 2, 0.9, -0.9) * np.ones((8, 64)), np.arange(8) % 2
      >>> judge = jg.metrics.train_classifier(x.reshape(8, 8, 8, 1), y, jax.random.key(0), steps=1, batch_size=8)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     jg.metrics.save_classifier(judge, pathlib.Path(folder) / "judge.npz").name
      'judge.npz'

    Args:
      classifier: the judge.
      path: the file to write or to replace; it is whole at any time.
    Returns:
      path.
    """
    path = Path(path)
    arrays: dict[str, Any] = traverse_util.flatten_dict(classifier.variables, sep="/")
    arrays |= {"classes": np.int64(classifier.classes), "shape": np.array(classifier.shape)}
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **jax.tree.map(np.asarray, arrays))
    os.replace(partial, path)
    return path


def load_classifier(path: Path) -> Classifier:
    """Reads what `save_classifier` wrote, bit for bit.

    Example:
      >>> import jax, numpy as np, tempfile, pathlib, jaxgan as jg
      >>> x, y = np.where(np.arange(8)[:, None] % 2, 0.9, -0.9) * np.ones((8, 64)), np.arange(8) % 2
      >>> judge = jg.metrics.train_classifier(x.reshape(8, 8, 8, 1), y, jax.random.key(0), steps=1, batch_size=8)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     jg.metrics.load_classifier(jg.metrics.save_classifier(judge, pathlib.Path(folder) / "judge.npz")).shape
      (8, 8, 1)

    Raises:
      ValueError: the file is not a saved classifier.
      FileNotFoundError: there is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file) if isinstance(file, np.lib.npyio.NpzFile) else {}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:  # pickles, object arrays, empty and torn files
        raise ValueError(f"{path} is not a classifier written by save_classifier: {error}") from error
    if not {"classes", "shape"} <= arrays.keys():
        raise ValueError(f"{path} is not a classifier written by save_classifier")
    classes, shape = int(arrays.pop("classes")), tuple(int(n) for n in arrays.pop("shape"))
    variables = traverse_util.unflatten_dict({name: jnp.asarray(leaf) for name, leaf in arrays.items()}, sep="/")
    return Classifier(variables, classes, shape)


def _check_labelled(x: np.ndarray, y: np.ndarray) -> None:
    if x.ndim != 4 or min(x.shape[1:3]) < 8 or not len(x):
        raise ValueError(f"x must be images [N, H, W, C] of at least 8x8 pixels, N >= 1; got shape {x.shape}")
    if y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        raise ValueError(f"y must be [{len(x)}] integers >= 0, one per image; got {y.dtype} of shape {y.shape}")


def _outputs(classifier: Classifier, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns (features [N, 64], probabilities [N, K]) from calls of one size, so that one compilation serves any N."""
    images = np.asarray(x, np.float32)
    if images.ndim != 4 or images.shape[1:] != classifier.shape:
        raise ValueError(f"x must be images [N, {', '.join(map(str, classifier.shape))}]; got shape {images.shape}")
    if images.size and np.abs(images).max() > 1.001:
        raise ValueError(f"x must lie in [-1, 1]; got [{images.min():.3g}, {images.max():.3g}]: use jg.data.from_uint8")
    warn_of_zero_to_one(images, "x")
    network, parts = Network(classifier.classes), []
    for start in range(0, max(1, len(images)), BATCH):
        part = images[start : start + BATCH]
        padded = np.pad(part, ((0, BATCH - len(part)), (0, 0), (0, 0), (0, 0)))
        parts.append([np.asarray(out)[: len(part)] for out in _apply(network, classifier.variables, padded)])
    return np.concatenate([f for f, _ in parts]), np.concatenate([p for _, p in parts])


@functools.partial(jax.jit, static_argnums=0)
def _apply(network: Network, variables: PyTree, x: Array) -> tuple[Array, Array]:
    outputs: Any = network.apply(variables, x)
    features, logits = outputs
    return features, jax.nn.softmax(logits)


@functools.cache
def _trainer(classes: int, steps: int, learning_rate: float) -> tuple[optax.GradientTransformation, Step, Step]:
    """Returns (optimizer, init, update), compiled once for all judges that are trained the same way."""
    network = Network(classes)
    schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(1, steps // 10), max(2, steps))
    optimizer = optax.adam(schedule)

    def loss(variables: PyTree, x: Array, y: Array) -> Array:
        logits = network.apply(variables, x)[1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(variables: PyTree, opt_state: PyTree, x: Array, y: Array, key: Array) -> tuple[PyTree, PyTree]:
        gradient = jax.grad(loss)(variables, _moved(x, key), y)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return optax.apply_updates(variables, updates), opt_state

    return optimizer, jax.jit(network.init), update


def _moved(x: Array, key: Array) -> Array:
    """Returns each image of x [B, H, W, C] under its own small random affine map, by bilinear interpolation."""
    n, height, width, _ = x.shape
    centre = jnp.array([(height - 1) / 2, (width - 1) / 2], jnp.float32).reshape(2, 1, 1)
    grid = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")) - centre
    warp = jnp.eye(2, dtype=jnp.float32)[None] + WARP * jax.random.uniform(
        jax.random.fold_in(key, 0), (n, 2, 2), jnp.float32, -1.0
    )
    shift = SHIFT * jax.random.uniform(jax.random.fold_in(key, 1), (n, 2, 1, 1), jnp.float32, -1.0)
    where = jnp.einsum("nij,jhw->nihw", warp, grid) + centre[None] + shift

    def moved(channel: Array, where: Array) -> Array:
        return jax.scipy.ndimage.map_coordinates(channel, list(where), order=1, mode="nearest")

    return jax.vmap(jax.vmap(moved, in_axes=(-1, None), out_axes=-1))(x, where)
