"""What must hold for any input, tried on inputs that a machine looks for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import jaxgan as jg
from jaxgan.data.source import indices
from tests import registry

SHAPES = st.sampled_from([(1,), (2,), (5,), (2, 3, 3), (4, 1)])  # few, since each compiles
BIG = 1e4  # larger logits overflow float32 where a loss squares or exponentiates them twice
# Losses that exponentiate logits, and how large those may be: Pearson's squares exp(logits), and float32 ends at e^88.
EXPONENTIAL: dict[str, float] = {"density_ratio": 40.0}


def logits(shape, largest):
    return hnp.arrays(np.float32, shape, elements=st.floats(-largest, largest, width=32))


@pytest.mark.parametrize("name", registry.losses())
@settings(max_examples=25)
@given(data=st.data())
def test_losses_of_finite_logits_are_finite_and_so_are_their_gradients(name, data):
    loss, shape = registry.losses()[name], data.draw(SHAPES)
    largest = EXPONENTIAL.get(name, BIG)
    pair = data.draw(logits(shape, largest)), data.draw(logits(shape, largest))
    for objective in loss:
        value, gradients = jax.value_and_grad(lambda real, fake, f=objective: f(real, fake), (0, 1))(*pair)
        assert value.shape == ()
        assert np.isfinite(value)
        assert all(np.all(np.isfinite(g)) for g in gradients)


@pytest.mark.parametrize("name", registry.penalties())
@settings(max_examples=15)
@given(data=st.data())
def test_penalties_of_finite_examples_are_finite_and_not_negative(name, data):
    """The critic may be flat, linear or curved; a flat one has a gradient of norm 0, where a square root has none."""
    penalty = registry.penalties()[name]
    least = 2 if name == "packed" else 1  # of a pack
    shape = data.draw(st.sampled_from([(least, 2), (4, 2), (2, 4, 4, 1)]))
    real, fake = data.draw(logits(shape, 100.0)), data.draw(logits(shape, 100.0))
    weight = data.draw(st.sampled_from([0.0, 1e-20, 1.0, 100.0]))
    turn = jg.Turn(jax.random.key(0), jnp.zeros((), jnp.int32))

    def cost(w):
        return penalty(lambda x: jnp.sum(w * x + 0.01 * w * x**2, axis=tuple(range(1, x.ndim))), real, fake, turn)

    value, slope = jax.value_and_grad(cost)(jnp.float32(weight))
    assert np.isfinite(value)
    assert np.isfinite(slope)
    assert value >= 0


@settings(max_examples=200)
@given(size=st.integers(1, 300), seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 50), batch=st.integers(1, 64))
def test_data_order_is_a_permutation_per_epoch_and_seekable(size, seed, epoch, batch):
    whole = indices(seed, size, np.arange(epoch * size, (epoch + 1) * size))
    assert sorted(whole) == list(range(size))
    first = epoch * size // batch  # any step, without those before it
    position = np.arange(first * batch, (first + 1) * batch)
    both = np.concatenate([indices(seed, size, np.arange(e * size, (e + 1) * size)) for e in range(epoch, epoch + 66)])
    here = position - epoch * size
    inside = here >= 0
    assert np.array_equal(indices(seed, size, position)[inside], both[here[inside]])


@settings(max_examples=100)
@given(
    size=st.integers(1, 200),
    per_process=st.integers(1, 8),
    updates=st.integers(1, 3),
    processes=st.integers(1, 6),
    step=st.integers(0, 1000),
)
def test_processes_read_disjoint_parts_of_the_very_batch(size, per_process, updates, processes, step):
    batch = updates * processes * per_process
    rows = [
        np.arange(batch).reshape(updates, processes, -1)[:, process].reshape(-1) for process in range(processes)
    ]  # as `local_rows` of each process, which tests/parallel checks
    assert sorted(np.concatenate(rows)) == list(range(batch))
    whole = indices(0, size, step * batch + np.arange(batch))
    parts = [indices(0, size, step * batch + own) for own in rows]
    joined = np.empty(batch, np.int64)
    for own, part in zip(rows, parts, strict=True):
        joined[own] = part
    assert np.array_equal(joined, whole)
