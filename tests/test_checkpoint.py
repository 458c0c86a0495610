"""Checkpoints: exact resume, what is kept, what a mismatch says, and a disk that fills up."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import checkpoint, data
from jaxgan.checkpoint import CheckpointError
from jaxgan.networks import dcgan, mlp


def mlp_run():
    networks = {"generator": mlp.Generator((2,), (8,)), "discriminator": mlp.Discriminator((8,))}
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    return networks, data.arrays(x)


def dcgan_run():
    networks = {
        "generator": dcgan.Generator(1, 28, features=2, classes=2),
        "discriminator": dcgan.Discriminator(28, 2, "batch", classes=2),
    }
    random = np.random.default_rng(0)
    x = np.tanh(random.normal(size=(10, 28, 28, 1))).astype(np.float32)
    return networks, data.arrays(x, random.integers(0, 2, 10), classes=2)


@pytest.fixture(scope="module", params=[mlp_run, dcgan_run], ids=["mlp", "dcgan"])
def run(request):
    """A compiled game, its data, and a function that trains a state up to a step, batch order included."""
    networks, source = request.param()
    system = jg.systems.gan(
        loss=jg.losses.non_saturating, prior=jg.priors.normal(3), optimizer=optax.adam(1e-2, b1=0.5), n_critic=2
    )
    game = jg.game(networks, system, ema={"generator": 0.9})
    step = jax.jit(game.train_step)
    example = data.batch_at(source, 6, 0)(0)

    def train(state, steps):
        metrics = []
        for _, batch in zip(
            range(int(state.step), steps), data.batches(source, 6, seed=0, start=int(state.step)), strict=False
        ):
            state, observed = step(state, batch)
            metrics.append(observed)
        return state, metrics

    key = jax.random.key(3)
    return SimpleNamespace(train=train, start=game.init(key, example), target=jax.eval_shape(game.init, key, example))


def bits(state):
    return state._replace(key=jax.random.key_data(state.key))


@pytest.fixture
def manager(tmp_path):
    manager = checkpoint.open_checkpoints(tmp_path / "checkpoints")
    yield manager
    manager.close()


def test_saved_restored_and_continued_equals_uninterrupted(run, manager):
    straight, metrics = run.train(run.start, 5)
    half, _ = run.train(run.start, 2)
    checkpoint.save(manager, half, {})
    checkpoint.wait(manager)
    restored = checkpoint.restore(manager, run.target)
    assert restored.key.dtype == half.key.dtype  # a typed key still
    chex.assert_trees_all_equal(bits(restored), bits(half))
    continued, rest = run.train(restored, 5)
    chex.assert_trees_all_equal(bits(continued), bits(straight))
    chex.assert_trees_all_equal(rest, metrics[2:])


# From here on a small state, made by hand, is enough.


def state_at(step, seed=0, width=3, dtype=jnp.float32):
    w = jax.random.normal(jax.random.key(seed + step), (width,), dtype)
    return jg.TrainState(
        step=jnp.asarray(step, jnp.int32),
        key=jax.random.key(seed),
        params={"generator": {"w": w}},
        model_state={"generator": {}},
        opt_state={"generator": (optax.EmptyState(), optax.ScaleByAdamState(jnp.zeros((), jnp.int32), w, w))},
        ema={},
    )


def target(**settings):
    return jax.eval_shape(lambda: state_at(0, **settings))


def test_a_saved_state_may_be_donated(manager):
    state = state_at(1)
    expected = bits(state_at(1))
    checkpoint.save(manager, state, {})
    jax.jit(lambda params: jax.tree.map(lambda x: x + 1, params), donate_argnums=0)(state.params)
    checkpoint.wait(manager)
    chex.assert_trees_all_equal(bits(checkpoint.restore(manager, target())), expected)


def test_a_live_state_is_a_target_too(manager):
    checkpoint.save(manager, state_at(2), {})
    checkpoint.wait(manager)
    chex.assert_trees_all_equal(bits(checkpoint.restore(manager, state_at(0))), bits(state_at(2)))


def test_the_latest_are_kept(tmp_path):
    manager = checkpoint.open_checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3, 4):
        checkpoint.save(manager, state_at(step), {})
    checkpoint.wait(manager)
    assert sorted(manager.all_steps()) == [3, 4]
    assert int(checkpoint.restore(manager, target()).step) == 4
    assert int(checkpoint.restore(manager, target(), step=3).step) == 3
    manager.close()
    again = checkpoint.open_checkpoints(tmp_path, keep=2)  # another process sees the same
    assert sorted(again.all_steps()) == [3, 4]
    again.close()


@pytest.mark.parametrize(("lower", "best"), [(True, 2), (False, 1)])
def test_the_best_is_kept_as_well(tmp_path, lower, best):
    manager = checkpoint.open_checkpoints(tmp_path, keep=1, best="fid", lower_is_better=lower)
    for step, fid in [(1, 9.0), (2, 3.0), (3, 5.0), (4, 6.0)]:
        checkpoint.save(manager, state_at(step), {}, figures={"fid": fid, "recall": 0.0})
    checkpoint.save(manager, state_at(5), {})  # without figures
    checkpoint.wait(manager)
    assert sorted(manager.all_steps()) == [best, 5]
    assert checkpoint.best_step(manager, "fid", lower) == best
    assert checkpoint.best_step(manager, "unknown") is None
    manager.close()


def test_saving_a_step_again_changes_nothing(manager):
    checkpoint.save(manager, state_at(1), {})
    checkpoint.save(manager, state_at(1, seed=5), {})
    checkpoint.wait(manager)
    chex.assert_trees_all_equal(bits(checkpoint.restore(manager, target())), bits(state_at(1)))


def test_manifest(manager):
    checkpoint.save(manager, state_at(7), {"seed": 3, "name": "digits"}, versions={"jax": "1.0"})
    checkpoint.wait(manager)
    assert checkpoint.config_of(manager, 7) == {"seed": 3, "name": "digits"}
    page = json.loads((manager.directory / "7" / "manifest" / "process-0.json").read_text())["page"]
    assert page["data"] == {"next_step": 7}
    assert page["versions"] == {"jax": "1.0"}
    assert page["format"] == checkpoint.FORMAT
    assert page["seed"] == 3
    assert (page["devices"], page["processes"]) == (jax.device_count(), 1)
    assert page["threads"] == os.environ["NPROC"]
    assert page["leaves"]["params/generator/w"] == {"shape": [3], "dtype": "float32"}
    assert page["leaves"]["key"] == {"shape": [], "dtype": "key<fry>"}
    w = np.asarray(state_at(7).params["generator"]["w"])
    assert ["params/generator/w", [[0, 3]], hashlib.sha256(w.tobytes()).hexdigest()] in page["digests"]


# Mismatches


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    manager = checkpoint.open_checkpoints(tmp_path_factory.mktemp("saved"))
    config = {"seed": 0, "steps": 10, "loss": "hinge", "hidden": [8, 8]}
    checkpoint.save(manager, state_at(3), config)
    checkpoint.wait(manager)
    yield SimpleNamespace(manager=manager, config=config)
    manager.close()


def message_of(saved, target, config=None, **settings):
    with pytest.raises(ValueError, match="of another run") as caught:
        checkpoint.restore(saved.manager, target, config, **settings)
    text = str(caught.value)
    assert len(text.splitlines()) <= 11  # a heading and at most ten
    return text


def test_differing_config_fields_are_named(saved):
    other = {"seed": 1, "steps": 20, "loss": "hinge", "hidden": [8, 8], "extra": None, "new": 2}
    text = message_of(saved, target(), other, may_differ=("steps",))
    assert "config seed: checkpoint 0, now 1" in text
    assert "config new: checkpoint None, now 2" in text
    assert "loss" not in text
    assert "steps" not in text
    checkpoint.restore(saved.manager, target(), saved.config | {"steps": 20}, may_differ=("steps",))


def test_a_field_that_came_later_is_no_difference_at_its_default(saved):
    """Of a dataclass, which knows defaults: a release that adds a flag goes on with the runs of the one before."""

    @dataclasses.dataclass(frozen=True)
    class Config:
        seed: int = 5
        steps: int = 20
        loss: str = "hinge"
        hidden: tuple[int, ...] = (8, 8)
        extra: str | None = None
        dropout: float = 0.5
        names: list[str] = dataclasses.field(default_factory=lambda: ["a"])

    same = Config(**saved.config)
    checkpoint.restore(saved.manager, target(), same)
    text = message_of(saved, target(), dataclasses.replace(same, dropout=0.0))
    assert "config dropout: checkpoint None, now 0.0" in text
    assert "names" not in text
    text = message_of(saved, target(), dataclasses.replace(same, seed=5))  # saved, and so compared at its default too
    assert "config seed: checkpoint 0, now 5" in text


def test_a_config_with_tuples_is_the_same_config(saved):
    """JSON knows no tuples, and frozen dataclasses are full of them."""
    checkpoint.restore(saved.manager, target(), saved.config | {"hidden": (8, 8)})


def test_differing_leaves_are_named(saved):
    text = message_of(saved, target(width=4))
    assert "params/generator/w: checkpoint (3,) float32, model (4,) float32" in text
    text = message_of(saved, target(dtype=jnp.bfloat16))
    assert "params/generator/w: checkpoint (3,) float32, model (3,) bfloat16" in text
    more = target()._replace(ema={"generator": {"w": jax.ShapeDtypeStruct((3,), jnp.float32)}})
    assert "ema/generator/w: checkpoint has none, model (3,) float32" in message_of(saved, more)
    less = target()._replace(params={})
    assert "params/generator/w: checkpoint (3,) float32, model has none" in message_of(saved, less)


def test_many_differences_are_cut_short(saved):
    many = {f"layer_{i}": jax.ShapeDtypeStruct((3,), jnp.float32) for i in range(30)}
    text = message_of(saved, target()._replace(ema={"generator": many}))
    assert "... and 21 more" in text


def test_another_key_implementation_is_named(saved):
    other = target()._replace(key=jax.eval_shape(lambda: jax.random.key(0, impl="rbg")))
    assert "key: checkpoint key<fry>, now key<rbg>" in message_of(saved, other)


def test_a_raw_key_is_no_typed_key(saved):
    """Orbax would give back the integers where a key is wanted, and no error."""
    raw = target()._replace(key=jax.ShapeDtypeStruct((2,), jnp.uint32))
    text = message_of(saved, raw)
    assert "key: checkpoint key<fry>, now uint32" in text
    assert "key: checkpoint () key<fry>, model (2,) uint32" in text


def test_no_checkpoint(saved, tmp_path):
    with pytest.raises(ValueError, match=r"no checkpoint 4 in .*; have \[3\]"):
        checkpoint.restore(saved.manager, target(), step=4)
    empty = checkpoint.open_checkpoints(tmp_path)
    with pytest.raises(ValueError, match=r"no checkpoint in .*; have \[\]"):
        checkpoint.restore(empty, target())
    empty.close()


def test_keep_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="keep >= 1; got 0"):
        checkpoint.open_checkpoints(tmp_path, keep=0)


# Failures


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write checkpoints to"):
        checkpoint.open_checkpoints(tmp_path / "file" / "checkpoints")


def damage(step):
    """Empties the array files of a checkpoint."""
    for path in (step / "state").rglob("*"):
        if path.is_file() and "d" in path.parts[-2:-1]:
            path.write_bytes(b"")


@pytest.fixture
def damaged(tmp_path):
    """A folder of three checkpoints, the newest of which cannot be read."""
    manager = checkpoint.open_checkpoints(tmp_path / "checkpoints")
    for step in (1, 2, 3):
        checkpoint.save(manager, state_at(step), {})
    checkpoint.wait(manager)
    manager.close()
    damage(tmp_path / "checkpoints" / "3")
    return tmp_path / "checkpoints"


def test_a_damaged_checkpoint_is_put_aside_for_the_newest_good_one(damaged, caplog):
    manager = checkpoint.open_checkpoints(damaged)
    chex.assert_trees_all_equal(bits(checkpoint.restore(manager, target())), bits(state_at(2)))
    (line,) = caplog.messages
    assert f"{damaged / '3'} is damaged and now {damaged / 'quarantine' / '3'}" in line
    checkpoint.save(manager, state_at(3), {})  # the step can be saved again
    checkpoint.wait(manager)
    assert int(checkpoint.restore(manager, target()).step) == 3
    damage(damaged / "3")
    assert int(checkpoint.restore(manager, target()).step) == 2
    assert sorted(path.name for path in (damaged / "quarantine").iterdir()) == ["3", "3-2"]
    manager.close()


def test_a_damaged_checkpoint_that_was_asked_for_is_an_error(damaged):
    manager = checkpoint.open_checkpoints(damaged)
    with pytest.raises(CheckpointError, match=r"checkpoint 3 in .* cannot be read"):
        checkpoint.restore(manager, target(), step=3)
    assert int(checkpoint.restore(manager, target(), step=1).step) == 1
    assert sorted(manager.all_steps()) == [1, 2, 3]
    manager.close()


def test_a_reader_moves_nothing(damaged, caplog):
    before = sorted(damaged.rglob("*"))
    reader = checkpoint.open_checkpoints(damaged, read_only=True)
    assert int(checkpoint.restore(reader, target()).step) == 2
    assert "3 is damaged and left out" in caplog.text
    reader.close()
    assert sorted(damaged.rglob("*")) == before


def test_another_run_is_not_damage(damaged):
    manager = checkpoint.open_checkpoints(damaged)
    with pytest.raises(ValueError, match="is of another run"):
        checkpoint.restore(manager, target(width=4))
    assert sorted(manager.all_steps()) == [1, 2, 3]
    manager.close()


FEW_FILES = """
    import resource, sys
    from pathlib import Path
    from jaxgan import checkpoint
    from tests.test_checkpoint import target

    manager, wanted, refused = checkpoint.open_checkpoints(Path(sys.argv[1])), target(), 0
    checkpoint.restore(manager, wanted)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in range(3, 60):  # until the listing, the manifest and the arrays can be opened
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            restored = int(checkpoint.restore(manager, wanted).step)
        except OSError as error:
            refused += "Too many open files" in str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(refused, restored, *sorted(manager.all_steps()))
