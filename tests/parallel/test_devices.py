"""One device, eight by pmap, eight by a sharded batch: the same run."""

import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import mlp
from jaxgan.networks.layers import Dropout
from jaxgan.parallel import data_parallel, local_rows
from tests.parallel.conftest import STEPS, batches, game_of, largest_difference

KINDS = ("wgan_gp", "hinge_bn", "dcgan_ema")


def parallel_of(kind, mode):
    return data_parallel(game_of(kind, "batch" if mode == "pmap" else None), mode)


@pytest.fixture(scope="module", params=KINDS)
def runs(request):
    """The states after 20 steps on one device, by pmap and sharded, and how often each was traced."""
    kind, states, traces = request.param, {}, {}
    game = game_of(kind, None)
    data = batches(game, STEPS)
    step, state = jax.jit(game.train_step), game.init(jax.random.key(0), data[0])
    for batch in data:
        state, states["one metrics"] = step(state, batch)
    states["one"] = state
    for mode in ("pmap", "sharded"):
        game = game_of(kind, "batch" if mode == "pmap" else None)
        counted = []

        def train_step(state, batch, game=game, counted=counted):
            counted.append(1)
            return game.train_step(state, batch)

        parallel = data_parallel(game._replace(train_step=train_step), mode)
        state = parallel.init(jax.random.key(0), data[0])
        for batch in data:
            state, states[f"{mode} metrics"] = parallel.train_step(state, batch)
        states[mode], traces[mode] = state, len(counted)
    return kind, states, traces


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_eight_devices_are_one(runs, mode):
    _, states, _ = runs
    assert largest_difference(states["one"], states[mode]) < 1e-5
    for name, value in states["one metrics"].items():
        np.testing.assert_allclose(states[f"{mode} metrics"][name], value, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_replicas_are_identical(runs, mode):
    """`pmap` with out_axes=None does not check this: whatever a step returns must have been averaged."""
    _, states, _ = runs
    for path, leaf in jax.tree_util.tree_leaves_with_path(states[mode]._replace(key=None)):
        shards = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(shards) == 8
        assert all(np.array_equal(shards[0], shard) for shard in shards[1:]), path


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_one_compilation(runs, mode):
    assert runs[2][mode] == 1


@pytest.mark.parametrize("left_out", ["gradient", "model_state", "metrics"])
def test_a_forgotten_average_is_seen(left_out, monkeypatch):
    """The two tests above can fail: without one of the averages the replicas part."""
    module = sys.modules["jaxgan.rules"]
    average, kept = module._average, {"gradient": 0, "model_state": 1, "metrics": 2}[left_out]

    def forgetful(tree, axis_name):
        averaged = list(average(tree, axis_name))
        averaged[kept] = tree[kept]
        return tuple(averaged)

    monkeypatch.setattr(module, "_average", forgetful)
    game = game_of("hinge_bn", "batch", local_statistics=left_out == "model_state")  # else they are equal as they are
    parallel = data_parallel(game, "pmap")
    data = batches(game, 2)
    state = parallel.init(jax.random.key(0), data[0])
    state, metrics = parallel.train_step(state, data[0])
    leaves = jax.tree.leaves((state.params, state.model_state, metrics))
    parted = [leaf for leaf in leaves if len({np.asarray(s.data).tobytes() for s in leaf.addressable_shards}) > 1]
    assert parted


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_latents_and_masks_do_not_know_the_device_count(mode):
    """A generator that shows its latents and a library dropout: every draw of the whole batch, bit for bit."""
    seen = {}

    class Show(nn.Module):
        axis_name: str | None = None

        @nn.compact
        def __call__(self, z, train=True):
            self.param("unused", nn.initializers.zeros, ())
            return jnp.concatenate([z, Dropout(0.5, self.axis_name)(jnp.ones_like(z), train)], axis=-1)

    class Judge(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(1)(x)[:, 0]

    def build(axis_name):
        def loss(nets, batch, turn):
            z = jg.priors.normal(3)(turn.named("latent"), len(batch["x"]), turn.examples)
            shown = nets["generator"](z)
            whole = shown if axis_name is None else jax.lax.all_gather(shown, axis_name, tiled=True)
            # Metrics are averaged over devices, which may round a float; halves of its bits it leaves alone.
            words = jax.lax.bitcast_convert_type(whole, jnp.uint32)
            halves = jnp.stack([words >> 16, words & 0xFFFF], axis=-1).astype(jnp.float32).reshape(-1)
            return jnp.mean(nets["discriminator"](shown)), {f"{i}": halves[i] for i in range(16 * 6 * 2)}

        player = jg.Player(("generator", "discriminator"), loss, optax.sgd(0.0))
        system = jg.System(
            {"player": player},
            lambda batch: {"generator": (jnp.zeros((2, 3)),), "discriminator": (jnp.zeros((2, 6)),)},
            lambda nets, key, inputs: None,
        )
        return jg.game({"generator": Show(axis_name), "discriminator": Judge()}, system, axis_name=axis_name)

    batch = {"x": np.zeros((16, 2), np.float32)}
    one = build(None)
    _, seen["one"] = jax.jit(one.train_step)(one.init(jax.random.key(0), batch), batch)
    many = data_parallel(build("batch" if mode == "pmap" else None), mode)
    _, seen["many"] = many.train_step(many.init(jax.random.key(0), batch), batch)
    table = {k: np.array([int(v[f"player/{i}"]) for i in range(16 * 6 * 2)]).reshape(16, 6, 2) for k, v in seen.items()}
    assert np.array_equal(table["one"], table["many"])
    rows = ((table["one"][..., 0] << 16) | table["one"][..., 1]).astype(np.uint32).view(np.float32)
    assert len({row[:3].tobytes() for row in rows}) == 16  # every latent its own
    assert len({row[3:].tobytes() for row in rows}) > 2  # masks differ
    assert set(rows[:, 3:].ravel()) == {0.0, 2.0}


def test_plain_dropout_differs_between_devices():
    """`nn.Dropout` cannot know the global batch, but it must not repeat one mask on every device either."""

    class Plain(nn.Module):
        @nn.compact
        def __call__(self, x, train=True):
            self.param("unused", nn.initializers.zeros, ())
            return nn.Dropout(0.5, deterministic=not train)(jnp.ones_like(x))

    def loss(nets, batch, turn):
        whole = jax.lax.all_gather(nets["net"](batch["x"]), "batch", tiled=True)
        return 0.0 * jnp.sum(whole), {f"{i}": whole[i] @ 2.0 ** jnp.arange(16) for i in range(8)}

    system = jg.System(
        {"player": jg.Player(("net",), loss, optax.sgd(0.0))}, lambda batch: {"net": (batch["x"],)}, lambda *_: None
    )
    game = data_parallel(jg.game({"net": Plain()}, system, axis_name="batch"))
    batch = {"x": np.zeros((8, 16), np.float32)}
    _, metrics = game.train_step(game.init(jax.random.key(0), batch), batch)
    assert len({float(metrics[f"player/{i}"]) for i in range(8)}) == 8


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_placed_batches_and_donation(mode):
    parallel = parallel_of("dcgan_ema", mode)
    data = batches(game_of("dcgan_ema", None), 3)
    runs = {}
    for placed in (False, True):
        state = parallel.init(jax.random.key(0), data[0])
        for batch in data:
            before = jax.tree.leaves(state.params)
            state, _ = parallel.train_step(state, parallel.place(batch) if placed else batch)
            assert all(leaf.is_deleted() for leaf in before)  # one copy of the state is alive
        runs[placed] = state
    assert largest_difference(runs[False], runs[True]) == 0


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_peak_memory_holds_one_state(mode):
    """What goes in comes out in the same memory; `is_deleted` above would also hold after a copy."""
    parallel = parallel_of("dcgan_ema", mode)
    data = batches(game_of("dcgan_ema", None), 1)[0]
    state = parallel.init(jax.random.key(0), data)
    memory = parallel.step.lower(state, parallel.place(data)).compile().memory_analysis()
    assert memory.alias_size_in_bytes >= state_bytes(state)
    assert memory.output_size_in_bytes - memory.alias_size_in_bytes < 4096  # metrics: no second state comes out
    undonated = jax.jit(game_of("dcgan_ema", None).train_step).lower(state, data).compile().memory_analysis()
    assert undonated.alias_size_in_bytes == 0


def state_bytes(state):
    return sum(x.nbytes for x in jax.tree.leaves(state._replace(key=jax.random.key_data(state.key))))


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
@pytest.mark.parametrize("kind", ["wgan_gp", "dcgan_ema"])
def test_each_device_does_its_part_of_the_work(kind, mode):
    """Without a hint, XLA lets every device of the sharded form generate the fake images of the whole batch."""
    game, parallel = game_of(kind, None), parallel_of(kind, mode)
    data = batches(game, 1, size=64)[0]
    one = jax.jit(game.train_step).lower(game.init(jax.random.key(0), data), data).compile()
    state = parallel.init(jax.random.key(0), data)
    many = parallel.step.lower(state, parallel.place(data)).compile()
    share = many.cost_analysis()["flops"] / one.cost_analysis()["flops"]
    assert 1 / 8 <= share < 1.7 / 8  # updates and averages of parameters are everybody's


def test_a_split_state_is_the_same_run():
    """Parameters, moments and averages in eight parts: same bits at the start, same run, an eighth of the memory."""
    prior, momentum = jg.priors.normal(8), optax.sgd(1e-3, momentum=0.9)
    networks = {"generator": mlp.Generator((28, 28, 1), (64,)), "discriminator": mlp.Discriminator((64,))}
    system = jg.systems.gan(loss=jg.losses.hinge, prior=prior, optimizer=momentum)
    game = jg.game(networks, system, ema={"generator": 0.9})
    data = batches(game, 5)
    one, step = game.init(jax.random.key(0), data[0]), jax.jit(game.train_step)
    counted = []

    def train_step(state, batch):
        counted.append(1)
        return game.train_step(state, batch)

    parallel = data_parallel(game._replace(train_step=train_step), "sharded", shard_state=True)
    state = parallel.init(jax.random.key(0), data[0])
    assert largest_difference(one, state) == 0
    assert largest_difference(one, parallel.replicate(one)) == 0
    compiled = parallel.step.lower(state, parallel.place(data[0])).compile()
    parts = compiled.memory_analysis()
    assert parts.argument_size_in_bytes < 0.2 * state_bytes(state)
    assert parts.alias_size_in_bytes > 0.9 * parts.output_size_in_bytes
    for batch in data:
        (one, _), (state, _) = step(one, batch), parallel.train_step(state, batch)
    assert largest_difference(one, state) < 1e-5
    assert largest_difference(one, parallel.local(state)) < 1e-5
    assert len(counted) == 1
    for tree in (state.params, state.opt_state, state.ema):
        assert "batch" in str([leaf.sharding.spec for leaf in jax.tree.leaves(tree)])
    with pytest.raises(ValueError, match="needs mode 'sharded'"):
        data_parallel(game_of("hinge_bn", "batch"), "pmap", shard_state=True)


def test_a_checkpoint_does_not_know_the_device_count(tmp_path):
    """Eight devices by pmap, then one, then eight sharded: the state of each goes on in the next."""
    from jaxgan import checkpoint

    data = batches(game_of("dcgan_ema", None), 4)
    mapped, sharded = parallel_of("dcgan_ema", "pmap"), parallel_of("dcgan_ema", "sharded")
    one = game_of("dcgan_ema", None)
    target = jax.eval_shape(one.init, jax.random.key(0), data[0])
    state = mapped.init(jax.random.key(0), data[0])
    state, _ = mapped.train_step(state, data[0])
    expected = jax.device_get(state.params)
    manager = checkpoint.open_checkpoints(tmp_path / "checkpoints")
    checkpoint.save(manager, state, {})
    checkpoint.wait(manager)
    restored = checkpoint.restore(manager, target, {})
    assert jax.tree.all(jax.tree.map(np.array_equal, expected, jax.device_get(restored.params)))
    assert len(restored.step.sharding.device_set) == 1
    straight, _ = jax.jit(one.train_step)(restored, data[1])
    again = sharded.replicate(checkpoint.restore(manager, target, {}))
    again, _ = sharded.train_step(again, data[1])
    back = mapped.replicate(checkpoint.restore(manager, target, {}))
    back, _ = mapped.train_step(back, data[1])
    assert largest_difference(straight, again) < 1e-4
    assert largest_difference(straight, back) < 1e-4
    manager.close()


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_samples_of_a_spread_game_are_those_of_one_device(mode):
    parallel, game = parallel_of("dcgan_ema", mode), game_of("dcgan_ema", None)
    data = batches(game, 1)
    one = jg.sample(game, game.init(jax.random.key(0), data[0]), jax.random.key(1), n=4)
    state = parallel.init(jax.random.key(0), data[0])
    for either in (state, parallel.local(state)):
        np.testing.assert_allclose(jg.sample(parallel, either, jax.random.key(1), n=4), one, atol=1e-6)


def test_errors_name_batch_and_devices():
    with pytest.raises(ValueError, match="unknown mode 'pmpa'"):
        data_parallel(game_of("hinge_bn", None), "pmpa")
    with pytest.raises(ValueError, match="axis_name='batch'"):
        data_parallel(game_of("hinge_bn", None), "pmap")
    with pytest.raises(ValueError, match="leave axis_name out"):
        data_parallel(game_of("hinge_bn", "batch"), "sharded")
    parallel = data_parallel(game_of("wgan_gp", None), "sharded")
    with pytest.raises(
        ValueError, match=r"12 examples, which 2 minibatches on 8 devices do not divide; use a multiple"
    ):
        parallel.place({"x": np.zeros((12, 28, 28, 1), np.float32)})
    with pytest.raises(ValueError, match="tuple of 1 minibatches; expected 2"):
        jax.eval_shape(game_of("wgan_gp", None).init, jax.random.key(0), ({"x": jnp.zeros((8, 28, 28, 1))},))


def test_local_rows_of_one_process_are_all_rows():
    assert local_rows(6, 2).tolist() == [0, 1, 2, 3, 4, 5]


def test_local_rows_are_a_part_of_each_minibatch(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    assert local_rows(8, 2).tolist() == [2, 3, 6, 7]
    with pytest.raises(ValueError, match="does not divide"):
        local_rows(6, 2)
