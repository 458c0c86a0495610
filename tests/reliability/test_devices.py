"""Other numbers of devices than before: the same state goes on, batches must divide, latents do not change."""

import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from experiments.__main__ import main
from jaxgan import checkpoint
from jaxgan.networks import mlp
from jaxgan.parallel import data_parallel
from tests.reliability.saver import digest

RING = jg.data.ring()
FORMS = {
    "1": (1, None),
    "8 pmap": (8, "pmap"),
    "8 sharded": (8, "sharded"),
    "4 pmap": (4, "pmap"),
    "4 sharded": (4, "sharded"),
}


def game_of(mode):
    networks = {"generator": mlp.Generator((2,), (8,)), "discriminator": mlp.Discriminator((8,))}
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.adam(1e-3))
    return jg.game(networks, system, ema={"generator": 0.9}, axis_name="batch" if mode == "pmap" else None)


def batch(step):
    return jg.data.batch_at(RING, 16, 0)(step)


@pytest.fixture(scope="module")
def steps():
    """By form, (step, target with shardings): compiled once for all tests."""
    made = {}
    for name, (count, mode) in FORMS.items():
        game = game_of(mode)
        target = jax.eval_shape(game_of(None).init, jax.random.key(0), batch(0))
        if mode is None:
            made[name] = (jax.jit(game.train_step), target)
            continue
        spread = data_parallel(game, mode, devices=jax.devices()[:count])
        target = jax.tree.map(
            lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
            target,
            spread.sharding(target),
        )
        made[name] = (spread.train_step, target)
    return made


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1", "8 sharded"),
        ("1", "8 pmap"),
        ("8 sharded", "1"),
        ("8 pmap", "1"),
        ("8 sharded", "4 sharded"),
        ("8 pmap", "4 sharded"),
        ("8 sharded", "8 pmap"),
        ("8 pmap", "8 sharded"),
        ("4 pmap", "8 pmap"),
    ],
)
def test_a_checkpoint_goes_on_with_other_devices(before, after, steps, tmp_path, scorecard):
    manager = checkpoint.open_checkpoints(tmp_path)
    step, target = steps[before]
    first = jax.jit(game_of(None).init)(jax.random.key(0), batch(0))
    checkpoint.save(manager, first, {})
    checkpoint.wait(manager)
    state = checkpoint.restore(manager, target, {})
    for number in range(3):
        state, _ = step(state, batch(number))
    checkpoint.save(manager, state, {})
    checkpoint.wait(manager)
    saved = digest(state)
    _, same = step(state, batch(3))
    began = time.monotonic()
    step, target = steps[after]
    restored = checkpoint.restore(manager, target, {}, step=3)
    assert digest(restored) == saved
    for leaf, wanted in zip(jax.tree.leaves(restored), jax.tree.leaves(target), strict=True):
        assert len(leaf.sharding.device_set) == FORMS[after][0]
        assert wanted.shape == leaf.shape
    _, metrics = step(restored, batch(3))
    for name in ("generator/loss", "discriminator/loss"):
        assert abs(float(metrics[name]) - float(same[name])) <= 1e-6 * max(1.0, abs(float(same[name]))), name
    manager.close()
    outcome = "restored on 1, 4 or 8 devices, by jit, pmap or sharded: identical, next losses within 1e-6"
    scorecard("R15", outcome, time.monotonic() - began, limit=60)


# R21


def test_a_batch_that_devices_do_not_divide(tmp_path, capsys, scorecard):
    began = time.monotonic()
    assert main(["ring", "--batch-size", "12", "--out", str(tmp_path / "runs")]) == 2
    line = capsys.readouterr().err
    assert "12 examples, which 1 minibatches on 8 devices do not divide; use a multiple of 8, such as 8" in line
    assert not (tmp_path / "runs").exists()
    seconds = time.monotonic() - began
    scorecard("R21", "a batch of 12 on 8 devices: exit 2, a size that fits is named, no run is made", seconds, limit=5)
    for mode in ("pmap", "sharded"):
        spread = data_parallel(game_of(mode if mode == "pmap" else None), mode)
        began = time.monotonic()
        with pytest.raises(ValueError, match=r"12 examples, .* use a multiple of 8, such as 8"):
            spread.train_step(None, {"x": np.zeros((12, 2), np.float32)})
        outcome = "the same in pmap and sharded steps: an error before compilation"
        scorecard("R21", outcome, time.monotonic() - began, limit=5)


def test_a_placed_batch_of_too_few_parts(scorecard):
    """`place` never makes one; a caller who cuts batches alone may. JAX would leave five devices out."""
    spread = data_parallel(game_of("pmap"), "pmap")
    state = spread.init(jax.random.key(0), batch(0))
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"has \[3\] parts for 8 devices; use `place`"):
        spread.train_step(state, ({"x": np.zeros((3, 2, 2), np.float32)},))
    scorecard("R21", "a batch placed by hand for 3 of 8 devices: an error", time.monotonic() - began, limit=5)


# R22


def shown_latents(count, mode):
    """Returns the latents of one step's global batch, bit for bit."""

    class Show(nn.Module):
        @nn.compact
        def __call__(self, z):
            self.param("unused", nn.initializers.zeros, ())
            return z

    def loss(nets, batch, turn):
        shown = nets["show"](jg.priors.normal(3)(turn.named("latent"), len(batch["x"]), turn.examples))
        whole = jax.lax.all_gather(shown, "batch", tiled=True) if mode == "pmap" else shown
        # Metrics are averaged over devices, which may round a float; halves of its bits it leaves alone.
        words = jax.lax.bitcast_convert_type(whole, jnp.uint32)
        halves = jnp.stack([words >> 16, words & 0xFFFF], axis=-1).astype(jnp.float32).reshape(-1)
        return 0.0 * jnp.mean(shown), {f"{i}": halves[i] for i in range(16 * 3 * 2)}

    system = jg.System(
        {"player": jg.Player(("show",), loss, optax.sgd(0.0))},
        lambda batch: {"show": (jnp.zeros((2, 3)),)},
        lambda *_: None,
    )
    game = jg.game({"show": Show()}, system, axis_name="batch" if mode == "pmap" else None)
    spread = data_parallel(game, mode, devices=jax.devices()[:count])
    data = {"x": np.zeros((16, 2), np.float32)}
    _, metrics = spread.train_step(spread.init(jax.random.key(0), data), data)
    halves = np.array([int(metrics[f"player/{i}"]) for i in range(16 * 3 * 2)]).reshape(16, 3, 2)
    return ((halves[..., 0] << 16) | halves[..., 1]).astype(np.uint32)


def test_latents_do_not_know_the_number_of_devices(scorecard):
    began, seen = time.monotonic(), {}
    for mode in ("pmap", "sharded"):
        for count in (1, 2, 4, 8):
            seen[mode, count] = shown_latents(count, mode)
    one = seen["sharded", 1]
    assert all(np.array_equal(one, other) for other in seen.values())
    assert len({row.tobytes() for row in one}) == 16
    scorecard(
        "R22",
        "1, 2, 4, 8 devices, pmap and sharded: the same 16 latents, all different",
        time.monotonic() - began,
        limit=40,
    )
