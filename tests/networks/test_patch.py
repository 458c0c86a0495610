"""Discriminators of patches: sizes, what one logit sees, normalisation, labels and scales."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks.patch import Discriminator, MultiScale, receptive_field

Y = jnp.array([0, 2], jnp.int32)


def shapes(network, shape, *conditions):
    return jax.eval_shape(network.init_with_output, jax.random.key(0), jnp.zeros(shape), *conditions)


@pytest.mark.parametrize("normalization", ["batch", "instance", "spectral", "none"])
@pytest.mark.parametrize(
    ("shape", "layers", "map_shape"), [((2, 256, 256, 3), 3, (30, 30)), ((2, 12, 20, 1), 1, (4, 8))]
)
def test_maps(normalization, shape, layers, map_shape):
    """Of 256 pixels a side the paper's network makes 30 x 30 logits."""
    for classes, condition in ((0, ()), (3, (Y,))):
        network = Discriminator(2, layers, normalization, classes, dtype=jnp.bfloat16)
        logits, variables = shapes(network, shape, *condition)
        assert (logits.shape, logits.dtype) == ((2, *map_shape), jnp.float32)
        collections = {"batch": {"batch_stats"}, "spectral": {"spectral"}}.get(normalization, set())
        assert set(variables) == {"params"} | collections
        assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize(("normalization", "count"), [("instance", 2_764_737), ("batch", 2_765_633)])
def test_the_published_network(normalization, count):
    """C64-C128-C256-C512 and one more, 4x4 each, with biases, or with a scale and an offset for 128 + 256 + 512."""
    _, variables = shapes(Discriminator(normalization=normalization), (1, 256, 256, 3))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count
    assert count == 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 65 + 896 * (1 + (normalization == "batch"))


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70)])
def test_one_logit_sees_its_receptive_field(layers, side):
    """By the gradient: non-zero in a square of that side and nowhere else."""
    assert receptive_field(layers) == side
    size = 2**layers * 16
    network = Discriminator(1, layers, "none")
    x = jax.random.normal(jax.random.key(1), (1, size, size, 1))
    variables = jax.jit(network.init)(jax.random.key(2), x)
    variables = jax.tree.map(lambda w: w + 0.1, variables)  # nothing cancels
    slope = jax.jit(jax.grad(lambda x: network.apply(variables, x)[0, 7, 7]))(x)[0, ..., 0]
    rows, columns = np.nonzero(np.asarray(slope))
    assert rows.max() - rows.min() + 1 == side
    assert columns.max() - columns.min() + 1 == side
    with pytest.raises(ValueError, match="layers >= 0; got -1"):
        receptive_field(-1)


def test_published_fields():
    assert [receptive_field(layers) for layers in range(1, 6)] == [16, 34, 70, 142, 286]


def test_labels_enter_by_projection_at_every_place():
    network = Discriminator(2, 1, "none", classes=3)
    x = jax.random.normal(jax.random.key(1), (2, 12, 12, 1))
    variables = network.init(jax.random.key(2), x, Y)
    params = variables["params"]
    zero = params | {"projection": {"embedding": jnp.zeros((3, 4))}}
    plain = network.apply({"params": zero}, x, Y)
    one = params | {"projection": {"embedding": jnp.zeros((3, 4)).at[2, 1].set(1.0)}}
    added = network.apply({"params": one}, x, Y) - plain
    np.testing.assert_array_equal(added[0], 0)  # label 0
    assert (np.abs(added[1]) > 0).mean() > 0.5  # label 2
    bare = Discriminator(2, 1, "none").apply({"params": {k: v for k, v in params.items() if k != "projection"}}, x)
    np.testing.assert_allclose(plain, bare, atol=1e-6)


def test_instance_normalisation_knows_one_image_and_batch_normalisation_all():
    x = jax.random.normal(jax.random.key(1), (2, 12, 12, 1))
    for name, mixes in (("instance", False), ("none", False), ("batch", True)):
        network = Discriminator(2, 1, name)
        variables = network.init(jax.random.key(2), x)
        both, _ = network.apply(variables, x, mutable=["batch_stats"])
        other, _ = network.apply(variables, x.at[1].multiply(3.0), mutable=["batch_stats"])
        assert np.allclose(both[0], other[0], atol=1e-5) != mixes


