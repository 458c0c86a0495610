"""Markovian GANs: one step by hand, who moves first, and textures that go on wherever their field does."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.losses import total_variation
from jaxgan.networks.texture import MARGIN, Weaver, receptive_field
from jaxgan.systems.markovian import markovian
from jaxgan.types import example_keys, name_index
from tests.systems.tiny_core import fixed

X = np.random.default_rng(0).uniform(-1, 1, (3, 2, 2, 1)).astype(np.float32)
RATE = 0.1


def game(**options):
    settings = {"loss": jg.losses.margin, "optimizer": optax.sgd(RATE), "cells": (2, 2), "width": 1}
    networks = {
        "generator": fixed(lambda p, z: p["s"] * z + p["g"], s=0.5, g=0.25),
        "discriminator": fixed(lambda p, x: p["w"] * x[..., 0], w=1.5),
    }
    return jg.game(networks, markovian(**settings | options))


def test_one_step_by_hand():
    """The discriminator moves first; the margin and the total variation show under plain gradient descent."""
    played, batch = game(smoothness=0.3), {"x": jnp.asarray(X)}
    state = played.init(jax.random.key(0), batch)
    after, metrics = jax.jit(played.train_step)(state, batch)

    def field(player):
        key = jax.random.fold_in(jax.random.fold_in(state.key, 0), name_index(f"player {player}"))
        key = jax.random.fold_in(jax.random.fold_in(key, 0), name_index("latent"))
        return jnp.stack([jax.random.normal(k, (2, 2, 1)) for k in example_keys(key, 3)])

    def losses(p, z):
        made = p["s"] * z + p["g"]
        real, fake = p["w"] * X, p["w"] * made
        rough = jnp.mean((made[:, 1] - made[:, 0]) ** 2) + jnp.mean((made[:, :, 1] - made[:, :, 0]) ** 2)
        refuses = jnp.mean(jnp.maximum(0, 1 - real)) + jnp.mean(jnp.maximum(0, 1 + fake))
        return refuses, jnp.mean(jnp.maximum(0, 1 - fake)) + 0.3 * rough, rough

    p = jax.tree.map(jnp.float32, {"s": 0.5, "g": 0.25, "w": 1.5})
    for side, (player, owned) in enumerate({"discriminator": ("w",), "generator": ("s", "g")}.items()):
        z = field(player)
        value = losses(p, z)
        slope = jax.grad(lambda p, side=side, z=z: losses(p, z)[side])(p)
        p |= {name: p[name] - RATE * slope[name] for name in owned}
        assert float(metrics[f"{player}/loss"]) == pytest.approx(float(value[side]), rel=1e-5)
    chex.assert_trees_all_close(after.params["discriminator"], {"w": p["w"]}, rtol=1e-5)
    chex.assert_trees_all_close(after.params["generator"], {n: p[n] for n in ("s", "g")}, rtol=1e-5)
    assert float(metrics["generator/total_variation"]) == pytest.approx(float(value[2]), rel=1e-5)


def test_the_margins_gradient_dies_beyond_it_and_hinges_does_not():
    fake = jnp.array([0.5, 1.5, -2.0])
    real = jnp.zeros(3)
    assert jax.grad(lambda f: jg.losses.margin.generator(real, f))(fake).tolist() == pytest.approx([-1 / 3, 0, -1 / 3])
    assert jax.grad(lambda f: jg.losses.hinge.generator(real, f))(fake).tolist() == pytest.approx([-1 / 3] * 3)
    assert float(jg.losses.margin.generator(real, fake)) == pytest.approx((0.5 + 0 + 3) / 3)
    assert float(jg.losses.margin.discriminator(jnp.array([2.0, 0.5]), jnp.array([0.5, -3.0]))) == 0.25 + 0.75


def test_total_variation_of_ramps():
    down, across = jnp.meshgrid(jnp.arange(4.0), jnp.arange(6.0), indexing="ij")
    ramp = (2.0 * down + 0.5 * across)[None, :, :, None] * jnp.ones((2, 1, 1, 3))
    assert float(total_variation(ramp)) == pytest.approx(4.25)
    assert float(total_variation(jnp.ones((1, 2, 2, 1)))) == 0
    with pytest.raises(ValueError, match=r"sides >= 2; got shape \(2, 1, 4, 1\)"):
        total_variation(jnp.zeros((2, 1, 4, 1)))


@pytest.fixture(scope="module")
def weaver():
    network = Weaver(1, features=2, stages=2)
    z = jax.random.normal(jax.random.key(1), (1, 12, 12, 3))
    variables = network.init(jax.random.key(0), z)
    return jax.jit(lambda z: network.apply(variables, z, train=False)), z


def test_where_a_field_goes_on_the_texture_goes_on(weaver):
    """Shifted by a cell, or cut out of a larger one: the same pixels, to the very border."""
    weave, z = weaver
    whole, shifted, part = weave(z), weave(jnp.roll(z, 1, axis=2)), weave(z[:, 2:9, 1:12])
    assert whole.shape == (1, 32, 32, 1)
    chex.assert_trees_all_close(shifted[:, :, 4:], whole[:, :, :-4], atol=1e-6)
    chex.assert_trees_all_close(part, whole[:, 8:20, 4:32], atol=1e-6)


def test_a_cell_reaches_as_far_as_it_is_claimed(weaver):
    weave, z = weaver
    moved = weave(z) != weave(z.at[0, 6, 6].add(5.0))
    rows, columns = (np.flatnonzero(np.asarray(moved[0, ..., 0]).any(axis=axis)) for axis in (1, 0))
    assert receptive_field(2) == 18
    for places in (rows, columns):
        assert 14 <= places[-1] - places[0] + 1 <= 18  # ReLUs may hide some
        assert places[0] >= 4 * (6 - MARGIN) - 7
        assert places[-1] <= 4 * (6 - MARGIN) + 3 + 7


def test_textures_of_any_size_and_fields_by_number():
    networks = {"generator": Weaver(1, features=2, stages=1), "discriminator": fixed(lambda p, x: p["w"] * x, w=1.0)}
    settings = {"loss": jg.losses.margin, "optimizer": optax.sgd(RATE), "cells": (6, 7), "width": 2}
    played = jg.game(networks, markovian(**settings))
    state = jax.eval_shape(played.init, jax.random.key(0), {"x": jnp.zeros((3, 4, 6, 1))})
    shapes = lambda **inputs: jax.eval_shape(played.generate, state, jax.random.key(0), inputs).shape  # noqa: E731
    assert shapes(index=jnp.arange(5)) == (5, 4, 6, 1)
    assert shapes(z=jnp.zeros((2, 14, 5, 2))) == (2, 20, 2, 1)
    with pytest.raises(ValueError, match=r"takes fields \[B, h \+ 4, w \+ 4, Z\]; got shape \(2, 4, 9, 2\)"):
        shapes(z=jnp.zeros((2, 4, 9, 2)))
    with pytest.raises(ValueError, match="stages >= 1; got 0"):
        receptive_field(0)


@pytest.mark.parametrize("options", [{"cells": (0, 2)}, {"width": 0}, {"smoothness": -1.0}, {"cells": (2,)}])
def test_settings_out_of_range(options):
    with pytest.raises(ValueError, match="markovian needs two sides of cells >= 1, width >= 1 and smoothness >= 0"):
        game(**options)
