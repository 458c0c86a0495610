"""float16 holds no more than 65,504: no network multiplies two maps in it that nothing bounds, and layers stay finite.

All networks are traced; what is computed is a layer, on maps of 4 x 4 to 8 x 8.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks.layers import SelfAttention, modulated_conv
from jaxgan.networks.layers.embedding import inner
from jaxgan.networks.layers.equalized import clamped, scaled_leaky_relu
from jaxgan.networks.stylegan2 import Discriminator, Generator
from tests import registry

LATENT, CLASSES, B = 60, 3, 4


def products(jaxpr, given):
    """Names of float16 products, squares and exponentials of what depends on the inputs `given` of a program."""
    varied, found = {v for v, is_given in zip(jaxpr.invars, given, strict=True) if is_given}, []
    for equation in jaxpr.eqns:
        inputs = [not hasattr(v, "val") and v in varied for v in equation.invars]
        name, narrow = equation.primitive.name, equation.outvars[0].aval.dtype == jnp.float16
        twice = name in ("mul", "dot_general", "conv_general_dilated") and sum(inputs) > 1
        if narrow and (twice or (name in ("square", "integer_pow", "exp") and any(inputs))):
            found.append(name)
        for inner_program in equation.params.values():
            inner_program = getattr(inner_program, "jaxpr", inner_program)
            if hasattr(inner_program, "eqns") and len(inner_program.invars) == len(inputs):
                found += products(inner_program, inputs)
        if any(inputs):
            varied |= set(equation.outvars)
    return found


def test_the_search_finds_a_product_of_two_maps():
    program = jax.make_jaxpr(lambda w, x: jax.jit(lambda x: x * x)(x * w) + jnp.exp(x))
    narrow, wide = (program(*[jnp.ones((2,), dtype)] * 2).jaxpr for dtype in (jnp.float16, jnp.float32))
    assert sorted(products(narrow, [False, True])) == ["exp", "mul"]
    assert products(wide, [False, True]) == []


@pytest.mark.parametrize("family", registry.families())
def test_no_network_multiplies_two_maps_in_float16(family):
    size = registry.sizes(family)[0]
    sides = (size, size) if isinstance(size, int) else size
    labels = jnp.zeros((B,), jnp.int32)
    networks = registry.pair(family, size, 3, CLASSES)
    for network, x in ((networks["generator"], jnp.zeros((B, LATENT))), (networks["discriminator"], _images(sides))):
        network = network.clone(dtype=jnp.float16, **({"attention": 8} if hasattr(network, "attention") else {}))
        mode = {"train": True} if "train" in inspect.signature(type(network).__call__).parameters else {}
        streams = dict.fromkeys(("params", "global"), jax.random.key(0))
        shapes = jax.eval_shape(lambda *a, n=network, m=mode, s=streams: n.init(s, *a, **m), x, labels)

        def forward(variables, x, y, n=network, m=mode, s=streams):
            return n.apply(variables, x, y, **m, rngs=s, mutable=True)[0]

        program = jax.make_jaxpr(forward)(shapes, x, labels).jaxpr
        of_variables = len(program.invars) - 2
        assert products(program, [False] * of_variables + [True, True]) == [], type(network)


def _images(sides):
    return jnp.zeros((B, *sides, 3))


@pytest.mark.parametrize("grouped", [False, True], ids=["scaled", "grouped"])
@pytest.mark.parametrize(("up", "scale"), [(1, 1000.0), (2, 1000.0), (1, 1e-6)])
def test_modulated_convolution_is_the_same_function_in_float16(up, scale, grouped):
    """Inputs of deviation 8, styles of a thousand: 65,504 is passed by their products, not by what is returned."""
    keys = jax.random.split(jax.random.key(0), 3)
    x = 8 * jax.random.normal(keys[0], (2, 4, 4, 16)).astype(jnp.float16)
    kernel, style = jax.random.normal(keys[1], (3, 3, 16, 3)) / 12, scale * (1 + jax.random.normal(keys[2], (2, 16)))
    narrow = modulated_conv(x, kernel, style, up=up, grouped=grouped)
    wide = modulated_conv(x.astype(jnp.float32), kernel, style, up=up, grouped=grouped)
    assert narrow.dtype == jnp.float16
    np.testing.assert_allclose(narrow, wide, atol=2e-3 * np.abs(wide).max())


def test_demodulation_of_nothing_is_nothing():
    """Where a kernel or a style is zero the authors' float16 divides by zero."""
    x, kernel, style = jnp.ones((2, 4, 4, 3), jnp.float16), jnp.ones((3, 3, 3, 2)), jnp.ones((2, 3))
    kernel, style = kernel.at[..., 0].set(0), style.at[0].set(0)
    y, pull = jax.vjp(modulated_conv, x, kernel, style)
    np.testing.assert_array_equal(y[0], 0)
    np.testing.assert_array_equal(y[..., 0], 0)
    assert (y[1, ..., 1] > 0).all()
    assert all(np.isfinite(slope).all() for slope in pull(jnp.ones_like(y)))