"""


def test_what_the_machine_lacks_is_not_damage(tmp_path):
    """A good checkpoint must not be put aside because this process ran out of file descriptors."""
    manager = checkpoint.open_checkpoints(tmp_path)
    for step in (1, 2):
        checkpoint.save(manager, state_at(step), {})
    checkpoint.wait(manager)
    manager.close()
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FEW_FILES), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    refused, *rest = map(int, result.stdout.split())
    assert refused > 1
    assert rest == [2, 1, 2], result.stderr


def test_an_older_format_is_refused(tmp_path):
    (tmp_path / "4" / "about").mkdir(parents=True)
    (tmp_path / "4" / "state").mkdir()
    manager = checkpoint.open_checkpoints(tmp_path)
    with pytest.raises(ValueError, match="4 has format 1, without digests; this version reads 2"):
        checkpoint.restore(manager, target())
    manager.close()


def test_shards_are_verified_by_any_number_of_devices(tmp_path, caplog):
    """Each device's part has its own digest; whoever reads checks them as slices of the whole."""
    across = jax.sharding.NamedSharding(jax.make_mesh((8,), ("data",)), jax.sharding.PartitionSpec("data"))
    state = state_at(2, width=16)
    w = jax.device_put(state.params["generator"]["w"], across)
    manager = checkpoint.open_checkpoints(tmp_path)
    checkpoint.save(manager, state_at(1, width=16), {})
    checkpoint.save(manager, state._replace(params={"generator": {"w": w}}), {})
    checkpoint.wait(manager)
    digests = json.loads((tmp_path / "2" / "manifest" / "process-0.json").read_text())["page"]["digests"]
    assert [ranges for path, ranges, _ in digests if path == "params/generator/w"] == [
        [[2 * k, 2 * k + 2]] for k in range(8)
    ]
    chex.assert_trees_all_equal(bits(checkpoint.restore(manager, target(width=16))), bits(state))
    four = jax.sharding.NamedSharding(jax.make_mesh((4,), ("data",), devices=jax.devices()[:4]), across.spec)
    wanted = target(width=16)._replace(params={"generator": {"w": jax.ShapeDtypeStruct((16,), w.dtype, sharding=four)}})
    restored = checkpoint.restore(manager, wanted).params["generator"]["w"]
    assert restored.sharding == four
    np.testing.assert_array_equal(restored, w)
    manager.close()


