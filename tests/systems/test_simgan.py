"""SimGAN: sums over patches and pixels, who moves first and when, and a history that is exactly half of a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.refiner import Refiner
from jaxgan.networks.remedies import History
from tests.systems.test_by_hand import RATE, step
from tests.systems.tiny_core import fixed

X = np.linspace(-0.5, 0.25, 12).reshape(3, 2, 2, 1).astype(np.float32)
REAL = np.full((3, 2, 2, 1), 0.5, np.float32)
BATCH = {"synthetic": X, "real": REAL}
D, W, PIXELS = 0.1, 0.3, 4  # R(x) = x + d; four patches of one pixel, D(x) = w x
SETTINGS = {"loss": jg.losses.wasserstein, "optimizer": optax.sgd(0.0), "replay": None}


def networks(d=D):
    return {
        "refiner": fixed(lambda p, x: x + p["d"], d=d),
        "discriminator": fixed(lambda p, x: p["w"] * x[..., 0], w=W),
    }


def test_one_step_by_hand():
    metrics, params = step(networks(), jg.systems.simgan(**SETTINGS, weight=0.2), BATCH, rate=RATE)
    fools = -PIXELS * W * (X.mean() + D)  # summed over patches
    assert metrics["refiner/adversarial"] == pytest.approx(fools, rel=1e-4)
    assert metrics["refiner/self_regularization"] == pytest.approx(PIXELS * D, rel=1e-5)  # summed over pixels
    assert metrics["refiner/loss"] == pytest.approx(fools + 0.2 * PIXELS * D, rel=1e-4)
    d = D - RATE * PIXELS * (0.2 - W)  # the refiner moves first
    assert float(params["refiner"]["d"]) == pytest.approx(d, rel=1e-5)
    apart = X.mean() + d - REAL.mean()
    assert metrics["discriminator/loss"] == pytest.approx(PIXELS * W * apart, rel=1e-4)
    assert float(params["discriminator"]["w"]) == pytest.approx(W - RATE * PIXELS * apart, rel=1e-4)


def test_a_refiner_that_changes_nothing_pays_nothing():
    metrics, _ = step(networks(d=0.0), jg.systems.simgan(**SETTINGS, weight=1e6), BATCH)
    assert metrics["refiner/self_regularization"] == 0
    assert metrics["refiner/loss"] == metrics["refiner/adversarial"]


def test_alone_the_refiner_heeds_no_discriminator():
    system = jg.systems.simgan(**SETTINGS | {"optimizer": optax.sgd(RATE)}, weight=0.2, alone=1)
    game = jg.game(networks(), system)
    state = game.init(jax.random.key(0), BATCH)
    state, _ = jax.jit(game.train_step)(state, BATCH)
    first = D - RATE * PIXELS * 0.2
    assert float(state.params["refiner"]["d"]) == pytest.approx(first, rel=1e-5)
    w = float(state.params["discriminator"]["w"])
    state, _ = jax.jit(game.train_step)(state, BATCH)
    assert float(state.params["refiner"]["d"]) == pytest.approx(first - RATE * PIXELS * (0.2 - w), rel=1e-4)


def test_phases_by_gated_turns():
    """One step of the refiner, one of the discriminator, then both; what waits stays bit for bit, the history too."""
    phases = jg.dynamics.gated(
        {
            "refiner": lambda metrics, step: (step < 1) | (step >= 2),
            "discriminator": lambda metrics, step: step >= 1,
        }
    )
    settings = SETTINGS | {"optimizer": optax.sgd(RATE), "replay": "history"}
    system = jg.systems.simgan(**settings, weight=0.2, alone=1)
    game = jg.game(networks() | {"history": History(8)}, system, dynamics=phases)
    state, moved, counts = game.init(jax.random.key(0), BATCH), [], []
    for _ in range(3):
        after, _ = jax.jit(game.train_step)(state, BATCH)
        moved.append(tuple(n for n in ("refiner", "discriminator") if state.params[n] != after.params[n]))
        counts.append(int(after.model_state["history"]["history"]["count"]))
        state = after
    assert moved == [("refiner",), ("discriminator",), ("refiner", "discriminator")]
    assert counts == [0, 1, 2]


@pytest.mark.parametrize("n", [6, 5])
def test_exactly_half_of_a_batch_is_old(n):
    """Every sample has a number, and says it twice: an image and its condition stay together."""
    history, half, size = History(7), n // 2, 7
    state, waiting = {}, set()
    apply = jax.jit(lambda state, x, key: history.apply(state, x, rngs={"global": key}, mutable=["history"]))
    for k in range(8):
        number = jnp.arange(k * n, (k + 1) * n, dtype=jnp.float32)
        x = (number[:, None], -number)
        state = state or history.init({"params": jax.random.key(0), "global": jax.random.key(0)}, x)
        (one, other), state = apply(state, x, jax.random.key(k))
        numbers = np.asarray(one[:, 0])
        assert np.array_equal(numbers, -np.asarray(other))
        fresh = numbers >= k * n
        assert fresh.sum() == (n - half if k else n)
        assert np.array_equal(numbers[::2], np.asarray(number)[::2])  # these are new
        assert set(numbers[~fresh]) <= waiting
        assert len(set(numbers)) == n
        kept = state["history"]["samples"][0][: int(state["history"]["count"]), 0]
        waiting = set(np.asarray(kept).tolist())
        assert len(kept) == len(waiting) == min((k + 1) * half, size)
        assert set(numbers[fresh][:1]) <= waiting
    assert jnp.array_equal(history.apply(state, x, train=False)[0], x[0])


def test_a_history_takes_half_of_a_batch_at_least():
    with pytest.raises(ValueError, match=r"History\(size=2\) is smaller than half a batch, 3; make it larger"):
        step(networks() | {"history": History(2)}, jg.systems.simgan(**SETTINGS | {"replay": "history"}, weight=1), SIX)


SIX = jax.tree.map(lambda x: np.concatenate([x, x]), BATCH)


def test_the_history_is_there_unless_it_is_left_out():
    plain = {name: value for name, value in SETTINGS.items() if name != "replay"}
    assert jg.systems.simgan(**plain, weight=1.0).frozen == ("history",)
    assert jg.systems.simgan(**SETTINGS, weight=1.0).frozen == ()


def test_a_refined_pixel_depends_on_its_surroundings_alone():
    refiner, x = Refiner(4, 1), jnp.zeros((1, 15, 15, 1))
    params = refiner.init(jax.random.key(0), x)
    slope = jax.grad(lambda x: refiner.apply(params, x)[0, 7, 7, 0])(x + 0.1)
    rows, columns = np.nonzero(np.asarray(slope)[0, ..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 10, 4, 10)  # 4 blocks + 3 a side
    assert refiner.apply(params, x).shape == x.shape


def test_it_refuses():
    with pytest.raises(ValueError, match="simgan needs alone >= 0 steps; got -1"):
        jg.systems.simgan(**SETTINGS, weight=1.0, alone=-1)
    with pytest.raises(ValueError, match="simgan needs a weight >= 0; got -1"):
        jg.systems.simgan(**SETTINGS, weight=-1.0)
    with pytest.raises(ValueError, match="loss='memory' is a network that remembers"):
        jg.systems.simgan(**SETTINGS | {"loss": "memory"}, weight=1.0)
    game = jg.game(networks(), jg.systems.simgan(**SETTINGS, weight=1.0))
    for missing in BATCH:
        with pytest.raises(ValueError, match=rf"simgan needs batch\['{missing}'\]"):
            game.init(jax.random.key(0), {name: value for name, value in BATCH.items() if name != missing})
