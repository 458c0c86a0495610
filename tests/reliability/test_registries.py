"""R6, R7, R28: whatever the library offers by name resumes bit for bit, follows its seed and uses no key twice.

Also what is added later.
"""

import itertools
import time

import jax
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import checkpoint
from tests import registry
from tests.systems.tiny import TINY, asked, playable

STEPS, SIZE = 4, 8
RING = jg.data.ring()
SIDE = 16  # the smallest that all families with a generator make: their compilation is the clock here
WHOLE = jg.data.unlabelled(jg.data.digits("train", size=28, source="sklearn"))
DIGITS = WHOLE._replace(read=lambda draw: {"x": WHOLE.read(draw)["x"][:, 6 : 6 + SIDE, 6 : 6 + SIDE]})


def points(system, **settings):
    networks = registry.networks_for(system)
    return jg.game(networks, system, ema={next(n for n in networks if "generator" in n): 0.9}, **settings), RING


def plain(loss=jg.losses.non_saturating, penalty=None):
    return jg.systems.gan(loss=loss, penalty=penalty, prior=jg.priors.normal(3), optimizer=optax.adam(1e-3, b1=0.5))


GAMES = {
    **{f"loss {name}": lambda loss=loss: points(plain(loss=loss)) for name, loss in registry.losses().items()},
    **{f"penalty {name}": lambda p=p: points(plain(penalty=p)) for name, p in registry.penalties().items()},
    **{f"dynamics {name}": lambda d=d: points(plain(), dynamics=d) for name, d in registry.dynamics().items()},
    **{f"system {name}": lambda s=s: points(s) for name, s in registry.systems().items() if name not in TINY},
    **{f"system {name}": lambda name=name: playable(name) for name in TINY},
    **{
        f"networks {name}": lambda pair=pair: (jg.game(pair, plain(), ema={"generator": 0.9}), DIGITS)
        for name, pair in registry.network_pairs(SIDE).items()
    },
}


@pytest.fixture(autouse=True)
def no_key_twice(own_strictness):
    """R28: all that follows, compiled or not."""
    with jax.debug_key_reuse(True):
        yield


def bits(state):
    state = state._replace(key=jax.random.key_data(state.key))
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]


# Ten seconds to a minute of compilation: what their states hold is held by lighter ones as well.
LONG = {f"networks {name}" for name in ("biggan", "progressive", "r3gan", "stylegan2")}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in GAMES])
def test_saved_and_restored_at_any_step_is_the_uninterrupted_run(name, tmp_path, scorecard):
    began = time.monotonic()
    game, source = GAMES[name]()
    step, size = jax.jit(game.train_step), SIZE * game.updates

    def run(state):
        for batch in itertools.islice(jg.data.batches(source, size, 0, start=int(state.step)), STEPS - int(state.step)):
            state, metrics = step(state, batch)
            assert all(np.isfinite(value).all() for value in jax.tree.leaves((metrics, state.params))), name
        return state

    def start(seed):
        return game.init(jax.random.key(seed), jg.data.batch_at(source, size, seed)(0))

    manager = checkpoint.open_checkpoints(tmp_path, keep=STEPS)
    state, straight = start(0), bits(run(start(0)))
    for batch in itertools.islice(jg.data.batches(source, size, 0), STEPS - 1):
        state, _ = step(state, batch)
        checkpoint.save(manager, state, {})
    checkpoint.wait(manager)
    target = jax.eval_shape(game.init, jax.random.key(0), jg.data.batch_at(source, size, 0)(0))
    for k in (1, STEPS // 2, STEPS - 1):
        restored = checkpoint.restore(manager, target, {}, step=k)
        assert int(restored.step) == k
        assert bits(run(restored)) == straight, f"{name}: restored at step {k}"
    manager.close()
    assert bits(run(start(0))) == straight
    assert bits(run(start(1))) != straight
    rows = asked(source.name, jg.data.batch_at(source, size, 0)(0), game.system)
    inputs = {"index": np.arange(2, dtype=np.int32)} | jax.tree.map(lambda leaf: leaf[:2], rows)
    jax.jit(game.generate)(state, jax.random.key(2), inputs)
    seconds = time.monotonic() - began
    scorecard("R6", f"a registered game: identical from steps 1, {STEPS // 2}, {STEPS - 1}", seconds)
    scorecard("R7", "a registered game: same seed same bits, other seed others", seconds)
    scorecard("R28", "a registered game: trains and generates under jax.debug_key_reuse(True)", seconds)
