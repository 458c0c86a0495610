"""The two ratios of times that are far from the noise of any machine: derivatives that this library replaced."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks import pairs
from benchmarks.convolutions import kernel_gradient, reference_transpose
from jaxgan.networks import r3gan
from jaxgan.networks.layers import conv_transpose

pytestmark = pytest.mark.usefixtures("optimized")


def ratio(base, other):
    """How many times as long the other takes: the median over pairs."""
    ways = {name: (lambda f=f: jax.block_until_ready(f())) for name, f in {"base": base, "other": other}.items()}
    return pairs.compared(pairs.interleaved(ways, 9), "base")["other"].cpu_ratio.median


def prepared(gradient, *arguments):
    compiled = jax.jit(gradient)
    return lambda: compiled(*arguments)


def test_transposed_kernel_gradients_take_a_fifth_of_autodiffs(key):
    x, kernel = jax.random.normal(key, (16, 16, 16, 64)), jnp.full((4, 4, 32, 64), 0.05)
    ours = prepared(kernel_gradient(lambda x, k: conv_transpose(x, k, 2)), x, kernel)
    assert ratio(ours, prepared(kernel_gradient(reference_transpose), x, kernel)) > 5


def test_grouped_kernel_gradients_take_less_than_five_dense_ones(key):
    x = jax.random.normal(key, (4, 16, 16, 64))

    def derivative(groups):
        layer = r3gan._conv(64, 3, 1.0, None, groups)
        variables = layer.init(key, x)
        return prepared(jax.grad(lambda v: jnp.sum(jnp.square(layer.apply(v, x)))), variables)

    assert ratio(derivative(1), derivative(4)) < 5
