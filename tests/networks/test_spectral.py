"""Spectral normalisation against numpy.linalg.svd, from initialisation on."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import heads
from jaxgan.networks.layers import ConvTranspose
from jaxgan.networks.layers.normalization import SpectralNorm, spectral_norms


def sigma(kernel, axis=-1):
    matrix = np.moveaxis(np.asarray(kernel), axis, -1).reshape(-1, kernel.shape[axis])
    return np.linalg.svd(matrix, compute_uv=False)[0]


def kernel_of(variables):
    (kernel,) = [leaf for leaf in jax.tree.leaves(variables["params"]) if leaf.ndim > 1]
    return kernel


LAYERS = {
    "dense": (nn.Dense(30, use_bias=False), jnp.ones((2, 40)), -1),
    "conv": (nn.Conv(32, (3, 3), use_bias=False), jnp.ones((1, 4, 4, 16)), -1),
    "transposed": (ConvTranspose(8, (4, 4), use_bias=False), jnp.ones((1, 4, 4, 16)), -1),
    "transposed, its outputs": (ConvTranspose(8, (4, 4), use_bias=False), jnp.ones((1, 4, 4, 16)), -2),
    "embedding": (nn.Embed(10, 20), jnp.array([1, 3]), -1),
    "one output": (nn.Conv(1, (3, 3), use_bias=False), jnp.ones((1, 4, 4, 3)), -1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_at_initialisation_a_layer_has_norm_one(name, key):
    """Within a percent, before anything is trained; the kernel itself stays as it was drawn."""
    layer, x, axis = LAYERS[name]
    normalised = SpectralNorm(layer, axis=axis)
    y, variables = jax.jit(normalised.init_with_output, static_argnames="train")(key, x, train=True)
    true = sigma(kernel_of(variables), axis)
    assert abs(true - 1) > 0.02  # else nothing is tested
    raw = layer.apply({"params": variables["params"]["layer"]}, x)
    applied = normalised.apply(variables, x, train=False)
    np.testing.assert_allclose(np.asarray(raw) / true, applied, rtol=0.01, atol=1e-6)
    np.testing.assert_allclose(y, applied, rtol=0.01, atol=1e-6)
    ((path, norm),) = spectral_norms(variables).items()
    assert path in ("layer/kernel", "layer/embedding")
    ratio = float(np.linalg.norm(raw) / np.linalg.norm(applied))
    np.testing.assert_allclose(norm, true / ratio, rtol=1e-5)


def test_what_is_called_the_norm_is_that_of_the_applied_matrix(key):
    """Of a vector that is far off: sigma is ||W u||, at most the largest singular value."""
    w = np.diag([3.0, 2.0, 1.0]).astype(np.float32)
    u = np.array([[0.0, 0.6, 0.8]], np.float32)
    variables = {"params": {"layer": {"kernel": w}}, "spectral": {"layer/kernel/u": u}}
    expected = 3 / np.sqrt(1.2**2 + 0.8**2)
    assert spectral_norms(variables) == pytest.approx({"layer/kernel": expected}, rel=1e-6)
    applied = SpectralNorm(nn.Dense(3, use_bias=False)).apply(variables, jnp.eye(3), train=False)
    np.testing.assert_allclose(np.linalg.norm(applied, 2), expected, rtol=1e-5)


@pytest.mark.parametrize("iterations", [1, 3])
def test_power_iteration_by_hand(iterations):
    """u <- W^T W u / ||...||, `iterations` times, and only in calls that train; NumPy, in float64."""
    rng = np.random.default_rng(0)
    w, start = rng.normal(size=(5, 4)), rng.normal(size=4)
    u = start / np.linalg.norm(start)
    variables = {
        "params": {"layer": {"kernel": jnp.asarray(w, jnp.float32)}},
        "spectral": {"layer/kernel/u": jnp.asarray(u[None], jnp.float32)},
    }
    layer = SpectralNorm(nn.Dense(4, use_bias=False), iterations)
    _, still = layer.apply(variables, jnp.eye(5), train=False, mutable=["spectral"])
    chex.assert_trees_all_equal(dict(still["spectral"]), variables["spectral"])
    y, moved = layer.apply(variables, jnp.eye(5), train=True, mutable=["spectral"])
    for _ in range(iterations):
        u = w.T @ (w @ u)
        u /= np.linalg.norm(u)
    np.testing.assert_allclose(moved["spectral"]["layer/kernel/u"][0], u, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(y, w / np.linalg.norm(w @ u), rtol=1e-4, atol=1e-5)


def test_gradient_goes_through_sigma_but_not_through_its_vectors():
    """d/dW sum(A * W / sigma) = A / sigma - <A, W> / sigma^2 * v u^T."""
    rng = np.random.default_rng(1)
    w, a = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    u = np.array([0.5, 0.5, 0.5, 0.5])
    layer = SpectralNorm(nn.Dense(4, use_bias=False))
    state = {"spectral": {"layer/kernel/u": jnp.asarray(u[None], jnp.float32)}}

    def objective(kernel):
        return jnp.sum(a * layer.apply({"params": {"layer": {"kernel": kernel}}, **state}, jnp.eye(5), train=False))

    size = np.linalg.norm(w @ u)
    expected = a / size - np.sum(a * w) / size**2 * np.outer(w @ u / size, u)
    np.testing.assert_allclose(jax.grad(objective)(jnp.asarray(w, jnp.float32)), expected, rtol=1e-3, atol=1e-5)


def test_computed_in_float32_whatever_the_layer_computes_in(key):
    layer = SpectralNorm(nn.Dense(64, use_bias=False, dtype=jnp.bfloat16))
    y, variables = jax.jit(layer.init_with_output, static_argnames="train")(key, jnp.ones((2, 64)), train=True)
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert spectral_norms(variables)["layer/kernel"] == pytest.approx(1, abs=0.01)  # bfloat16 sums could not
    halved = variables | {"params": jax.tree.map(lambda p: p.astype(jnp.bfloat16), variables["params"])}
    assert layer.apply(halved, jnp.ones((2, 64)), train=False).dtype == jnp.bfloat16


def called(w, u, calls=1):
    """Returns the applied matrix [I, O] and the vector [O] after so many calls that train; eager, by hand."""
    layer = SpectralNorm(nn.Dense(w.shape[1], use_bias=False))
    params, state = {"layer": {"kernel": jnp.asarray(w)}}, {"spectral": {"layer/kernel/u": jnp.asarray(u)[None]}}
    for _ in range(calls):
        y, state = layer.apply({"params": params, **state}, jnp.eye(len(w)), train=True, mutable=["spectral"])
    return np.asarray(y), np.asarray(state["spectral"]["layer/kernel/u"][0])


ORDINARY = np.array([[2.0, 0.5, -1.0], [0.25, -1.5, 1.0]], np.float32)


@pytest.mark.parametrize("lost", [np.zeros((2, 3)), np.full((2, 3), np.nan), np.full((2, 3), np.inf)])
def test_vectors_outlive_weights_without_a_direction(lost):
    """One call with weights that are zero or not finite, and the norm is 1 again: u stays, or begins anew."""
    _, u = called(np.float32(lost), np.float32([0.6, 0.0, 0.8]))
    y, u = called(ORDINARY, u, 20)
    np.testing.assert_allclose(np.linalg.norm(y, 2), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(u), 1, rtol=1e-6)


@pytest.mark.parametrize("u", [[0.0, 0.0, 0.0], [np.nan, 0.0, 1.0]])
def test_vectors_lost_before_are_found_again(u):
    """A checkpoint may hold them: of norm 0, as they once were after weights of zero."""
    np.testing.assert_allclose(np.linalg.norm(called(ORDINARY, np.float32(u), 20)[0], 2), 1, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1.0, 1e9, 1e30])
def test_vectors_do_not_know_the_scale_of_weights(scale):
    """u <- W^T W u / ||W^T W u|| is the same of c W, bit for bit where c is a power of two: squares may vanish."""
    power = np.float32(2.0 ** np.round(np.log2(scale)))
    start = np.float32([0.6, 0.0, 0.8])
    y, u = called(power * ORDINARY, start, 3)
    expected, same = called(ORDINARY, start, 3)
    np.testing.assert_array_equal(u, same)
    if scale > 1e-12:
        np.testing.assert_array_equal(y, expected)
    else:  # sigma is below epsilon
        np.testing.assert_array_equal(y, power * ORDINARY)


@pytest.mark.parametrize("train", [True, False])
def test_weights_that_have_left_their_vector(train):
    """W = diag(2, 0, 0) with u in its null space, where power iteration stays for ever: W / sigma has norm 1."""
    w = np.diag([2.0, 0.0, 0.0]).astype(np.float32)
    variables = {"params": {"layer": {"kernel": w}}, "spectral": {"layer/kernel/u": jnp.array([[0.0, 0.6, 0.8]])}}
    layer = SpectralNorm(nn.Dense(3, use_bias=False))
    y, _ = layer.apply(variables, jnp.eye(3), train=train, mutable=["spectral"])
    np.testing.assert_allclose(y, w / 2, rtol=1e-6)
    assert spectral_norms(variables) == pytest.approx({"layer/kernel": 1.0})


def test_zero_weights_have_the_gradient_of_plain_ones(key):
    """d sum(x W) / dW at W = 0, not 1e12 times that; and u is of norm 1 from initialisation on."""
    layer = SpectralNorm(nn.Dense(3, use_bias=False, kernel_init=nn.initializers.zeros))
    x = jnp.array([[1.0, -2.0], [3.0, 5.0]])
    variables = layer.init(key, x, train=False)
    np.testing.assert_allclose(jnp.linalg.norm(variables["spectral"]["layer/kernel/u"]), 1, rtol=1e-6)
    assert spectral_norms(variables) == {"layer/kernel": 0.0}

    def output(params):
        return jnp.sum(layer.apply(variables | {"params": params}, x, train=False))

    value, slope = jax.value_and_grad(output)(variables["params"])
    assert value == 0
    np.testing.assert_array_equal(slope["layer"]["kernel"], np.repeat([[4.0], [3.0]], 3, axis=1))


def test_directions_of_nothing_have_the_gradient_of_plain_vectors(key):
    """Features of zero (every ReLU off) have no direction: the head's gradient is their kernel's, not 1e6 times it."""
    head, labels = heads.Contrastive(2, 3), jnp.array([0, 1])
    variables = head.init(key, jnp.ones((2, 4)), labels)
    slope = jax.grad(lambda h: jnp.sum(head.apply(variables, h, labels).embedding[:, 0]))(jnp.zeros((2, 4)))
    kernel = variables["params"]["Dense_0"]["kernel"]
    np.testing.assert_allclose(slope, np.tile(kernel[:, 0], (2, 1)), rtol=1e-6)


def test_norms_of_a_network_by_the_paths_of_its_layers(key):
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            x = SpectralNorm(nn.Dense(4))(x, train)
            return SpectralNorm(nn.Dense(4, name="last"))(nn.Dense(4)(x), train)

    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return Net()(x, train)

    variables = Outer().init(key, jnp.ones((2, 3)), train=True)
    norms = spectral_norms(variables)
    assert norms == pytest.approx({"Net_0/Dense_0/kernel": 1.0, "Net_0/last/kernel": 1.0}, rel=1e-3)
    doubled = jax.tree.map(lambda p: 2 * p, variables["params"])
    assert spectral_norms(variables | {"params": doubled}) == pytest.approx(norms, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda key: SpectralNorm(nn.Dense(3), iterations=0).init(key, jnp.ones((1, 2)), True), "iterations >= 1"),
        (lambda key: SpectralNorm(nn.Dense(3), epsilon=0.0).init(key, jnp.ones((1, 2)), True), "epsilon > 0"),
        (lambda key: spectral_norms({"params": {}}), "no SpectralNorm"),
        (lambda key: spectral_norms({"params": {}, "spectral": {"a/kernel/u": jnp.ones((1, 2))}}), "no weights at"),
    ],
)
def test_errors(call, message, key):
    with pytest.raises(ValueError, match=message):
        call(key)
