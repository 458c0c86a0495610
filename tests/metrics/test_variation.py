"""What constant samples, noise and blur do to variation and to precision."""

import numpy as np
import pytest

import jaxgan.data
from experiments.digits import judge as digits_judge_module
from experiments.digits.judge import digits_judge
from jaxgan.metrics import extractors, precision_recall, variation
from jaxgan.metrics.ms_ssim import diversity
from jaxgan.runs.judging import image_judge
from tests.conftest import optimizations, small_digits

REAL = small_digits()[0][:200, :, :, None].astype(np.float32) / 127.5 - 1
MEAN = np.repeat(REAL.mean(0, keepdims=True), 50, axis=0)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.5, 0.3), (2.0, -1.0)])
def test_it_is_the_ratio_of_deviations(scale, offset):
    assert variation(scale * REAL + offset, REAL) == pytest.approx(scale, rel=1e-5)


def test_a_constant_has_none_where_precision_calls_it_perfect():
    precision, recall = precision_recall(REAL.reshape(200, -1), MEAN.reshape(50, -1), k=3)
    assert precision == 1.0
    assert recall == 0.0
    assert variation(MEAN, REAL) == pytest.approx(0.0, abs=1e-6)


def test_noise_varies_and_blur_less():
    noise = np.random.default_rng(0).normal(size=REAL.shape) * REAL.std()
    blurred = 0.9 * MEAN[:1] + 0.1 * REAL
    assert variation(noise, REAL) > 1
    assert variation(blurred, REAL) == pytest.approx(0.1, rel=1e-4)


def test_edges_and_bad_input():
    flat = np.zeros((3, 2))
    assert variation(flat, flat) == 1.0
    assert variation(np.arange(6.0).reshape(3, 2), flat) == float("inf")
    for fake, real in ((flat[:1], flat), (flat, np.zeros((3, 5))), (np.float32(1), flat)):
        with pytest.raises(ValueError, match="two sets of at least 2 examples of one shape"):
            variation(fake, real)


def test_images_of_other_libraries_are_warned_of():
    import jax

    network = extractors.function("pixels", lambda x: x.reshape(len(x), -1))
    unit = (REAL + 1) / 2
    for measure in (lambda x: extractors.extract(network, x), lambda x: diversity(enlarged(x), jax.random.key(0))):
        with pytest.warns(UserWarning, match="without a value below 0"):
            measure(unit)
        measure(REAL)  # warnings are errors of this test, below


def enlarged(x):
    return x[:4].repeat(2, axis=1).repeat(2, axis=2)


pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module", params=["pixels", "efficientnet_lite0", "digits"])
def judge(request, tmp_path_factory):
    """Every judge of pictures, of digits: 8 x 8 pixels, EfficientNet-Lite0 and the project's own classifier."""
    if request.param == "digits":
        real = digits_judge_module._images("test", 28)[0][::17]
        yield request.param, real, digits_judge(28, 150, tmp_path_factory.mktemp("judge")).judge
        return
    source = jaxgan.data.arrays(REAL[:40])
    with optimizations():  # EfficientNet looks at hundreds of pictures
        yield request.param, REAL[:40], image_judge(source, 40, request.param).judge


@pytest.mark.filterwarnings("ignore")
def test_no_judge_calls_a_constant_noise_or_blur_perfect(judge):
    """Each fails by at least one of the figures that are shown together, and real pictures by none."""
    name, real, measure = judge
    rng = np.random.default_rng(0)
    bad = {
        "constant": np.repeat(real.mean(0, keepdims=True), len(real), axis=0),
        "noise": np.clip(rng.normal(size=real.shape), -1, 1).astype(np.float32),
        "blurred": 0.9 * real.mean(0) + 0.1 * real,
    }
    good = measure(real)
    assert good.figures["precision"] > 0.75
    assert good.figures["recall"] > 0.75 or name == "digits"  # 59 samples against 1,000
    assert 0.8 < good.variation < 1.2
    for kind, images in bad.items():
        figures, _, varied = measure(images.astype(np.float32))
        assert min(figures["precision"], figures["recall"]) < 0.5 or not 0.3 < varied < 1.5, (
            kind,
            figures,
        )
        assert figures["frechet_distance"] > 2 * good.figures["frechet_distance"], (kind, figures)
