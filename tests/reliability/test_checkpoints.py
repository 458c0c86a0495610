"""Nothing that was saved is lost: real kills, real damage, real limits; no mocks."""

import json
import logging
import random
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from experiments.__main__ import main
from jaxgan import checkpoint
from jaxgan.checkpoint import CheckpointError
from tests.reliability import saver
from tests.runs.conftest import ROOT, finish, signal_after_checkpoint, start


@pytest.fixture(autouse=True)
def optimized_where_slow():
    """Not here: what is saved must have the bits of processes and of other tests, which compile as tests do."""


def steps_in(folder):
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())


# Kills


def start_saver(folder, steps, keep=2):
    return start(folder, steps, keep, module="tests.reliability.saver")


def uninterrupted(steps):
    """Returns the digest of a run that neither stops nor saves."""
    state = saver.first()
    for _ in range(steps):
        state = saver.train_step(state)
    return saver.digest(state)


def all_restore(folder):
    """Tells how many checkpoints are listed after a kill; every one of them must restore."""
    manager = checkpoint.open_checkpoints(folder, read_only=True)
    for step in manager.all_steps():
        assert int(checkpoint.restore(manager, jax.eval_shape(saver.first), step=step).step) == step
    manager.close()
    return len(manager.all_steps())


def next_save(process):
    """Waits until the next save begins; returns its step."""
    for line in process.stdout:
        if line.startswith("save"):
            return int(line.split()[1])
    raise AssertionError(process.stderr.read())


def chain(folder, kills, killed_at, keep):
    """Kills one run again and again; returns (committed steps lost at each start, digest, the digest wanted)."""
    lost, last = [], 0
    for _ in range(kills):
        process = start_saver(folder, 100_000, keep)
        line = process.stdout.readline()
        assert line.startswith("start"), process.stderr.read()
        lost.append(last - int(line.split()[1]))
        killed_at(process)
        process.kill()
        process.communicate()
        last = max(steps_in(folder), default=0)
        all_restore(folder)
    process = start_saver(folder, last + 2, keep)
    code, out, err = finish(process)
    assert code == 0, err
    return lost, out.split()[-1], uninterrupted(last + 2)


def chain_of_random_kills(folder, kills, scorecard, seed=0):
    began, rng = time.monotonic(), random.Random(seed)

    def killed_at(process):
        next_save(process)
        time.sleep(rng.uniform(0, 0.8))

    lost, digest, wanted = chain(folder, kills, killed_at, keep=2)
    assert set(lost) == {0}  # every start went on from the newest that was committed
    assert digest == wanted
    assert not (folder / "quarantine").exists()
    outcome = f"{kills} kills 0-800 ms after a save began: 0 lost, 0 quarantined, final state identical"
    scorecard("R1", outcome, time.monotonic() - began)


def test_killed_at_any_time_of_saving(tmp_path, scorecard):
    chain_of_random_kills(tmp_path / "run", 10, scorecard)


@pytest.mark.slow
def test_killed_at_any_time_of_saving_200_times(tmp_path, scorecard):
    chain_of_random_kills(tmp_path / "run", 200, scorecard)


def test_killed_while_old_checkpoints_are_deleted(tmp_path, scorecard):
    began, rng, folder, halves = time.monotonic(), random.Random(0), tmp_path / "run", []

    def killed_at(process):
        for _ in range(rng.randrange(2, 4)):
            next_save(process)
        deadline = time.monotonic() + 10
        while not (folder / "trash").exists() and time.monotonic() < deadline:
            pass
        time.sleep(rng.uniform(0, 0.002))
        process.kill()
        process.wait()
        halves.append((folder / "trash").exists())

    lost, digest, wanted = chain(folder, 6, killed_at, keep=1)
    assert set(lost) == {0}
    assert digest == wanted
    assert any(halves)  # else no kill came in the middle
    assert not (folder / "trash").exists()  # what was left was deleted by the next
    outcome = (
        f"6 kills while deleting ({sum(halves)} in the middle): none half-deleted is listed, final state identical"
    )
    scorecard("R2", outcome, time.monotonic() - began)


# Damage. The state is small, so that many faults take little time.


COLUMNS = 1024  # enough for the arrays to be most of a checkpoint's bytes


