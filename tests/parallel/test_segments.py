"""Many steps in one call: the same bits as the loop, one trace, and a refusal where it would be slow."""

import itertools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import data
from jaxgan.networks.layers import strided_conv
from jaxgan.parallel.segments import convolves, segments, stack
from tests.parallel.test_sweep import RING, B, images, images_game, plain, ring_game


@pytest.fixture(scope="module", autouse=True)
def less_compilation():
    """Takes the place of the room's: bits are what these tests are about, so the code is compiled as users' code is."""


def begin(game):
    return game.init(jax.random.key(0), next(data.batches(RING, B, 0)))


def test_segments_are_the_loop_bit_for_bit():
    """300 steps of Adam under a penalty, as three segments of 100: states, averages and every metric."""
    game = ring_game()
    step, state, observed = jax.jit(game.train_step, donate_argnums=0), begin(game), []
    for batch in itertools.islice(data.batches(RING, B, 0), 300):
        state, metrics = step(state, batch)
        observed.append(metrics)
    run, other, seen = segments(game, 100), begin(game), []
    stream = data.batches(RING, B, 0)
    for _ in range(3):
        other, metrics = run(other, stack(itertools.islice(stream, 100)))
        seen.append(metrics)
    assert other.step == 300
    chex.assert_trees_all_equal(plain(other), plain(state))
    chex.assert_trees_all_equal({name: jnp.concatenate([m[name] for m in seen]) for name in seen[0]}, stack(observed))


def test_one_trace_and_donation():
    traces = []
    game = ring_game(traces=traces)
    run, first = segments(game.train_step, 2), begin(game)  # a step alone will do
    state = first
    stream = data.batches(RING, B, 0)
    for _ in range(3):
        state, metrics = run(state, stack(itertools.islice(stream, 2)))
    assert traces == [(B, 2)]
    assert metrics["generator/loss"].shape == (2,)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(first.params))


def test_layers_of_the_library_are_scanned_on_cpu_to_the_same_bits():
    game, batches = images_game(), images(2)
    state = game.init(jax.random.key(0), {"x": batches["x"][0]})
    other, step = state, jax.jit(game.train_step)
    for k in range(2):
        other, _ = step(other, {"x": batches["x"][k]})
    state, _ = segments(game, 2)(state, batches)
    chex.assert_trees_all_equal(plain(other), plain(state))


def test_gradients_of_flax_convolutions_are_refused_on_cpu_unless_forced():
    def step(state, batch):
        slope = jax.grad(
            lambda kernel: CONV.apply({"params": {"kernel": kernel, "bias": jnp.zeros((1,))}}, batch).sum()
        )
        return state - slope(state), {}

    kernel, batches = jnp.ones((3, 3, 1, 1)), jnp.stack([X, X])
    with pytest.raises(ValueError, match=r"gradients of nn.Conv; .* once for each step, or pass force=True"):
        segments(step, 2)(kernel, batches)
    state, _ = segments(step, 2, force=True)(kernel, batches)
    assert state.shape == (3, 3, 1, 1)


def test_convolutions_are_scanned_on_accelerators(monkeypatch):
    game, batches = images_game(), images(2)
    state = jax.eval_shape(game.init, jax.random.key(0), {"x": batches["x"][0]})
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    _, metrics = jax.eval_shape(segments(game, 2), state, batches)
    assert metrics["generator/loss"].shape == (2,)


def test_refuses_other_numbers_of_batches():
    with pytest.raises(ValueError, match="steps >= 1"):
        segments(ring_game(), 0)
    game = ring_game()
    with pytest.raises(ValueError, match=r"segments of 3 steps take arrays \[3, B, ...\]"):
        segments(game, 3)(begin(game), stack(itertools.islice(data.batches(RING, B, 0), 2)))


def test_stack_keeps_names_and_order():
    batches = [{"x": jnp.full((2, 1), float(k)), "y": jnp.full((2,), k, jnp.int32)} for k in range(3)]
    stacked = stack(batches)
    assert {name: x.shape for name, x in stacked.items()} == {"x": (3, 2, 1), "y": (3, 2)}
    np.testing.assert_array_equal(stacked["y"][:, 0], [0, 1, 2])


CONV = nn.Conv(1, (3, 3))
X = jnp.ones((1, 4, 4, 1))


def convolution(x):
    return CONV.apply({"params": {"kernel": jnp.ones((3, 3, 1, 1)), "bias": jnp.zeros((1,))}}, x)


@pytest.mark.parametrize(
    "function",
    [
        convolution,
        jax.jit(convolution),
        jax.checkpoint(convolution),
        lambda x: jax.lax.scan(lambda c, _: (convolution(c), None), x, None, length=2)[0],
        lambda x: jax.lax.while_loop(lambda c: c.sum() < 100, convolution, x),
        lambda x: jax.lax.cond(x.sum() > 0, convolution, lambda x: x, x),
        lambda x: jax.vmap(convolution)(x[None]),
        jax.grad(lambda x: convolution(x).sum()),
        lambda x: strided_conv(x, jnp.ones((2, 2, 1, 1)), 2),
    ],
    ids=["plain", "jit", "checkpoint", "scan", "while", "cond", "vmap", "grad", "custom_vjp"],
)
def test_convolutions_are_found_wherever_they_hide(function):
    assert convolves(function, jax.ShapeDtypeStruct(X.shape, X.dtype))


def test_what_does_not_convolve_has_no_convolution():
    assert not convolves(lambda x: jax.lax.scan(lambda c, _: (c @ c, None), x, None, length=2)[0], jnp.eye(2))
