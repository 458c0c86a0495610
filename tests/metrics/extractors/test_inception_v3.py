"""InceptionV3 and the TensorFlow resize against torch-fidelity's own, under the same random weights."""

from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgan.metrics import extractors
from jaxgan.metrics.extractors import inception_v3, weights
from tests.metrics.extractors.random_weights import EVERY, RESIZES, SIZES, random_image, random_state_dict

GOLDEN = Path(__file__).parent / "golden" / "inception.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def state_dict():
    return random_state_dict(inception_v3.torch_shapes())


@pytest.fixture(scope="module")
def taps(state_dict):
    """All taps of the golden images, two at a time."""
    parameters = inception_v3.parameters(state_dict)
    apply = jax.jit(inception_v3.InceptionV3().apply)
    pixels = [random_image(*size, 0)[None].astype(np.float32) for size in SIZES]
    x = np.concatenate([(np.asarray(extractors.tf1_bilinear(p, (299, 299))) - 128) / 128 for p in pixels])
    parts = [apply(parameters, x[i : i + 2]) for i in (0, 2)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("tap", inception_v3.TAPS)
def test_features_agree_with_torch_fidelity(taps, golden, tap):
    ours, theirs = taps[tap], golden[f"tap {tap}"]
    assert ours.shape == theirs.shape == (len(SIZES), inception_v3.TAPS[tap])
    scale = np.abs(theirs).max()
    assert theirs.std(axis=0).max() > 1e-2 * scale  # images differ in it, so agreement says something
    assert np.abs(ours - theirs).max() < 1e-5 * scale


def test_names_and_shapes_are_those_of_the_port(golden):
    ours = sorted(f"{name} {'x'.join(map(str, shape))}" for name, shape in inception_v3.torch_shapes().items())
    assert ours == list(golden["names"])


@pytest.mark.parametrize(("before", "after"), RESIZES)
def test_resize_agrees_with_torch_fidelity(golden, before, after):
    image = random_image(*before, 1)[None].astype(np.float32)
    ours = np.asarray(extractors.tf1_bilinear(image, after))[0]
    np.testing.assert_allclose(ours, golden[f"resize {before[0]} {before[1]} {after[0]} {after[1]}"], atol=3e-5)


@pytest.mark.parametrize("size", SIZES)
def test_resize_to_the_networks_size_agrees_with_torch_fidelity(golden, size):
    ours = np.asarray(extractors.tf1_bilinear(random_image(*size, 0)[None].astype(np.float32), (299, 299)))[0]
    np.testing.assert_allclose(ours[::EVERY, ::EVERY], golden[f"corner {size[0]} {size[1]}"], atol=3e-5)


def test_another_network_is_refused(state_dict):
    zoo = {name: array for name, array in state_dict.items() if not name.startswith("fc.")}
    with pytest.raises(ValueError, match=r"2 arrays are missing, unknown or of another shape.*fc\.bias"):
        inception_v3.parameters(zoo)
    with pytest.raises(ValueError, match="FID variant"):
        inception_v3.parameters(state_dict | {"AuxLogits.fc.weight": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match="FID variant"):
        inception_v3.parameters(state_dict | {"fc.weight": state_dict["fc.weight"][:1000]})


def test_counters_of_the_port_are_ignored(state_dict):
    counted = state_dict | {"Mixed_5b.branch1x1.bn.num_batches_tracked": np.int64(0)}
    assert jax.tree.structure(inception_v3.parameters(counted)) == jax.tree.structure(
        inception_v3.parameters(state_dict)
    )


def test_extractor_of_a_file(state_dict, taps, tmp_path):
    """From images in [-1, 1] through file, resize and devices to the same numbers; unknown weights say so."""
    path = weights.write(tmp_path / "w.safetensors", weights.Weights(state_dict, "ab" * 32))
    extractor = extractors.inception(path, tap="64")
    assert extractor.name == "InceptionV3 with unpublished weights abababab 64"
    assert (extractor.sha256, extractor.resize, extractor.shape) == ("ab" * 32, "tf1_bilinear 299x299", (64,))
    image = random_image(*SIZES[0], 0)[None]
    one = jax.devices()[:1]
    ours = extractors.extract(extractor, image, batch_size=1, devices=one)
    np.testing.assert_allclose(ours[0], taps["64"][0], rtol=1e-5)
    floats = image.astype(np.float64) / 127.5 - 1 + 0.3 / 255  # between two levels: rounded to the nearer
    np.testing.assert_array_equal(extractors.extract(extractor, floats.clip(-1, 1), 1, one), ours)


def test_clean_resize_is_another_protocol(state_dict, tmp_path):
    path = weights.write(tmp_path / "w.npz", weights.Weights(state_dict, weights.INCEPTION))
    extractor = extractors.inception(path, tap="64", resize="clean")
    assert (extractor.name, extractor.resize) == ("InceptionV3-FID 64", "pil_bicubic 299x299")
    image = random_image(310, 420, 0)[None]
    ours = extractors.extract(extractor, image, batch_size=1, devices=jax.devices()[:1])
    pixels = extractors.pil_bicubic(image, (299, 299))
    network = jax.jit(lambda parameters, x: inception_v3.InceptionV3().apply(parameters, x)["64"])
    np.testing.assert_allclose(ours, network(extractor.parameters, (pixels - 128) / 128), rtol=1e-5)


def test_a_missing_file_says_where_it_comes_from(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"pt_inception-2015-12-05-6726825d\.pth .*pytorch-fid.*convert-weights"
    ):
        extractors.inception(tmp_path / "none.pth")


@pytest.mark.parametrize(("options", "message"), [({"tap": "pool3"}, "have 64, 192"), ({"resize": "pil"}, "use 'tf1'")])
def test_unknown_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        extractors.inception(tmp_path / "none.pth", **options)