def state_at(step, width=6, dtype=jnp.float32, optimizer=optax.adam, impl=None):
    keys = jax.random.split(jax.random.key(step), 4)
    params = {"generator": {f"w{k}": jax.random.normal(key, (width, COLUMNS), dtype) for k, key in enumerate(keys)}}
    return jg.TrainState(
        step=jnp.asarray(step, jnp.int32),
        key=jax.random.key(step, impl=impl),
        params=params,
        model_state={},
        opt_state={"generator": optimizer(1e-3).init(params["generator"])},
        ema=jax.tree.map(jnp.copy, params),
    )


TARGET = jax.eval_shape(lambda: state_at(0))
CONFIG = {"seed": 0, "width": 6}


def save_two(folder):
    """Makes a folder with checkpoints of steps 1 and 2."""
    manager = checkpoint.open_checkpoints(folder)
    for step in (1, 2):
        checkpoint.save(manager, state_at(step), CONFIG)
    checkpoint.wait(manager)
    manager.close()
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return save_two(tmp_path_factory.mktemp("pristine") / "checkpoints")


@pytest.fixture
def folder(pristine, tmp_path):
    """A copy, to damage."""
    return shutil.copytree(pristine, tmp_path / "checkpoints")


def files_of(step):
    return sorted(path for path in step.rglob("*") if path.is_file())


def restored_step(manager):
    """Restores the newest good checkpoint; returns its step once every bit is known to be that step's."""
    state = checkpoint.restore(manager, TARGET, CONFIG)
    step = int(state.step)
    assert step in (1, 2)
    assert saver.digest(state) == saver.digest(state_at(step))
    return step


