"""CutMix masks and mixtures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxgan.augment import cutmix_masks, mix
from jaxgan.types import example_keys

N = 2000
MASKS = np.asarray(jax.jit(cutmix_masks, static_argnums=(1, 2))(example_keys(jax.random.key(3), N), 16, 24))
RNG = np.random.default_rng(4)


def test_a_mask_is_a_box_or_what_is_around_one():
    assert MASKS.shape == (N, 16, 24)
    assert set(np.unique(MASKS)) <= {0.0, 1.0}
    boxes = 0
    for mask in MASKS == 1:
        rectangle = [m.any(axis=1)[:, None] & m.any(axis=0)[None] for m in (mask, ~mask)]
        assert (rectangle[0] == mask).all() or (rectangle[1] == ~mask).all()
        boxes += (rectangle[0] == mask).all() and not mask.all()
    assert 0.45 < boxes / N < 0.55  # half of them reversed, up to those that fill a side


def test_boxes_have_uniform_area_before_the_border_cuts_them():
    """A box of sides sqrt(a) (H, W) around a uniform centre, a uniform, drawn here by NumPy: the same distribution."""
    areas = []
    for _ in range(N):
        inside = []
        side = np.sqrt(RNG.uniform())
        for length in (16, 24):
            size, centre = int(side * length), RNG.integers(length)
            inside.append(np.clip(centre - size // 2 + size, 0, length) - np.clip(centre - size // 2, 0, length))
        area = inside[0] * inside[1] / (16 * 24)
        areas.append(area if RNG.uniform() < 0.5 else 1 - area)
    assert stats.ks_2samp(MASKS.mean(axis=(1, 2)), areas).pvalue > 1e-3
    assert stats.ks_2samp(MASKS[:, 0, 0], MASKS[:, -1, -1]).pvalue > 1e-3


def test_masks_belong_to_examples_of_the_global_batch():
    part = cutmix_masks(example_keys(jax.random.key(3), 3, jnp.arange(5, 8)), 16, 24)
    np.testing.assert_array_equal(part, MASKS[5:8])


@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 2, 3, 4)])
def test_mixing_takes_pixels_by_the_mask(shape):
    mask = np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 1, 1]]], np.float32)
    x, other = RNG.normal(size=(2, *shape)).astype(np.float32)
    found = np.asarray(mix(*map(jnp.asarray, (mask, x, other))))
    for place in np.ndindex(2, 2, 3):
        np.testing.assert_array_equal(found[place], (x if mask[place] else other)[place])


def test_mixing_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"masks \[B, H, W\]"):
        mix(jnp.ones((2, 3, 3)), jnp.ones((2, 4, 3, 1)), jnp.ones((2, 4, 3, 1)))
    with pytest.raises(ValueError, match=r"masks \[B, H, W\]"):
        mix(jnp.ones((2, 3, 3)), jnp.ones((2, 3, 3)), jnp.ones((2, 3, 3, 1)))
