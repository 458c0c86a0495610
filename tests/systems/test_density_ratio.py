"""What a logit means: p/q and pairs against strangers, by hand, exactly, and on several devices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import joint
from jaxgan.parallel import data_parallel
from jaxgan.systems import density_ratio, mutual_information
from jaxgan.systems.parts import shuffled
from tests.parallel.conftest import largest_difference
from tests.systems.tiny_core import fixed

SGD = optax.sgd(0.1)
GRID = np.linspace(-9.0, 9.0, 4001)


def linear(params, *arrays):
    return params["w"] * sum(x[:, 0] for x in arrays) + params["b"]


def test_one_step_by_hand():
    """p is the real side: D = sigmoid(w x + b) is asked for 1 there, and for 0 at q."""
    p, q = np.array([[1.0], [2.0]], np.float32), np.array([[0.5], [-3.0]], np.float32)
    game = jg.game({"discriminator": fixed(linear, w=0.4, b=-0.1)}, density_ratio(optimizer=SGD))
    batch = {"p": p, "q": q}
    after, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), batch), batch)
    up, down = (1 / (1 + np.exp(-(0.4 * x[:, 0] - 0.1))) for x in (p, q))
    slopes = {"w": np.mean((up - 1) * p[:, 0]) + np.mean(down * q[:, 0]), "b": np.mean(up - 1) + np.mean(down)}
    for name, before in (("w", 0.4), ("b", -0.1)):
        assert float(after.params["discriminator"][name]) == pytest.approx(before - 0.1 * slopes[name], rel=1e-5)
    assert metrics["discriminator/real_logits"] == pytest.approx(0.4 * 1.5 - 0.1)
    assert game.generate(after, jax.random.key(0), {"x": p}).shape == (2,)


@pytest.mark.parametrize(("mean", "deviation"), [(1.0, 1.0), (0.0, 2.0)])
def test_the_log_ratio_of_two_normals_is_where_the_loss_is_flat(mean, deviation):
    """1/2 - x for N(0, 1) and N(1, 1), a quadratic for two widths: the expected gradient is 0 there, by quadrature."""
    p = np.exp(-(GRID**2) / 2) / np.sqrt(2 * np.pi)
    q = np.exp(-(((GRID - mean) / deviation) ** 2) / 2) / np.sqrt(2 * np.pi) / deviation
    truth = {(1.0, 1.0): [0.5, -1.0, 0.0], (0.0, 2.0): [np.log(2.0), 0.0, -3 / 8]}[mean, deviation]
    np.testing.assert_allclose(np.polynomial.polynomial.polyval(GRID, truth), np.log(p / q), atol=1e-9)

    def expected(weights):
        logits = weights[0] + weights[1] * GRID + weights[2] * GRID**2
        cost = p * jnp.logaddexp(0.0, -logits) + q * jnp.logaddexp(0.0, logits)
        return jnp.sum(cost) * (GRID[1] - GRID[0])

    assert np.abs(jax.grad(expected)(jnp.asarray(truth, jnp.float32))).max() < 1e-3
    assert np.abs(jax.grad(expected)(-jnp.asarray(truth, jnp.float32))).max() > 0.1  # q/p is not


def test_pairs_meet_strangers():
    """Real is (x, own y), fake is (x, another's y), and the penalty is of both arguments."""
    x, y = np.arange(4, dtype=np.float32)[:, None], np.array([[1.0], [10.0], [100.0], [1000.0]], np.float32)
    met = []

    def spy(params, x, y):
        jax.debug.callback(lambda *pair: met.append(np.concatenate(pair, axis=1)), x, y)
        return linear(params, x, y)

    system = mutual_information(optimizer=optax.sgd(0.0), penalty=jg.penalties.r1(2.0))
    game = jg.game({"discriminator": fixed(spy, w=0.3, b=0.0)}, system)
    batch = {"x": x, "y": y}
    state = game.init(jax.random.key(0), batch)
    met.clear()
    metrics = jax.jit(game.train_step)(state, batch)[1]
    jax.effects_barrier()
    own = [pair for pair in met if (pair[:, 1] == y[:, 0]).all()]
    strangers = [pair for pair in met if (pair[:, 1] != y[:, 0]).all()]
    assert own
    assert strangers
    assert len(own) + len(strangers) == len(met)  # nobody keeps some of its own
    for pair in strangers:
        assert sorted(pair[:, 1]) == sorted(y[:, 0])
        assert (pair[:, 0] == x[:, 0]).all()
    assert metrics["discriminator/penalty"] == pytest.approx(2 * 0.09, rel=1e-5)  # gamma/2 (w^2 + w^2)


def test_every_shift_is_drawn_but_none():
    leaf = jnp.arange(5)
    shifts = set()
    for k in range(40):
        turn = jg.Turn(jax.random.key(k), jnp.zeros((), jnp.int32))
        moved = np.asarray(shuffled({"a": leaf}, turn)["a"])
        shifts.add(int(moved[0]))
        np.testing.assert_array_equal(moved, (np.arange(5) + moved[0]) % 5)
    assert shifts == {1, 2, 3, 4}
    with pytest.raises(ValueError, match="two examples or more; the batch has one"):
        shuffled(leaf[:1], turn)


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_two_devices_shift_the_global_batch(mode):
    batch = {name: np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32) for name in ("x", "y")}

    def made(axis_name):
        system = mutual_information(optimizer=SGD)
        return jg.game({"discriminator": joint.Joint(Last())}, system, axis_name=axis_name)

    game = made(None)
    alone, _ = jax.jit(game.train_step)(game.init(jax.random.key(0), batch), batch)
    parallel = data_parallel(made("batch" if mode == "pmap" else None), mode, devices=jax.devices()[:2])
    several, _ = parallel.train_step(parallel.init(jax.random.key(0), batch), batch)
    assert largest_difference(alone, several) < 1e-6


class Last(nn.Module):
    """A nonlinear critic: of a linear one the shuffle cancels."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.tanh(nn.Dense(4)(x)))[:, 0]


def test_refusals():
    game = jg.game({"discriminator": fixed(linear, w=0.0, b=0.0)}, density_ratio(optimizer=SGD))
    with pytest.raises(ValueError, match=r"density_ratio needs batch\['q'\], draws of the other"):
        game.init(jax.random.key(0), {"p": jnp.zeros((2, 1))})
    game = jg.game({"discriminator": fixed(linear, w=0.0, b=0.0)}, mutual_information(optimizer=SGD))
    with pytest.raises(ValueError, match=r"mutual_information needs batch\['y'\], the other"):
        game.init(jax.random.key(0), {"x": jnp.zeros((2, 1))})
    with pytest.raises(ValueError, match=r"named \['critic'\]; expected \['discriminator'\]"):
        density_ratio(optimizer={"critic": SGD})
