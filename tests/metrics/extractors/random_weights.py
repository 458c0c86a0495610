"""Weights and images that two programs can make alike without exchanging them: functions of a name, by NumPy alone."""

import zlib

import numpy as np


def generator(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def random_weight(name, shape):
    """He-scaled normals for kernels; batch normalisation near the identity, but nowhere equal to it."""
    noise = generator(name).standard_normal(shape)
    kind = name.split(".")[-1]
    if kind == "running_var":
        return (0.5 + noise**2 / 2).astype(np.float32)
    if kind == "weight" and len(shape) > 1:
        return (noise * np.sqrt(2.0 / np.prod(shape[1:]))).astype(np.float32)
    return ((kind == "weight") + 0.2 * noise).astype(np.float32)


def random_state_dict(shapes):
    return {name: random_weight(name, shape) for name, shape in shapes.items()}


def random_image(height, width, number):
    """[H, W, 3] uint8: a smooth colour field and noise, so that every scale has something in it."""
    rng = generator(f"image {height} {width} {number}")
    rows, columns = np.mgrid[0:height, 0:width]
    phase, speed = rng.uniform(0, 6, 3), rng.uniform(2, 12, (2, 3))
    field = np.sin(rows[..., None] / height * speed[0] + columns[..., None] / width * speed[1] + phase)
    return np.clip(127.5 + 80 * field + 40 * rng.standard_normal((height, width, 3)), 0, 255).astype(np.uint8)


SIZES = ((32, 32), (61, 75), (299, 299), (310, 420))  # one image each
RESIZES = (((7, 5), (11, 13)), ((20, 31), (11, 13)), ((9, 9), (9, 9)), ((1, 3), (4, 4)))  # from, to
EVERY = 23  # the golden file keeps every so manyth row and column of an image resized to 299x299
