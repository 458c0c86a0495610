"""Layers and networks of signals: values beside `lax`, the paper's table of phase shuffle, lengths, filters."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.networks import layers, wavegan

RNG = np.random.default_rng(0)


def normals(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


@pytest.mark.parametrize(("width", "stride"), [(25, 4), (5, 2), (4, 4), (3, 1)])
def test_convolutions_are_those_of_lax_and_adjoint_to_each_other(width, stride):
    x, kernel, g = normals(2, 4 * stride, 3), normals(width, 3, 2), normals(2, 4, 2)
    low = (width - stride) // 2
    plain = lax.conv_general_dilated(
        x, kernel, (stride,), [(low, width - stride - low)], dimension_numbers=("NWC", "WIO", "NWC")
    )
    y = layers.strided_conv_1d(x, kernel, stride)
    np.testing.assert_allclose(y, plain, rtol=1e-5, atol=1e-5)
    back = layers.conv_transpose_1d(g, kernel, stride)
    assert back.shape == x.shape
    np.testing.assert_allclose(jnp.vdot(back, x), jnp.vdot(g, y), rtol=1e-4)


def test_a_layer_is_flax_convolution_with_same_padding():
    x, layer = normals(2, 16, 3), layers.SignalConv(5)
    variables = layer.init(jax.random.key(0), x)
    plain = nn.Conv(5, (25,), 4, padding="SAME").apply(variables, x)
    np.testing.assert_allclose(layer.apply(variables, x), plain, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"stride 4 takes signals .* it divides; got \(2, 15, 3\)"):
        layer.apply(variables, x[:, :15])


def test_the_papers_table_of_phase_shuffle():
    """Each example moves by its own number; what is missing at an end is reflected, the end itself not repeated."""
    x = jnp.tile(jnp.arange(8, dtype=jnp.int32), (3, 1))[..., None]
    moved = layers.phase_shuffle(x, jnp.array([2, -2, 0], jnp.int32))[..., 0]
    assert moved.tolist() == [[2, 1, 0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7, 6, 5], [*range(8)]]


def discriminator(shuffle=2):
    x = normals(32, 256, 1)
    network = wavegan.WaveDiscriminator(256, 1, shuffle)
    variables = network.init({"params": jax.random.key(0), "global": jax.random.key(1)}, x)
    return network, variables, x


def test_every_example_and_every_call_draws_its_own_shuffle_and_none_without_training():
    network, variables, x = discriminator()
    same = jnp.broadcast_to(x[:1], x.shape)
    streams = [{"global": jax.random.key(k)} for k in (2, 3)]
    one, other = (network.apply(variables, same, rngs=rngs) for rngs in streams)
    assert len(np.unique(np.round(np.asarray(one), 5))) == 5  # one layer of shuffle: -2..2
    assert not np.allclose(one, other)
    still = network.apply(variables, same, train=False)
    np.testing.assert_allclose(still, jnp.broadcast_to(still[:1], still.shape), rtol=1e-5)
    assert discriminator(0)[0].apply(variables, same).shape == (32,)  # asks for no key


def test_lengths_are_sixteen_times_powers_of_four_or_between():
    made = {}
    for length in (64, 256, 2048, 4096, 96):
        network = wavegan.WaveGenerator(length, 2, 1)
        shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((3, 5), jnp.float32))
        y = jax.eval_shape(network.apply, shapes, jnp.zeros((3, 5), jnp.float32))
        assert y.shape == (3, length, 2)
        made[length] = wavegan.quarterings(length, "it")
    assert made == {64: 1, 256: 2, 2048: 3, 4096: 4, 96: 1}
    for length, near in ((4098, "4096 and 4100"), (20, "nearest are 64")):
        with pytest.raises(ValueError, match=f"multiples of 4, 64 or more; got {length}.*{near}: cut or pad"):
            wavegan.quarterings(length, "WaveGenerator")


def test_a_post_filter_is_one_filter_of_all_that_is_made():
    z = normals(2, 3)
    plain, filtered = wavegan.WaveGenerator(64, 1, 1), wavegan.WaveGenerator(64, 1, 1, post_filter=5)
    variables = filtered.init(jax.random.key(0), z)
    kernel = variables["params"]["post_filter"][:, 0, 0, 0]
    bare = plain.apply({"params": {k: v for k, v in variables["params"].items() if k != "post_filter"}}, z)
    by_hand = np.stack([np.convolve(wave, kernel[::-1], "same") for wave in np.asarray(bare[..., 0])])
    np.testing.assert_allclose(filtered.apply(variables, z)[..., 0], by_hand, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "x", "says"),
    [
        (wavegan.WaveDiscriminator(256, 1), (2, 128, 1), r"takes signals \[B, 256, C\]; got shape \(2, 128, 1\)"),
        (wavegan.WaveDiscriminator(256, 1, 16), (2, 256, 1), r"shuffle in 0\.\.15; got 16"),
        (wavegan.WaveGenerator(256, 1, 1), (2, 3, 1), r"takes latents \[B, Z\]; got shape"),
    ],
    ids=["length", "shuffle", "latents"],
)
def test_what_networks_of_signals_refuse(network, x, says):
    with pytest.raises(ValueError, match=says):
        jax.eval_shape(network.init, {"params": jax.random.key(0), "global": jax.random.key(1)}, jnp.zeros(x))