def test_batch_statistics_over_devices_are_global():
    x = jax.random.normal(jax.random.key(1), (8, 12, 12, 1))
    variables = Discriminator(2, 1).init(jax.random.key(2), x)
    whole, _ = Discriminator(2, 1).apply(variables, x, mutable=["batch_stats"])
    network = Discriminator(2, 1, axis_name="batch")
    parts = jax.pmap(lambda x: network.apply(variables, x, mutable=["batch_stats"])[0], axis_name="batch")
    np.testing.assert_allclose(parts(x.reshape(4, 2, 12, 12, 1)).reshape(whole.shape), whole, atol=1e-4)


@pytest.mark.parametrize("normalization", ["spectral", "instance"])
def test_scales_are_separate_networks_on_averaged_images(normalization):
    network = MultiScale(Discriminator(2, 1, normalization), (1, 2))
    x = jax.random.normal(jax.random.key(1), (2, 16, 24, 3))
    logits, variables = network.init_with_output(jax.random.key(2), x)
    assert logits.shape == (2, 6 * 10 + 2 * 4)
    assert set(variables["params"]) == {"scale_1", "scale_2"}
    small = x.reshape(2, 8, 2, 12, 2, 3).mean(axis=(2, 4))
    for scale, image, part in ((1, x, slice(0, 60)), (2, small, slice(60, None))):
        own = {name: tree[f"scale_{scale}"] for name, tree in variables.items()}
        alone = Discriminator(2, 1, normalization).apply(own, image, train=False)
        together = network.apply(variables, x, train=False)
        np.testing.assert_allclose(together[:, part], alone.reshape(2, -1), atol=1e-5)
    labelled = MultiScale(Discriminator(2, 1, "none", classes=3), (1, 2))
    assert labelled.classes == 3
    assert shapes(labelled, (2, 16, 24, 3), Y)[0].shape == (2, 68)


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (
            Discriminator(2),
            (2, 30, 32, 1),
            r"multiples of 8, 24 or more.* got \(30, 32\), and the nearest sizes are 24 or 32 by 32",
        ),
        (Discriminator(2), (2, 16, 32, 1), "the nearest sizes are 24 by 32"),
        (Discriminator(2), (2, 32, 32), r"takes images \[B, H, W, C\]"),
        (Discriminator(2, 0), (2, 32, 32, 1), "layers >= 1; got 0"),
        (Discriminator(2, normalization="layer"), (2, 32, 32, 1), "'layer' is unknown"),
        (Discriminator(2, classes=3), (2, 32, 32, 1), "without labels"),
        (MultiScale(Discriminator(2, 1), (1, 5)), (2, 12, 12, 1), "scale 5 takes sides .* nearest sizes are 10 or 15"),
        (MultiScale(Discriminator(2, 1), ()), (2, 12, 12, 1), "scales >= 1"),
    ],
)
def test_bad_input(network, shape, message):
    with pytest.raises(ValueError, match=message):
        shapes(network, shape)


def test_the_projection_has_the_windows_of_the_last_convolution():
    """Where the last convolution is a mean over its windows times v, the embedding v says the same once more."""
    network = Discriminator(2, 1, "none", classes=3)
    x = jax.random.normal(jax.random.key(1), (2, 8, 10, 1))
    variables = jax.jit(network.init)(jax.random.key(0), x, Y)
    v = jnp.arange(1.0, 5.0)
    variables["params"]["logits"]["kernel"] = jnp.broadcast_to(v[:, None] / 16, (4, 4, 4, 1))
    table = jnp.zeros((3, 4)).at[1].set(v)
    variables["params"]["projection"]["embedding"] = table
    alone, twice = (jax.jit(network.apply)(variables, x, jnp.full((2,), y)) for y in (0, 1))
    assert np.abs(alone).max() > 1e-3
    np.testing.assert_allclose(twice, 2 * alone, rtol=1e-4, atol=1e-6)