FULL_DISK = """
    import resource, signal, sys
    from pathlib import Path
    import jax, jax.numpy as jnp
    import jaxgan as jg
    from jaxgan import checkpoint

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails instead of killing the process
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def state_at(step):
        w = jax.random.normal(jax.random.key(step), (400, 400))  # 640 kB that do not compress
        return jg.TrainState(jnp.asarray(step, jnp.int32), jax.random.key(0), {"g": {"w": w}}, {}, {}, {})

    folder = Path(sys.argv[1])
    manager = checkpoint.open_checkpoints(folder)
    checkpoint.save(manager, state_at(1), {})
    checkpoint.wait(manager)
    for step in (2, 3):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            checkpoint.save(manager, state_at(step), {})
            checkpoint.wait(manager)
            print("saved")
        except checkpoint.CheckpointError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        print(*sorted(path.name for path in folder.iterdir()))
    restored = checkpoint.restore(manager, jax.eval_shape(lambda: state_at(0)))
    print(int(restored.step), bool((restored.params["g"]["w"] == state_at(1).params["g"]["w"]).all()))
    checkpoint.save(manager, state_at(4), {})  # once there is room again
    checkpoint.wait(manager)
    print(*sorted(manager.all_steps()))
    manager.close()
"""


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    """A limit on the size of files stands in for the disk: writes fail in the middle of a save."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stderr
    for error, left in (lines[0:2], lines[2:4]):
        assert "was not saved" in error
        assert "the file size limit is reached" in error
        assert error.endswith("the last good checkpoint is step 1")
        assert left == "1"  # nothing half-written
    assert lines[4:] == ["1 True", "1 4"]


def test_arrays_without_elements(tmp_path):
    """A branch of no units has parameters, moments and averages of no elements."""

    class Off(nn.Module):
        @nn.compact
        def __call__(self, z):
            return nn.Dense(2)(jnp.concatenate([z, nn.Dense(0, kernel_init=nn.initializers.zeros)(z)], axis=1))

    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.adam(1e-2))
    networks = {"generator": Off(), "discriminator": jg.networks.mlp.Discriminator((4,))}
    game, batch = jg.game(networks, system, ema={"generator": 0.9}), {"x": jnp.ones((4, 2))}
    state, _ = jax.jit(game.train_step)(game.init(jax.random.key(0), batch), batch)
    assert any(leaf.size == 0 for leaf in jax.tree.leaves(state))
    manager = checkpoint.open_checkpoints(tmp_path)
    checkpoint.save(manager, state, {})
    checkpoint.wait(manager)
    restored = checkpoint.restore(manager, jax.eval_shape(game.init, jax.random.key(0), batch), {})
    manager.close()
    chex.assert_trees_all_equal(restored._replace(key=0), state._replace(key=0))
    assert jax.tree.map(jnp.shape, restored.params) == jax.tree.map(jnp.shape, state.params)
