"""Context encoders: one step by hand, who moves first, and the exact properties of holes, borders and completions."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.systems.context_encoder import context_encoder, overlap_weights, widened
from tests.systems.tiny_core import fixed
from tests.systems.tiny_inverse import HOLES, PICTURES, holes

X = np.random.default_rng(1).uniform(-1, 1, (2, 4, 4, 1)).astype(np.float32)
MASK = np.zeros((2, 4, 4, 1), np.float32)
MASK[0, 1, 1] = MASK[1, 2:, 2:] = 1
RATE = 0.1
# G: the value g everywhere, and a share s of what it sees; D: w times the sum of what it sees
GENERATOR = fixed(lambda p, seen: p["g"] + p["s"] * seen[..., :1] + p["m"] * seen[..., 1:], g=0.5, s=0.25, m=-0.125)
DISCRIMINATOR = fixed(lambda p, x: p["w"] * jnp.sum(x, axis=(1, 2, 3)), w=0.3)


def game(generator=GENERATOR, **options):
    settings = {"loss": jg.losses.non_saturating, "optimizer": optax.sgd(RATE), "overlap": 1, "fill": 0.2}
    networks = {"generator": generator, "discriminator": DISCRIMINATOR}
    return jg.game(networks, context_encoder(**settings | options))


def by_hand(p, weight, sees):
    """Both losses at these parameters, in NumPy's arithmetic on jax arrays: so that they can be differentiated."""
    near = np.zeros_like(MASK)
    near[0, :3, :3] = near[1, 1:, 1:] = 1
    hidden = np.where(MASK > 0, np.float32(0.2), X)
    made = p["g"] + p["s"] * hidden + p["m"] * MASK
    sides = {
        "hole": [near * image + (1 - near) * 0.2 for image in (X, made)],
        "picture": [X, MASK * made + (1 - MASK) * X],
    }[sees]
    real, fake = (p["w"] * jnp.sum(x, axis=(1, 2, 3)) for x in sides)
    counted = (MASK + 10 * (near - MASK)) * (made - X) ** 2
    error = jnp.mean(jnp.sum(counted, axis=(1, 2, 3)) / near.sum(axis=(1, 2, 3)))
    discriminator = jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))
    return discriminator, (1 - weight) * error + weight * jnp.mean(jax.nn.softplus(-fake))


@pytest.mark.parametrize(("weight", "sees"), [(0.25, "hole"), (0.75, "picture")])
def test_one_step_by_hand(weight, sees):
    """The discriminator moves first; under plain gradient descent every factor shows."""
    played = game(weight=weight, sees=sees)
    batch = {"x": jnp.asarray(X), "mask": jnp.asarray(MASK)}
    after, metrics = jax.jit(played.train_step)(played.init(jax.random.key(0), batch), batch)
    p = {"g": 0.5, "s": 0.25, "m": -0.125, "w": 0.3}
    p = jax.tree.map(jnp.float32, p)
    losses = []
    for side, owned in enumerate((("w",), ("g", "s", "m"))):
        value, slope = jax.value_and_grad(lambda p, side=side: by_hand(p, weight, sees)[side])(p)
        p |= {name: p[name] - RATE * slope[name] for name in owned}
        losses.append(value)
    chex.assert_trees_all_close(after.params["generator"], {n: p[n] for n in ("g", "s", "m")}, rtol=1e-5)
    chex.assert_trees_all_close(after.params["discriminator"], {"w": p["w"]}, rtol=1e-5)
    assert float(metrics["discriminator/loss"]) == pytest.approx(float(losses[0]), rel=1e-5)
    assert float(metrics["generator/loss"]) == pytest.approx(float(losses[1]), rel=1e-5)
    made = 0.5 + 0.25 * 0.2 - 0.125  # in the holes, before the step
    error = np.mean([np.mean((X[0, 1, 1] - made) ** 2), np.mean((X[1, 2:, 2:] - made) ** 2)])
    assert float(metrics["generator/squared_error"]) == pytest.approx(error, rel=1e-5)