def test_attention_and_projections_of_large_maps():
    """Logits of 80,000 and inner products of 4e6."""
    x = jnp.zeros((1, 4, 4, 8)).at[0, :2, :2, 0].set(200.0)
    layer = SelfAttention(spectral=False, dtype=jnp.float16)
    variables = jax.eval_shape(lambda x: layer.init(jax.random.key(0), x, True), x)
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, np.sqrt(2.0), leaf.dtype), variables)
    narrow, wide = (layer.clone(dtype=dtype).apply(variables, x, True) for dtype in (jnp.float16, None))
    np.testing.assert_allclose(narrow, wide, rtol=3e-3)
    large = jnp.full((2, 100), 200.0, jnp.float16)
    np.testing.assert_array_equal(inner(large, large), np.full(2, 4e6, np.float32))


def test_clamp():
    """Of 300, -3000 and 100 by hand: 300 sqrt 2 and 600 sqrt 2 are beyond 256."""
    x = jnp.array([300.0, -3000.0, 100.0])
    np.testing.assert_allclose(scaled_leaky_relu(x, 256), [256, -256, 100 * np.sqrt(2)], rtol=1e-6)
    np.testing.assert_array_equal(clamped(jnp.array([jnp.inf, -jnp.inf, 3.0], jnp.float16), 256), [256, -256, 3])
    assert clamped(x, None) is x
    with pytest.raises(ValueError, match="c > 0, or None; got -1"):
        clamped(x, -1)


@pytest.mark.parametrize("architecture", ["skip", "residual", "plain"])
def test_every_activation_of_stylegan2_is_clamped(architecture):
    """At 0.1 no image and no input of a layer is larger, whatever the parameters; the sum of skips' images may be."""
    tiny = {"size": 8, "features": 2, "max_features": 2, "architecture": architecture, "conv_clamp": 0.1}
    generator = Generator(1, hidden=(3,), **tiny)
    variables = generator.lazy_init({"params": jax.random.key(0), "global": jax.random.key(1)}, jnp.zeros((4, 3)))
    variables = variables | {"params": jax.tree.map(lambda p: 100 + p, variables["params"])}
    images = generator.apply(variables, jax.random.normal(jax.random.key(2), (4, 3)), train=False)
    assert 0 < np.abs(images).max() <= (0.2 if architecture == "skip" else 0.1) + 1e-6
    judge = Discriminator(group=0, **tiny)
    shapes = jax.eval_shape(judge.init, jax.random.key(0), images)
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 50.0), shapes)
    ones = judge.apply(variables, jnp.ones(images.shape))
    np.testing.assert_allclose(ones, judge.apply(variables, 2 * jnp.ones(images.shape)), rtol=1e-5)
