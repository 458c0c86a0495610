"""Translators: published sizes, sizes of images, what dropout draws, what normalisation sees, reflected borders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks.conditioning import Concatenated
from jaxgan.networks.patch import Discriminator
from jaxgan.networks.translators import ResNet, UNet

STREAMS = {"params": jax.random.key(0), "global": jax.random.key(1)}
X = jax.random.uniform(jax.random.key(2), (3, 8, 16, 2), minval=-1, maxval=1)


def traced(network, shape, *conditions, **settings):
    return jax.eval_shape(
        lambda x, *c: network.init_with_output(STREAMS, x, *c, **settings), jnp.zeros(shape), *conditions
    )


def count(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_the_published_unet():
    """Weights layer by layer, biases where nothing is normalised after, a scale and an offset elsewhere."""
    down = 3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 4 * 512 * 512
    up = 512 * 512 + 3 * 1024 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 3
    scales = 2 * (128 + 256 + 4 * 512 + 4 * 512 + 256 + 128 + 64)
    image, variables = traced(UNet(normalization="batch"), (1, 256, 256, 3))
    assert image.shape == (1, 256, 256, 3)
    assert count(variables) == 16 * (down + up) + scales + 64 + 512 + 3
    assert round(count(variables) / 1e6, 2) == 54.41
    assert count(traced(UNet(), (1, 256, 256, 3))[1]) == count(variables)


def test_the_published_resnet():
    image, variables = traced(ResNet(), (1, 256, 256, 3))
    assert (image.shape, count(variables)) == ((1, 256, 256, 3), 11_378_179)
    assert set(variables) == {"params"}


@pytest.mark.parametrize("normalization", ["instance", "batch", "none"])
@pytest.mark.parametrize("skips", [True, False])
def test_sizes_and_types(normalization, skips):
    network = UNet(1, 2, 3, normalization, skips=skips, dtype=jnp.bfloat16)
    image, variables = traced(network, (2, 16, 24, 3))
    assert (image.shape, image.dtype) == ((2, 16, 24, 1), jnp.float32)
    assert set(variables) == {"params"} | ({"batch_stats"} if normalization == "batch" else set())
    image, variables = traced(ResNet(1, 2, 1, jnp.bfloat16), (2, 8, 12, 3))
    assert (image.shape, image.dtype) == ((2, 8, 12, 1), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_dropout_is_the_only_noise_and_stays_at_test_time():
    """Drawn anew by every key; by an example's number it is the example's own, in any batch."""
    network = UNet(1, 2, 2)
    variables = jax.jit(network.init)(STREAMS, X)
    variables = jax.tree.map(lambda w: 10 * w, variables)

    @jax.jit
    def translated(x, seed, index=None):
        return network.apply(variables, x, train=False, index=index, rngs={"global": jax.random.key(seed)})

    assert jnp.abs(translated(X, 1) - translated(X, 2)).max() > 0.01
    assert (translated(X, 1) == translated(X, 1)).all()
    numbers = jnp.array([7, 1, 4])
    several, alone = translated(X, 1, numbers), translated(X[2:], 1, numbers[2:])
    np.testing.assert_allclose(several[2:], alone, atol=1e-5)
    assert jnp.abs(alone - translated(X[2:], 1, numbers[:1])).max() > 0.01
    plain = UNet(1, 2, 2, dropout=0.0)
    assert (plain.apply(variables, X, rngs=STREAMS) == plain.apply(variables, X, train=False)).all()


def test_without_skips_nothing_passes_the_bottleneck_by():
    """With the smallest map's weights zero, a plain encoder-decoder says the same of every image."""
    for skips in (True, False):
        network = UNet(1, 2, 2, "none", dropout=0.0, skips=skips)
        variables = jax.jit(network.init)(STREAMS, X)
        variables["params"]["StridedConv_1"] = jax.tree.map(jnp.zeros_like, variables["params"]["StridedConv_1"])
        images = jax.jit(network.apply)(variables, X, rngs=STREAMS)
        assert (images == images[:1]).all() == (not skips)


def test_the_border_of_a_resnet_sees_the_image_mirrored():
    """So that of one colour the first convolution makes one colour, up to the corners; zeros would be seen there."""
    network = ResNet(1, 2, 1)
    variables = jax.jit(network.init)(STREAMS, X)
    _, seen = network.apply(variables, jnp.full((1, 8, 8, 2), 0.5), capture_intermediates=True)
    first = seen["intermediates"]["Conv_0"]["__call__"][0]
    assert first.shape == (1, 8, 8, 2)
    assert jnp.ptp(first, axis=(1, 2)).max() < 1e-6 < jnp.abs(first).min()


def test_an_image_as_a_condition_comes_beside():
    network = Concatenated(Discriminator(2, 1, "none"))
    images, conditions = X, jnp.flip(X, axis=0)[..., :1]
    variables = jax.jit(network.init)(STREAMS, images, conditions)
    logits = jax.jit(network.apply)(variables, images, conditions)
    by_hand = network.network.apply(
        {"params": variables["params"]["network"]}, jnp.concatenate([images, conditions], axis=-1)
    )
    np.testing.assert_allclose(logits, by_hand, rtol=1e-5)
    assert jnp.abs(logits - network.apply(variables, images, conditions[::-1])).max() > 1e-4


def test_refusals():
    with pytest.raises(ValueError, match=r"a UNet with depth=3 takes sides that are multiples of 8, 8 or more"):
        traced(UNet(depth=3), (1, 20, 20, 1))
    with pytest.raises(ValueError, match="depth >= 2; got 1"):
        traced(UNet(depth=1), (1, 8, 8, 1))
    with pytest.raises(ValueError, match="normalization='layer' is unknown"):
        traced(UNet(normalization="layer"), (1, 256, 256, 1))
    with pytest.raises(ValueError, match=r"a ResNet translator takes sides that are multiples of 4, 8 or more"):
        traced(ResNet(), (1, 10, 10, 1))
    with pytest.raises(ValueError, match="blocks >= 1; got 0"):
        traced(ResNet(blocks=0), (1, 8, 8, 1))