def test_outside_the_mask_the_output_is_the_input_bit_for_bit_and_nothing_hidden_is_looked_at():
    networks, system, batch = holes()
    played = jg.game(networks, system)
    state = played.init(jax.random.key(0), batch)
    generate = jax.jit(played.generate)
    completed = np.asarray(generate(state, jax.random.key(1), {"x": PICTURES, "mask": HOLES}))
    known = np.asarray(HOLES) == 0
    assert completed[known].tobytes() == np.asarray(PICTURES)[known].tobytes()
    assert (completed[~known] != np.asarray(PICTURES)[~known]).all()
    secret = jnp.where(HOLES > 0, 7.0, PICTURES)
    assert np.asarray(generate(state, jax.random.key(1), {"x": secret, "mask": HOLES})).tobytes() == completed.tobytes()


def test_the_error_reaches_the_hole_and_its_border_alone():
    """Its gradient with respect to what G makes is zero elsewhere, and ten times as steep in the border."""
    offsets = fixed(lambda p, seen: p["made"] + 0 * seen[..., :1], made=np.zeros((2, 4, 4, 1)))
    settings = {"loss": jg.losses.hinge, "optimizer": optax.sgd(1.0), "overlap": 1, "weight": 0.0}
    played = jg.game({"generator": offsets, "discriminator": DISCRIMINATOR}, context_encoder(**settings))
    batch = {"x": jnp.ones((2, 4, 4, 1)), "mask": jnp.asarray(MASK)}
    after, _ = played.train_step(played.init(jax.random.key(0), batch), batch)
    moved = np.asarray(after.params["generator"]["made"])
    near = np.asarray(widened(jnp.asarray(MASK), 1))
    assert (moved[near == 0] == 0).all()
    pixel = 2 / 9 / 2  # d/dmade of the mean over 9 pixels of 2 pictures
    expected = near * pixel * np.where(MASK > 0, 1, 10)
    np.testing.assert_allclose(moved, expected, rtol=1e-5)


def test_the_overlap_weight_map():
    mask = jnp.zeros((1, 16, 16, 1)).at[:, 5:11, 5:11].set(1)
    weights = overlap_weights(mask, 2, 10.0)
    assert float(weights.sum()) == 6 * 6 + 10 * (10 * 10 - 6 * 6)
    assert float(widened(mask, 0).sum()) == 36
    at_the_edge = jnp.zeros((1, 4, 4, 1)).at[0, 0, 0].set(1)
    assert float(widened(at_the_edge, 1).sum()) == 4


def test_the_network_makes_pictures_of_any_size_that_its_strides_reach(key):
    network = jg.networks.context.Generator(3, features=2, stages=2, bottleneck=4)
    outputs, variables = jax.eval_shape(network.init_with_output, key, jnp.zeros((2, 8, 12, 4)))
    assert outputs.shape == (2, 8, 12, 3)
    assert variables["params"]["Dense_0"]["kernel"].shape == (2 * 3 * 4, 4)
    with pytest.raises(ValueError, match=r"stages=2 takes sides that are multiples of 4"):
        jax.eval_shape(network.init, key, jnp.zeros((2, 8, 10, 4)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": 1.5}, r"weight in \[0, 1\], .*; got 1.5, 1,"),
        ({"overlap": -1}, "overlap >= 0, .*; got 0.001, -1,"),
        ({"fill": 2.0}, r"fill in \[-1, 1\]; got .* and 2.0"),
        ({"sees": "context"}, "of the 'hole' or the 'picture'; got sees='context'"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        game(**options)


def test_batches_that_do_not_fit():
    played = game()
    with pytest.raises(ValueError, match=r"needs batch\['mask'\], where they are hidden; the batch has \['x'\]"):
        played.init(jax.random.key(0), {"x": jnp.asarray(X)})
    with pytest.raises(ValueError, match=r"mask \[B, H, W, 1\]; got \(2, 4, 4, 1\) and \(2, 4, 4\)"):
        played.init(jax.random.key(0), {"x": jnp.asarray(X), "mask": jnp.asarray(MASK[..., 0])})
    grey = game(generator=fixed(lambda p, seen: p["g"] * seen[..., :1], g=0.5))
    with pytest.raises(ValueError, match=r"needs pictures \(2, 4, 4, 2\) of 'generator'; it makes \(2, 4, 4, 1\)"):
        grey.init(jax.random.key(0), {"x": jnp.concatenate([X, X], axis=-1), "mask": jnp.asarray(MASK)})
