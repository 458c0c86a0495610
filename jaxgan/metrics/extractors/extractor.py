"""What a feature network is, and four of them: a pure function with all that a score must be reported with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array

from jaxgan.metrics.classifier import Classifier, Network
from jaxgan.metrics.extractors import efficientnet, inception_v3, weights
from jaxgan.metrics.extractors.resize import pil_bicubic, tf1_bilinear
from jaxgan.types import PyTree


class Extractor(NamedTuple):
    """A feature network with all that a score must be reported with.

    Example:
      >>> import jaxgan as jg
      >>> pixels = jg.metrics.extractors.function("pixels", lambda x: x.reshape(len(x), -1))
      >>> pixels.name, pixels.sha256, pixels.resize
      ('pixels', '', 'none')
    """

    name: str  # what scores are named after, such as "InceptionV3-FID 2048"
    sha256: str  # of the published weight file, or of the weights' content; "" where there are no weights
    resize: str  # what happens to the size of images, such as "tf1_bilinear 299x299"; "none"
    shape: tuple[int, ...] | None  # (F,), the shape of the features of one image; None: not known before they are seen
    apply: Callable[[PyTree, Any], Any]  # (parameters, images [B, H, W, C]) -> [B, F]; images as `prepare` leaves them
    parameters: PyTree = ()  # arrays, an argument of the compiled call
    prepare: Callable[[np.ndarray], np.ndarray] | None = None  # on the host, of float32 images in [-1, 1]
    channels: int | None = 3  # what the network wants: grey images are repeated to 3; None: whatever comes
    compiled: bool = True  # False: apply is called as it is, on the host


def inception(path: str | Path, tap: str = "2048", resize: str = "tf1") -> Extractor:
    """InceptionV3 in its FID variant, with weights that the user brings.

    Images are rounded to the 256 levels that a picture file has, resized to 299x299 and normalised by
    (value - 128) / 128. The name says "InceptionV3-FID" only with the published weights, else the weights' hash.

    Example:
      >>> import jaxgan as jg
      >>> jg.metrics.extractors.inception("weights.pth", tap="pool3")
      Traceback (most recent call last):
          ...
      ValueError: tap is 'pool3'; have 64, 192, 768, 2048, logits_unbiased, logits, mixed_6

    Args:
      path: pt_inception-2015-12-05-6726825d.pth of the project pytorch-fid,
        weights-inception-2015-12-05-6726825d.pth of torch-fidelity (the same file), or what `convert` made of either.
      tap: which layer, of inception_v3.TAPS.
      resize: "tf1" as the original FID, or "clean" (Pillow's antialiased bicubic).
    Raises:
      FileNotFoundError: there is no such file; the message says where it comes from.
      ValueError: tap or resize is unknown, or the file is damaged or holds another network.
    """
    if tap not in inception_v3.TAPS:
        raise ValueError(f"tap is {tap!r}; have {', '.join(inception_v3.TAPS)}")
    if resize not in ("tf1", "clean"):
        raise ValueError(f"resize is {resize!r}; use 'tf1' (as the original FID) or 'clean' (antialiased)")
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"no InceptionV3 weights at {path}. An FID needs the published ones, which are not part of this library: "
            "get pt_inception-2015-12-05-6726825d.pth from the releases of the project pytorch-fid, or "
            "weights-inception-2015-12-05-6726825d.pth from those of torch-fidelity (the same file, SHA-256 "
            f"{weights.INCEPTION}), and give its path. `jaxgan convert-weights FILE.pth FILE.safetensors` makes a "
            "plain file of it. Without it, use EfficientNet-Lite0 features or the digits classifier, by their own names"
        )
    source = weights.read(path)
    known = source.sha256 == weights.INCEPTION
    network = "InceptionV3-FID" if known else f"InceptionV3 with unpublished weights {source.sha256[:8]}"
    method = "tf1_bilinear" if resize == "tf1" else "pil_bicubic"
    return Extractor(
        name=f"{network} {tap}",
        sha256=source.sha256,
        resize=f"{method} {inception_v3.SIZE}x{inception_v3.SIZE}",
        shape=(inception_v3.TAPS[tap],),
        apply=_inception(tap, resize == "tf1"),
        parameters=inception_v3.parameters(source.arrays),
        prepare=None if resize == "tf1" else _clean(inception_v3.SIZE),
    )


def efficientnet_lite0(tap: str = "features") -> Extractor:
    """EfficientNet-Lite0 with its ImageNet weights, which ship in an optional package: no download.

    Images are rounded to 256 levels, resized to 224x224 by Pillow's antialiased bicubic filter and normalised by
    (value - 127) / 128. Scores are named "EfficientNet-Lite0 features", never "FID".

    Example:
      >>> import jaxgan as jg
      >>> jg.metrics.extractors.efficientnet_lite0(tap="pool")
      Traceback (most recent call last):
          ...
      ValueError: tap is 'pool'; have features, logits

    Args:
      tap: "features" [1280], or "logits" [1000] of the ImageNet-1k classes.
    Raises:
      ModuleNotFoundError: the optional package is not installed; with the remedy.
      ValueError: tap is unknown, or the package's file is damaged.
    """
    if tap not in efficientnet.TAPS:
        raise ValueError(f"tap is {tap!r}; have {', '.join(efficientnet.TAPS)}")
    source = weights.read(efficientnet.weight_file())
    return Extractor(
        name=f"EfficientNet-Lite0 {tap}",
        sha256=source.sha256,
        resize=f"pil_bicubic {efficientnet.SIZE}x{efficientnet.SIZE}",
        shape=(efficientnet.TAPS[tap],),
        apply=_efficientnet(tap),
        parameters=efficientnet.parameters(source.arrays),
        prepare=_clean(efficientnet.SIZE),
    )


def digits_classifier(classifier: Classifier) -> Extractor:
    """The features of a judge that the project trained itself; scores are named "digits classifier", never "FID".

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> x, y = np.where(np.arange(8)[:, None] % 2, 0.9, -0.9) * np.ones((8, 64)), np.arange(8) % 2
      >>> judge = jg.metrics.train_classifier(x.reshape(8, 8, 8, 1), y, jax.random.key(0), steps=1, batch_size=8)
      >>> jg.metrics.extractors.digits_classifier(judge)[:1]
      ('digits classifier',)

    Args:
      classifier: of metrics.train_classifier; its images have its own size and channels.
    """
    leaves = {k: np.asarray(v) for k, v in traverse_util.flatten_dict(classifier.variables, sep="/").items()}
    return Extractor(
        name="digits classifier",
        sha256=weights.content_sha256(leaves),
        resize="none",
        shape=(64,),
        apply=_classifier(classifier.classes, classifier.shape),
        parameters=classifier.variables,
        channels=classifier.shape[-1],
    )


def function(name: str, f: Callable[[Any], Any], compiled: bool = True) -> Extractor:
    """Any function from images to features.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> pixels = jg.metrics.extractors.function("pixels", lambda x: x.reshape(len(x), -1))
      >>> jg.metrics.extractors.extract(pixels, np.full((3, 4, 4, 1), -0.5)).shape
      (3, 16)

    Args:
      name: what scores are named after; it must not claim to be an FID.
      f: [B, H, W, C] float32 images in [-1, 1] -> [B, ...] features; pure, if compiled.
      compiled: False: f is called with NumPy arrays outside JAX, for functions that JAX cannot trace.
    Raises:
      ValueError: the name is empty or claims to be the FID's network.
    """
    if not name.strip() or "fid" in name.lower() or "inception" in name.lower():
        raise ValueError(f"name is {name!r}; name your own features, and not after FID or Inception")
    return Extractor(name, "", "none", None, _function(f), channels=None, compiled=compiled)


def _levels(x: Array) -> Array:
    """Returns the pixel values 0..255 of images in [-1, 1], as a picture file would hold them."""
    return jnp.round((x + 1.0) * 127.5)


# One function object per choice, so that JAX finds what it has compiled before.


@functools.cache
def _inception(tap: str, resize: bool) -> Callable[[PyTree, Array], Array]:
    size = (inception_v3.SIZE, inception_v3.SIZE)

    def apply(parameters: PyTree, x: Array) -> Array:
        pixels = tf1_bilinear(_levels(x), size) if resize else x
        taps: Any = inception_v3.InceptionV3().apply(parameters, (pixels - 128.0) / 128.0)
        return taps[tap]

    return apply


@functools.cache
def _efficientnet(tap: str) -> Callable[[PyTree, Array], Array]:
    def apply(parameters: PyTree, x: Array) -> Array:
        taps: Any = efficientnet.EfficientNetLite0().apply(parameters, efficientnet.normalised(x))
        return taps[tap]

    return apply


@functools.cache
def _classifier(classes: int, shape: tuple[int, ...]) -> Callable[[PyTree, Array], Array]:
    def apply(variables: PyTree, x: Array) -> Array:
        if x.shape[1:] != shape:
            raise ValueError(f"the classifier was trained on images of shape {shape}; got {x.shape[1:]}")
        outputs: Any = Network(classes).apply(variables, x)
        return outputs[0]

    return apply


@functools.cache
def _function(f: Callable[[Any], Any]) -> Callable[[PyTree, Any], Any]:
    return lambda _, x: f(x)


@functools.cache
def _clean(size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the host's part of a clean resize: images in [-1, 1] to pixel values in [0, 255], not rounded again."""
    return lambda x: pil_bicubic(np.round((x + 1.0) * 127.5), (size, size))