def flip_bits(folder, number, scorecard):
    began, rng, seconds, outcomes, lines = time.monotonic(), np.random.default_rng(0), [], Counter(), []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("jaxgan")
    logger.addHandler(handler)
    logger.propagate = False  # 200 lines
    files = files_of(folder / "2")
    ends = np.cumsum([path.stat().st_size for path in files])
    for _ in range(number):
        place = int(rng.integers(ends[-1]))
        path = files[int(np.searchsorted(ends, place, side="right"))]
        before = path.read_bytes()
        damaged = bytearray(before)
        damaged[int(rng.integers(len(before)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        lines.clear()
        start = time.monotonic()
        manager = checkpoint.open_checkpoints(folder, read_only=True)
        step = restored_step(manager)
        manager.close()
        seconds.append(time.monotonic() - start)
        if step == 1:
            (line,) = lines
            assert f"{folder / '2'} is damaged and left out" in line
            assert "leaf " in line or str(folder / "2") in line.split("left out")[1]  # which file or leaf
        outcomes[step] += 1
        path.write_bytes(before)
    logger.removeHandler(handler)
    logger.propagate = True
    outcome = (
        f"{number} bits flipped in the newest: {outcomes[1]} detected (previous step, identical), "
        f"{outcomes[2]} harmless, 0 wrong; slowest restore {max(seconds):.2f} s"
    )
    assert outcomes[1] > number // 2
    scorecard("R8", outcome, time.monotonic() - began)


def test_flipped_bits(folder, scorecard):
    flip_bits(folder, 60, scorecard)


@pytest.mark.slow
def test_200_flipped_bits(folder, scorecard):
    flip_bits(folder, 200, scorecard)


def test_truncated_and_deleted_files(pristine, tmp_path, scorecard):
    began, outcomes = time.monotonic(), Counter()
    for number, name in enumerate(path.relative_to(pristine) for path in files_of(pristine / "2")):
        for kind in ("truncated", "deleted"):
            folder = shutil.copytree(pristine, tmp_path / f"{number}-{kind}")
            path = folder / name
            if kind == "deleted":
                path.unlink()
            else:
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            manager = checkpoint.open_checkpoints(folder)
            step = restored_step(manager)
            outcomes[step] += 1
            assert (folder / "quarantine" / "2").is_dir() == (step == 1)
            for later in (2, 3):  # Orbax would skip these in silence
                checkpoint.save(manager, state_at(later), CONFIG)
            checkpoint.wait(manager)
            assert saver.digest(checkpoint.restore(manager, TARGET, CONFIG, step=2)) == saver.digest(state_at(2))
            assert steps_in(folder) == [1, 2, 3], name
            manager.close()
    assert outcomes[1] >= 8  # arrays, indices, manifest
    outcome = (
        f"{outcomes.total()} files truncated or deleted: {outcomes[1]} quarantined (previous step), "
        f"{outcomes[2]} harmless; steps 2 and 3 saved again each time"
    )
    scorecard("R9", outcome, time.monotonic() - began)


def test_a_checkpoint_that_is_gone_in_part(folder):
    """Whatever is left of it, it does not pass for a stranger's, nor for a good one."""
    shutil.rmtree(folder / "2" / "manifest")
    manager = checkpoint.open_checkpoints(folder)
    assert restored_step(manager) == 1
    manager.close()
    shutil.move(folder / "quarantine" / "2", folder / "2")
    shutil.rmtree(folder / "2" / "state")
    manager = checkpoint.open_checkpoints(folder)
    assert restored_step(manager) == 1
    assert [path.name for path in (folder / "quarantine").iterdir()] == ["2"]
    manager.close()


def test_all_are_bad(folder, tmp_path, capsys, scorecard):
    """No restart from step 0: neither when they are found to be bad, nor when the command is given again."""
    for step in (1, 2):
        for path in files_of(folder / str(step)):
            path.write_bytes(b"")
    began = time.monotonic()
    manager = checkpoint.open_checkpoints(folder)
    with pytest.raises(CheckpointError, match=r"all 2 checkpoints in .* are damaged, and now in quarantine/"):
        checkpoint.restore(manager, TARGET, CONFIG)
    with pytest.raises(ValueError, match=r"no checkpoint in .*; damaged ones in quarantine/: 1, 2"):
        checkpoint.restore(manager, TARGET, CONFIG)
    manager.close()
    seconds = time.monotonic() - began

    words = ["ring", "--smoke", "--out", str(tmp_path), "--id", "bad"]
    assert main(words) == 0
    for path in files_of(tmp_path / "ring" / "bad" / "checkpoints"):
        if path.stat().st_size:
            path.write_bytes(path.read_bytes()[1:])
    for says in ("all 1 checkpoints in", "no checkpoint in"):
        capsys.readouterr()
        assert main([*words, "--resume"]) == 2
        assert f"error: {says}" in capsys.readouterr().err
    scorecard("R10", "all bad: an error that lists them, exit code 2, no restart from step 0", seconds)


def test_strangers(folder, caplog, scorecard):
    began = time.monotonic()
    (folder / "999").mkdir()
    (folder / "7").mkdir()
    (folder / "7" / "thesis.tex").write_text("years of work")
    (folder / "notes").mkdir()
    (folder / "12").write_text("")
    (folder / "007").mkdir()
    manager = checkpoint.open_checkpoints(folder, keep=1)
    (line,) = caplog.messages
    assert "ignored, since no checkpoint: 007, 12, 7, 999, notes" in line
    assert sorted(manager.all_steps()) == [1, 2]
    assert restored_step(manager) == 2
    with pytest.raises(CheckpointError, match=r"checkpoint 7 was not saved: .*7 is something else"):
        checkpoint.save(manager, state_at(7), CONFIG)
    with pytest.raises(CheckpointError, match=r"checkpoint 12 was not saved"):
        checkpoint.save(manager, state_at(12), CONFIG)
    for step in (8, 999):  # retention, and a step whose name is taken by an empty directory
        checkpoint.save(manager, state_at(step), CONFIG)
    checkpoint.wait(manager)
    assert sorted(manager.all_steps()) == [999]
    assert (folder / "7" / "thesis.tex").read_text() == "years of work"
    assert {path.name for path in folder.iterdir()} == {"999", "7", "notes", "12", "007"}
    manager.close()
    scorecard("R11", "an empty 999/, stray files, others' directories: named, ignored, kept", time.monotonic() - began)


def test_the_disk_is_full_for_a_while(tmp_path, scorecard):
    """A limit on the size of files, set while a run goes on and lifted later, stands in for the disk."""
    flags = ("ring", "--steps", 12_000, "--batch-size", 8, "--width", 128, "--evaluations", 12, "--log-every", 1000)
    process = start(*flags, "--out", tmp_path, "--id", "full", "--keep", 20)
    run = tmp_path / "ring" / "full"
    assert signal_after_checkpoint(process, run, 1000, signal.SIGCONT), finish(process)
    began = time.monotonic()
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    lines = [process.stderr.readline() for _ in range(2)]
    seconds = time.monotonic() - began
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    code, _, err = finish(process)
    assert code == 0, err
    lines += err.splitlines()
    assert all(line.startswith("warning: ") for line in lines), lines
    assert all("the file size limit is reached; the last good checkpoint is step" in line for line in lines), lines
    saved = steps_in(run / "checkpoints")
    assert saved[-1] == 12_000
    assert len(saved) == 12 - len(lines)  # one line for each that failed
    assert not list((run / "checkpoints").glob("*tmp*"))
    outcome = f"disk full for {len(lines)} saves: a line each, training went on, {len(saved)} other checkpoints, exit 0"
    scorecard("R12", outcome, seconds)


# Mismatches


def test_changes_since_the_save_are_named(pristine, scorecard):
    began = time.monotonic()
    changes = {
        "params/generator/w0: checkpoint (6, 1024) float32, model (8, 1024) float32": {"width": 8},
        "params/generator/w0: checkpoint (6, 1024) float32, model (6, 1024) bfloat16": {"dtype": jnp.bfloat16},
        "opt_state/generator/0/mu/w0: checkpoint (6, 1024) float32, model has none": {"optimizer": optax.sgd},
        "key: checkpoint key<fry>, now key<rbg>": {"impl": "rbg"},
    }
    manager = checkpoint.open_checkpoints(pristine, read_only=True)
    for says, settings in changes.items():
        target = jax.eval_shape(lambda settings=settings: state_at(0, **settings))
        with pytest.raises(ValueError, match="is of another run") as caught:
            checkpoint.restore(manager, target, CONFIG)
        assert says in str(caught.value)
        assert len(str(caught.value).splitlines()) <= 11
    raw = TARGET._replace(key=jax.ShapeDtypeStruct((2,), jnp.uint32))
    averaged = TARGET._replace(ema={})
    for target, config, says in [
        (raw, CONFIG, "key: checkpoint key<fry>, now uint32"),
        (averaged, CONFIG, "ema/generator/w0: checkpoint (6, 1024) float32, model has none"),
        (TARGET, CONFIG | {"width": 8}, "config width: checkpoint 6, now 8"),
    ]:
        with pytest.raises(ValueError, match="is of another run") as caught:
            checkpoint.restore(manager, target, config)
        assert says in str(caught.value)
    manager.close()
    outcome = "7 changes (width, dtype, optimizer, key implementation, raw key, EMA, config): each named, none cast"
    scorecard("R16", outcome, time.monotonic() - began)


BOMB = """
    import resource, sys
    from pathlib import Path
    import jax
    from jaxgan import checkpoint
    from tests.reliability.test_checkpoints import CONFIG, TARGET

    folder = Path(sys.argv[1])
    manager = checkpoint.open_checkpoints(folder)
    checkpoint.restore(manager, TARGET, CONFIG, step=1)  # whatever this takes in memory, it has by now
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, used + 2**31))
    print(int(checkpoint.restore(manager, TARGET, CONFIG).step))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    manager.close()
"""


def test_a_forged_shape_is_not_allocated(folder, scorecard):
    """An array's metadata claims 8 GiB; that it is not the manifest's shape must be seen before it is read."""
    import tensorstore

    kvstore = {"driver": "ocdbt", "base": f"file://{folder}/2/state/"}
    arrays = tensorstore.KvStore.open(kvstore).result()
    name = b"params.generator.w0/.zarray"
    declared = json.loads(arrays.read(name).result().value)
    assert declared["shape"] == [6, 1024]
    arrays.write(name, json.dumps(declared | {"shape": [2**21, 1024]}).encode()).result()
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BOMB), str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    step, peak = map(int, result.stdout.split())
    assert step == 1
    assert "leaf params/generator/w0 is not stored as its manifest says" in result.stderr
    assert "Traceback" not in result.stderr
    outcome = f"metadata that claims 8 GiB: refused before reading, peak {peak / 2**10:.0f} MB, previous step"
    scorecard("S7", outcome, time.monotonic() - began)
