"""Every option of an adversary in every discriminator-based system: it works there, or one sentence says why not."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.remedies import Replay
from tests.registry import shift
from tests.systems.tiny import ALONE, EVERY, REFUSED, rows_of


class Shy(nn.Module):
    """An adaptive augmentation of anything: examples move the more, the longer it has been observed."""

    @nn.compact
    def __call__(self, x, turn, use):
        return x + self.variable("shy", "seen", jnp.zeros, ()).value

    @nn.compact
    def observe(self, real_logits):
        count = self.variable("shy", "seen", jnp.zeros, ())
        count.value = count.value + 1
        return {"observed": count.value}


OPTIONS = {
    "penalty": {"penalty": jg.penalties.r2(1.0)},
    "augment": {"augment": shift},
    "adaptive": {"augment": "shy"},
    "replay": {"replay": "pool", "penalty": None},
    "turn": {"loss": lambda turn: jg.losses.hinge},
    "n_critic": {"n_critic": 2},
    "regularizer": {"regularizer": "lecam"},
}
MEMORIES = {
    "shy": lambda rows: Shy(),
    "pool": lambda rows: Replay(2 * rows),
    "lecam": lambda rows: jg.penalties.LeCam(start=0),
}


def made(name, options):
    """A game with options, and the batch of one step; memories are numbered as discriminators are."""
    networks, system, batch = EVERY[name](**options)
    memories = {m: MEMORIES[m.split("_")[0]](rows_of(batch)) for m in system.frozen if m not in networks}
    game = jg.game(networks | memories, system)
    return game, jax.tree.map(lambda x: jnp.concatenate([x] * game.updates), batch)


def traced(game, batch):
    state = jax.eval_shape(game.init, jax.random.key(0), batch)
    return state, *jax.eval_shape(game.train_step, state, batch)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", [name for name in EVERY if name not in ALONE])
def test_an_option_works_or_is_refused_by_one_sentence(name, option):
    if (name, option) in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[name, option]):
            made(name, OPTIONS[option])
        return
    game, batch = made(name, OPTIONS[option])
    before, after, metrics = traced(game, batch)
    assert jax.tree.map(jnp.shape, before.params) == jax.tree.map(jnp.shape, after.params)
    wanted = {"penalty": "penalty", "adaptive": "observed", "regularizer": "regularizer"}.get(option)
    for player in game.system.players if wanted else ():
        assert (f"{player}/{wanted}" in metrics) == ("discriminator" in player), player
    assert game.updates == (2 if option == "n_critic" else 1)
    counted = [
        n for n in game.system.frozen if n.startswith({"adaptive": "shy", "replay": "pool"}.get(option, "lecam"))
    ]
    discriminators = sum("discriminator" in player for player in game.system.players)
    assert len(counted) == (discriminators if option in ("adaptive", "replay", "regularizer") else 0)


def test_nearly_all_of_the_cells_exist():
    cells = len(EVERY) * 6  # penalty, augmentation, its adaptive form, replay, a loss of the turn, n_critic
    assert len(REFUSED) <= 0.02 * cells


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ALONE])
def test_options_work_together(name):
    """One step with all that a system takes at once: finite, and every memory has taken note."""
    together = {"augment": "shy", "replay": "pool", "regularizer": "lecam", "penalty": None, "n_critic": 2}
    game, batch = made(name, together | ({"replay": None} if (name, "replay") in REFUSED else {}))
    state = jax.jit(game.init)(jax.random.key(0), batch)
    state, metrics = jax.jit(game.train_step)(state, batch)
    assert all(bool(jnp.isfinite(value)) for value in metrics.values())
    rows = rows_of(batch) // game.updates
    for memory in game.system.frozen:
        kind = memory.split("_")[0]
        if kind not in MEMORIES:
            continue
        kept = state.model_state[memory]
        count = {"shy": ("shy", "seen", 2), "pool": ("replay", "count", 2 * rows), "lecam": ("lecam", "turns", 2)}[kind]
        assert kept[count[0]][count[1]] == count[2], memory


def test_replay_keeps_conditions_with_their_samples():
    """What comes back is judged by its own label: samples are one-hot of it, and the discriminator checks."""

    class Agreement(nn.Module):
        @nn.compact
        def __call__(self, x, y):
            return jnp.sum(x * jax.nn.one_hot(y, 3), axis=-1) * self.param("scale", nn.initializers.ones, ())

    class Maker(nn.Module):
        @nn.compact
        def __call__(self, z, y):
            return jax.nn.one_hot(y, 3) * self.param("scale", nn.initializers.ones, ())

    system = jg.systems.gan(
        loss=jg.losses.wasserstein, prior=jg.priors.normal(1), optimizer=optax.sgd(0.0), replay="pool"
    )
    networks = {"generator": Maker(), "discriminator": Agreement(), "pool": Replay(8)}
    game = jg.game(networks, system)
    labels = jnp.arange(4, dtype=jnp.int32) % 3
    state = game.init(jax.random.key(0), {"x": jnp.zeros((4, 3)), "y": labels})
    step = jax.jit(game.train_step)
    for k in range(6):
        state, metrics = step(state, {"x": jnp.zeros((4, 3)), "y": jnp.roll(labels, k)})
        assert metrics["discriminator/fake_logits"] == 1.0
    assert state.model_state["pool"]["replay"]["count"] == 8


def test_replay_with_conditions_refuses_a_penalty():
    game, batch = made("acgan", {"replay": "pool"})
    with pytest.raises(ValueError, match="replay='pool' brings samples back with their own conditions, but a penalty"):
        traced(game, batch)


def test_sides_of_another_structure():
    judge = jg.systems.adversary(jg.losses.hinge, "critic", judged=2)
    x = jnp.zeros((2, 3))
    with pytest.raises(ValueError, match="'critic' is shown 2 arguments as real and 1 as fake, of which it judges 2"):
        judge.discriminator({}, None, (x, x), x)
    with pytest.raises(ValueError, match=r"'critic' is shown \(\(2, 3\), \(2, 3\)\) as real, but the generator makes"):
        judge.generator({}, None, (x, x), (x, x[:, :1]))
    with pytest.raises(ValueError, match="judged >= 1; got 0"):
        jg.systems.adversary(jg.losses.hinge, judged=0)
