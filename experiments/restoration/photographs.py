"""Grey photographs that ship with scikit-image, tiles of them, and a network that learned to tell them apart."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from jaxgan.types import PyTree

NAMES = ("astronaut", "camera", "chelsea", "coffee", "coins", "rocket", "brick", "grass", "gravel")


@functools.cache
def photograph(name: str) -> np.ndarray:
    """Returns a photograph of scikit-image that needs no download, grey, [H, W] float32 in [-1, 1].

    Raises:
      ValueError: scikit-image is not installed.
    """
    try:
        from skimage import color, data
    except ImportError as error:
        raise ValueError("photographs are scikit-image's: pip install scikit-image") from error
    x = getattr(data, name)()
    grey = color.rgb2gray(x) if x.ndim == 3 else x / 255
    return (2 * grey - 1).astype(np.float32)


def tiles(split: str, size: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts all photographs, halved so that they have details of every scale, into squares.

    Args:
      split: "train", of the left two thirds, or "test".
      size: side of a tile in pixels.
      stride: from one tile to the next.
    Returns:
      (tiles [n, size, size, 1] float32 in [-1, 1], the numbers [n] int32 of their photographs).
    """
    cut, numbers = [], []
    for number, name in enumerate(NAMES):
        whole = photograph(name)
        height, width = (side // 2 for side in whole.shape)
        x = whole[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))
        x = x[:, : 2 * width // 3] if split == "train" else x[:, 2 * width // 3 :]
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size))[::stride, ::stride]
        cut.append(windows.reshape(-1, size, size, 1))
        numbers.append(np.full(len(cut[-1]), number, np.int32))
    return np.concatenate(cut).astype(np.float32), np.concatenate(numbers)


class Eye(nn.Module):
    """Pictures -> features [B, H / 2, W / 2, 16] and [B, H / 4, W / 4, 32], and the logits of photographs [B, K]."""

    @nn.compact
    def __call__(self, x: Array) -> dict[str, Array]:
        """Applies two convolutions of stride 2, and reads the means of the second."""
        early = jg.networks.layers.StridedConv(16)(x)
        late = jg.networks.layers.StridedConv(32)(nn.relu(early))
        logits = nn.Dense(len(NAMES))(jnp.mean(nn.relu(late), axis=(1, 2)))
        return {"early": early, "late": late, "logits": logits}


@functools.cache
def eye_variables(steps: int) -> PyTree:
    """Trains the network of features to tell which photograph a crop of 32x32 pixels is from."""
    x, y = tiles("train", 32, 16)
    source, optimizer = jg.data.arrays(x, y), optax.adam(2e-3)
    variables = Eye().init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)))

    @jax.jit
    def update(variables: PyTree, moments: PyTree, batch: Any) -> tuple[PyTree, PyTree]:
        def loss(variables: PyTree) -> Array:
            outputs: Any = Eye().apply(variables, batch["x"])
            return jg.losses.auxiliary_classifier(outputs["logits"], batch["y"])

        moved, moments = optimizer.update(jax.grad(loss)(variables), moments)
        return optax.apply_updates(variables, moved), moments

    moments = optimizer.init(variables)
    for _, batch in zip(range(steps), jg.data.batches(source, 32, seed=0), strict=False):
        variables, moments = update(variables, moments, batch)
    return variables
