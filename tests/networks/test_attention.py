"""Self-attention against its definition, place by place."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks.layers.attention import SelfAttention


def shapes(network, key, x):
    return jax.eval_shape(lambda key, x: network.init(key, x, train=True), key, x)


def by_hand(x, params):
    """Loops over queries and keys, in float64."""
    query, key, value, output = (
        np.asarray(params[n]["kernel"], np.float64)[0, 0] for n in ("query", "key", "value", "output")
    )
    result = np.array(x, np.float64)
    for b, image in enumerate(np.asarray(x, np.float64)):
        height, width = image.shape[:2]
        blocks = [
            image[i : i + 2, j : j + 2].reshape(-1, image.shape[-1])
            for i in range(0, height, 2)
            for j in range(0, width, 2)
        ]
        keys = [(block @ key).max(axis=0) for block in blocks]
        values = [(block @ value).max(axis=0) for block in blocks]
        for i in range(height):
            for j in range(width):
                scores = np.array([np.dot(image[i, j] @ query, k) for k in keys])
                weights = np.exp(scores - scores.max())
                weights /= weights.sum()
                seen = sum(w * v for w, v in zip(weights, values, strict=True))
                result[b, i, j] += float(params["gamma"]) * (seen @ output)
    return result


@pytest.mark.parametrize("shape", [(4, 6), (5, 3), (1, 1)], ids=str)
def test_attention_by_hand(shape, key):
    """Of maps of any height and width, odd ones too."""
    x = jax.random.normal(key, (2, *shape, 16))
    attention = SelfAttention(spectral=False)
    variables = attention.init(jax.random.fold_in(key, 1), x, train=True)
    params = variables["params"] | {"gamma": jnp.float32(0.7)}
    params["query"] = jax.tree.map(lambda w: 3 * w, params["query"])  # so that the softmax is far from uniform
    result = jax.jit(lambda p: attention.apply({"params": p}, x, train=False))(params)
    np.testing.assert_allclose(result, by_hand(x, params), rtol=1e-4, atol=1e-5)
    assert np.abs(result - x).max() > 0.1


def test_the_gate_starts_at_the_identity_and_learns(key):
    x = jax.random.normal(key, (2, 4, 4, 8))
    attention = SelfAttention()
    y, variables = jax.jit(lambda key: attention.init_with_output(key, x, train=True))(jax.random.fold_in(key, 1))
    np.testing.assert_array_equal(y, x)
    assert variables["params"]["gamma"] == 0

    def objective(params):
        return jnp.sum(attention.apply(variables | {"params": params}, x, train=False) ** 2)

    slopes = jax.jit(jax.grad(objective))(variables["params"])
    assert abs(slopes.pop("gamma")) > 1e-3
    chex.assert_trees_all_equal(slopes, jax.tree.map(jnp.zeros_like, slopes))  # the others wait for the gate


def test_widths_and_norms(key):
    x = jnp.zeros((1, 4, 4, 32))
    variables = shapes(SelfAttention(spectral=True), key, x)
    kernels = {name: p["kernel"].shape for name, p in variables["params"].items() if name != "gamma"}
    assert kernels == {
        "query": (1, 1, 32, 4),
        "key": (1, 1, 32, 4),
        "value": (1, 1, 32, 16),
        "output": (1, 1, 16, 32),
    }
    assert len(jax.tree.leaves(variables["spectral"])) == 4
    assert set(shapes(SelfAttention(spectral=False), key, x)) == {"params"}
    narrow = shapes(SelfAttention(), key, jnp.zeros((1, 4, 4, 1)))["params"]
    assert narrow["query"]["kernel"].shape == (1, 1, 1, 1)


def test_attention_computes_in_bfloat16_and_its_gate_stays_float32(key):
    attention = SelfAttention(dtype=jnp.bfloat16)
    y, variables = jax.eval_shape(
        lambda x: attention.init_with_output(key, x, train=True), jnp.zeros((1, 4, 4, 8), jnp.bfloat16)
    )
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_attention_errors(key):
    with pytest.raises(ValueError, match=r"takes maps \[B, H, W, C\]"):
        SelfAttention().init(key, jnp.ones((2, 8)), train=True)
