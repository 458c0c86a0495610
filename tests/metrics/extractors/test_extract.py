"""The loop from images to features: any number, any batches, any devices, one compilation; odd images are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics import Classifier, extractors, features
from jaxgan.metrics.classifier import Network

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (21, 4, 5, 3)).astype(np.uint8)
FLOATS = PIXELS / 127.5 - 1


def rows(x):
    """Row and column means of each image: [B, 9 C]."""
    return jnp.concatenate([x.mean(1).reshape(len(x), -1), x.mean(2).reshape(len(x), -1)], axis=1)


ROWS = extractors.function("means", rows)
EXPECTED = np.concatenate([FLOATS.mean(1).reshape(21, -1), FLOATS.mean(2).reshape(21, -1)], axis=1)


@pytest.mark.parametrize("batch_size", [1, 8, 20, 21, 64])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_any_batch_size_on_any_number_of_devices(batch_size, count):
    found = extractors.extract(ROWS, PIXELS, batch_size, jax.devices()[:count])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, EXPECTED, atol=1e-6)


@pytest.mark.parametrize(
    "images",
    [
        FLOATS,
        FLOATS.astype(np.float32),
        jnp.asarray(PIXELS),
        [PIXELS[:1], PIXELS[1:18], PIXELS[18:18], PIXELS[18:]],
        (PIXELS[i : i + 2] for i in range(0, 21, 2)),
        [{"x": PIXELS[:5], "y": np.arange(5)}, {"x": FLOATS[5:]}],
    ],
    ids=["float64", "float32", "jax", "list", "generator", "mappings"],
)
def test_any_source(images):
    np.testing.assert_allclose(extractors.extract(ROWS, images, 8), EXPECTED, atol=1e-6)


def test_compiles_once_and_sees_padding_only_as_surplus():
    seen = []

    def f(x):
        seen.append(x.shape)
        return rows(x)

    extractor = extractors.function("counted", f)
    for images in (PIXELS, PIXELS[:3]):
        np.testing.assert_allclose(extractors.extract(extractor, images, 10), EXPECTED[: len(images)], atol=1e-6)
    assert seen == [(16, 4, 5, 3)]  # 10 rounded up to a multiple of 8 devices


def test_work_is_split_over_all_devices():
    shards = []
    extractor = extractors.function("sharded", rows)
    call = jax.jit(extractor.apply)

    def apply(parameters, x):
        out = call(parameters, x)
        jax.debug.inspect_array_sharding(out, callback=shards.append)
        return out

    extractors.extract(extractor._replace(apply=apply), PIXELS, 16)
    assert shards[0].num_devices == 8
    assert shards[0].shard_shape((16, 27)) == (2, 27)


def test_progress_counts_images():
    known, unknown = [], []
    extractors.extract(ROWS, PIXELS, 8, progress=lambda *a: known.append(a))
    extractors.extract(ROWS, iter([PIXELS]), 8, progress=lambda *a: unknown.append(a))
    assert known == [(8, 21), (16, 21), (21, 21)]
    assert unknown == [(8, None), (16, None), (21, None)]


def test_uint8_and_float_are_the_same_images():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    identity = extractors.function("pixels", lambda x: x.reshape(len(x), -1))
    found = extractors.extract(identity, levels)[0]
    np.testing.assert_allclose(found, np.arange(256) / 127.5 - 1, atol=1e-7)
    assert (found.min(), found.max()) == (-1, 1)
    back = jax.jit(lambda x: jnp.round((x + 1) * 127.5))(found)
    np.testing.assert_array_equal(back, np.arange(256))


def test_functions_that_jax_cannot_trace():
    calls = []

    def f(x):
        assert isinstance(x, np.ndarray)
        calls.append(len(x))
        return x.sum(axis=(1, 2))

    found = extractors.extract(extractors.function("sums", f, compiled=False), PIXELS, 10)
    np.testing.assert_allclose(found, FLOATS.sum(axis=(1, 2)), atol=1e-5)
    assert calls == [10, 10, 1]


def test_grey_images_are_repeated():
    colour = ROWS._replace(channels=3)
    grey = PIXELS[..., :1]
    expected = extractors.extract(ROWS, np.repeat(grey, 3, axis=3))
    np.testing.assert_array_equal(extractors.extract(colour, grey), expected)
    with pytest.raises(ValueError, match="must have 3 channels or 1; got 2"):
        extractors.extract(colour, PIXELS[..., :2])


@pytest.fixture(scope="module")
def judge():
    variables = Network(3).init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    return Classifier(variables, 3, (8, 8, 1))


def test_digits_classifier_is_the_judge_by_its_own_name(judge):
    extractor = extractors.digits_classifier(judge)
    images = RNG.uniform(-1, 1, (11, 8, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(extractors.extract(extractor, images, 8), features(judge, images), atol=1e-5)
    assert (extractor.name, extractor.shape, extractor.resize) == ("digits classifier", (64,), "none")
    other = judge._replace(variables=jax.tree.map(lambda x: x + 1, judge.variables))
    assert len({extractor.sha256, extractors.digits_classifier(other).sha256, ""}) == 3
    with pytest.raises(ValueError, match=r"trained on images of shape \(8, 8, 1\); got \(9, 8, 1\)"):
        extractors.extract(extractor, np.zeros((2, 9, 8, 1)))


BAD = np.zeros((2, 4, 4, 3))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (BAD + 1.01, r"must lie in \[-1, 1\]; got \[1\.0\d*, 1\.0\d*\]: rescale"),
        (BAD - 1.01, r"must lie in \[-1, 1\]"),
        (np.where(np.arange(3) == 1, np.nan, BAD), "32 non-finite values of 96"),
        (np.where(np.arange(3) == 1, np.inf, BAD), "32 non-finite values"),
        (BAD.astype(np.int32), "uint8 in .* or float .*; got int32"),
        (BAD > 0, "got bool"),
        (BAD[0], r"must be \[N, H, W, C\]; got shape \(4, 4, 3\)"),
        (BAD[:, :0], "got shape"),
        (BAD[:0], "no images"),
        ([], "no images"),
        ([BAD, BAD[:, :3]], r"one shape; got \(4, 4, 3\) and \(3, 4, 3\)"),
    ],
)
def test_odd_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        extractors.extract(ROWS, images)


def test_odd_features_and_arguments_are_refused():
    with pytest.raises(ValueError, match=r"mean must give one row of features per image; got \(\) for 21"):
        extractors.extract(extractors.function("mean", jnp.mean), PIXELS)
    with pytest.raises(ValueError, match=r"got \(4, 9\) for 21"):
        extractors.extract(extractors.function("few", lambda x: rows(x)[:4, :9]), PIXELS)
    with pytest.raises(ValueError, match="batch_size is 0"):
        extractors.extract(ROWS, PIXELS, 0)
    for name in ("FID", "my fid", "Inception features", " "):
        with pytest.raises(ValueError, match="name your own features"):
            extractors.function(name, rows)
