"""Convolutions of volumes beside those of JAX, and networks that say which cubes they take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.networks import voxels
from jaxgan.networks.layers import DoublingConv, HalvingConv
from jaxgan.networks.layers.volumes import doubled, halved

RNG = np.random.default_rng(0)
X, K = (RNG.normal(size=shape).astype(np.float32) for shape in ((2, 4, 6, 8, 2), (4, 4, 4, 2, 3)))


def reference(x, kernel):
    return lax.conv_general_dilated(
        x, kernel, (2, 2, 2), [(1, 1)] * 3, dimension_numbers=("NDHWC", "DHWIO", "NDHWC"), precision="highest"
    )


def test_halving_is_the_strided_convolution_and_doubling_its_adjoint():
    y = halved(X, K)
    assert y.shape == (2, 2, 3, 4, 3)
    np.testing.assert_allclose(y, reference(X, K), atol=1e-4)
    g = RNG.normal(size=y.shape).astype(np.float32)
    back = doubled(g, K)
    assert back.shape == X.shape
    assert float(jnp.vdot(back, X)) == pytest.approx(float(jnp.vdot(g, y)), rel=1e-4)  # <K* g, x> = <g, K x>
    (by_jax,) = jax.vjp(lambda x: reference(x, K), X)[1](g)
    np.testing.assert_allclose(back, by_jax, atol=1e-4)


def test_what_is_refused():
    key, x = jax.random.key(0), jnp.zeros((1, 16, 16, 16, 1))
    with pytest.raises(ValueError, match=r"voxels.Generator takes cubes of side 8, 16, 32, .*; got 24: pad to 32"):
        voxels.Generator(size=24).init(key, jnp.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"voxels.Discriminator takes cubes of side 8, .*; got 4: pad to 8"):
        voxels.Discriminator(size=4).init(key, x)
    with pytest.raises(ValueError, match=r"volumes \[B, 8, 8, 8, C\]; got shape \(1, 16, 16, 16, 1\): set its size"):
        voxels.Discriminator(size=8).init(key, x)
    with pytest.raises(ValueError, match=r"normalization='spectral' is unknown"):
        voxels.Discriminator(normalization="spectral").init(key, x)
    with pytest.raises(ValueError, match=r"HalvingConv takes volumes .* of even sides"):
        HalvingConv(2).init(key, jnp.zeros((1, 3, 4, 4, 1)))
    with pytest.raises(ValueError, match="DoublingConv takes volumes"):
        DoublingConv(2).init(key, jnp.zeros((1, 4, 4, 1)))


@pytest.mark.parametrize("classes", [0, 3])
def test_sizes_double_and_labels_enter(classes):
    y = (jax.ShapeDtypeStruct((2,), jnp.int32),) if classes else ()
    for size in (8, 32):
        for network, x, shape in (
            (voxels.Generator(2, size, 2, classes), (2, 5), (2, size, size, size, 2)),
            (voxels.Discriminator(size, 2, classes=classes), (2, size, size, size, 2), (2,)),
        ):
            out, _ = jax.eval_shape(
                network.init_with_output, jax.random.key(0), jax.ShapeDtypeStruct(x, jnp.float32), *y
            )
            assert (out.shape, out.dtype) == (shape, jnp.float32)
