"""The game: ownership, turns, averages, randomness, devices, and what it refuses."""

from types import SimpleNamespace

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxgan as jg
from jaxgan.types import Rules

# Small networks that remember: batch statistics, singular vectors, dropout.


class Remembering(nn.Module):
    """Dense, batch normalisation, dropout, Dense: [B, I] -> [B, width]."""

    width: int
    rate: float = 0.0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train):
        x = nn.Dense(8)(x)
        x = nn.relu(nn.BatchNorm(not train, momentum=0.9, axis_name=self.axis_name)(x))
        x = nn.Dropout(self.rate, deterministic=not train)(x)
        x = nn.Dense(self.width)(x)
        return x if self.width > 1 else x[:, 0]


class Spectral(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(jg.networks.layers.SpectralNorm(nn.Dense(8))(x, train))
        return jg.networks.layers.SpectralNorm(nn.Dense(1))(x, train)[:, 0]


def plain_networks():
    return {
        "generator": jg.networks.mlp.Generator((2,), (8,)),
        "discriminator": jg.networks.mlp.Discriminator((8,)),
    }


def system(**settings):
    defaults = {
        "loss": jg.losses.non_saturating,
        "prior": jg.priors.normal(3),
        "optimizer": optax.adam(1e-2, b1=0.5),
    }
    return jg.systems.gan(**defaults | settings)


def batch_of(n, seed=0):
    return {"x": jax.random.normal(jax.random.key(seed), (n, 2))}


def only(player):
    """A dynamics in which one player alone has a turn."""

    def play(rules: Rules, state, batch):
        return jg.dynamics.alternating()(rules._replace(players={player: rules.players[player]}), state, batch)

    return play


def differs(a, b):
    return any(bool((x != y).any()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


# Turns


@pytest.mark.parametrize(("mover", "other"), [("discriminator", "generator"), ("generator", "discriminator")])
def test_a_turn_leaves_the_other_player_bitwise_unchanged(mover, other, key):
    """Parameters, model state and optimizer state; though both networks run in training mode in either turn."""
    networks = {"generator": Remembering(2), "discriminator": Remembering(1)}
    game = jg.game(networks, system(penalty=jg.penalties.r1(1.0)), dynamics=only(mover))
    before = game.init(key, batch_of(4))
    after, _ = jax.jit(game.train_step)(before, batch_of(4))
    for field in ("params", "model_state", "opt_state"):
        ours, theirs = (getattr(state, field) for state in (after, before))
        chex.assert_trees_all_equal(ours[other], theirs[other])
        assert differs(ours[mover], theirs[mover]), field
    assert after.step == 1
    chex.assert_trees_all_equal(jax.random.key_data(after.key), jax.random.key_data(key))


def test_the_generator_meets_the_discriminator_that_has_just_moved(key):
    """Alternating: the second player's gradient is taken at the first one's new parameters."""
    half = jg.game(plain_networks(), system(optimizer=optax.sgd(0.5)), dynamics=only("discriminator"))
    whole = jg.game(plain_networks(), system(optimizer=optax.sgd(0.5)))
    state = whole.init(key, batch_of(4))
    moved, _ = half.train_step(state, batch_of(4))
    then, _ = jg.game(plain_networks(), system(optimizer=optax.sgd(0.5)), dynamics=only("generator")).train_step(
        moved._replace(step=state.step), batch_of(4)
    )
    both, _ = whole.train_step(state, batch_of(4))
    chex.assert_trees_all_equal(both.params, then.params)


# A probe: a network of two numbers whose gradients are the sum of the minibatch, and a draw from the turn's key.


def probe():
    return SimpleNamespace(
        init=lambda key, x: {"params": {"sum": jnp.zeros(()), "draw": jnp.zeros(())}},
        apply=lambda variables, x: variables["params"],
    )


def recorder(length):
    """An optimizer that moves nothing and keeps the gradients that it was given, in order."""

    def update(gradient, seen, params=None):
        seen = jax.tree.map(lambda s, g: jnp.concatenate([s[1:], g.reshape(1)]), seen, gradient)
        return jax.tree.map(jnp.zeros_like, gradient), seen

    return optax.GradientTransformation(lambda p: jax.tree.map(lambda _: jnp.zeros((length,)), p), update)


def probe_loss(name):
    def loss(nets, batch, turn):
        at = nets[name](batch["x"])
        return at["sum"] * jnp.sum(batch["x"]) + at["draw"] * jax.random.uniform(turn.key), {
            "sum": jnp.sum(batch["x"]),
            "first": turn.examples[0],
        }

    return loss


def probe_game(updates):
    players = {name: jg.Player((name,), probe_loss(name), recorder(6), count) for name, count in updates.items()}
    described = jg.System(players, lambda batch: dict.fromkeys(updates, (batch["x"],)), lambda *_: None)
    return jg.game({name: probe() for name in updates}, described)


def test_updates_consume_minibatches_in_order_with_their_own_keys(key):
    game = probe_game({"critic": 3, "pair": 2, "single": 1})
    batch = {"x": jnp.arange(6.0).reshape(6, 1)}  # minibatches sum to 1, 5, 9
    step = jax.jit(game.train_step)
    state, metrics = step(game.init(key, batch), batch)
    seen = {name: state.opt_state[name][name] for name in state.opt_state}
    np.testing.assert_array_equal(seen["critic"]["sum"][-3:], [1, 5, 9])
    np.testing.assert_array_equal(seen["pair"]["sum"][-2:], [5, 9])  # those nearest to the end
    np.testing.assert_array_equal(seen["single"]["sum"][-1:], [9])  # the last one
    assert metrics["critic/sum"] == 9  # of the last update
    state, _ = step(state, batch)
    draws = [
        *state.opt_state["critic"]["critic"]["draw"],
        *state.opt_state["pair"]["pair"]["draw"][-4:],
        *state.opt_state["single"]["single"]["draw"][-2:],
    ]
    assert len({float(d) for d in draws}) == 12  # every update of every player of every step draws its own


def test_metrics_are_named_after_the_player(key):
    game = probe_game({"a": 1, "b": 1})
    _, metrics = game.train_step(game.init(key, batch_of(2)), batch_of(2))
    assert set(metrics) == {f"{p}/{q}" for p in "ab" for q in ("loss", "sum", "first")}
    chex.assert_rank(list(metrics.values()), 0)


def test_an_estimator_replaces_the_gradient(key):
    """A player whose gradient is estimated: here twice the exact one, with a key of its own."""
    keys = []

    def doubled(objective, owned, key):
        keys.append(key)
        value, gradient = jg.types.autodiff(objective, owned, key)
        return value, jax.tree.map(lambda g: 2 * g, gradient)

    game = probe_game({"a": 1})
    player = jg.Player(("a",), probe_loss("a"), recorder(1), gradient=doubled)
    other = jg.game({"a": probe()}, jg.System({"a": player}, lambda b: {"a": (b["x"],)}, lambda *_: None))
    state = game.init(key, batch_of(2))
    exact, _ = game.train_step(state, batch_of(2))
    estimated, _ = other.train_step(other.init(key, batch_of(2)), batch_of(2))
    np.testing.assert_allclose(
        estimated.opt_state["a"]["a"]["sum"][-1], 2 * exact.opt_state["a"]["a"]["sum"][-1], rtol=1e-6
    )
    assert jnp.issubdtype(keys[0].dtype, jax.dtypes.prng_key)


# Averages


@pytest.fixture(scope="module")
def averaged():
    """A game with a schedule and constants, run for four steps under donation: the states' params and ema by step."""
    decays = {"generator": 0.75, "discriminator": lambda step: 1.0 - 1.0 / (2.0 + step.astype(jnp.float32))}
    game = jg.game(plain_networks(), system(), ema=decays)
    first = jax.random.key(0)
    state = game.init(first, batch_of(4))
    pointers = [
        {leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(getattr(state, field))} for field in ("params", "ema")
    ]
    step = jax.jit(game.train_step, donate_argnums=0)
    initial = state
    history = [jax.tree.map(jnp.copy, (state.params, state.ema))]  # NumPy's views would forbid the donation
    for seed in range(4):
        state, _ = step(state, batch_of(4, seed))
        history.append(jax.tree.map(jnp.copy, (state.params, state.ema)))
    return SimpleNamespace(history=history, pointers=pointers, game=game, initial=initial, state=state, key=first)


def test_ema_starts_equal_and_in_its_own_memory(averaged):
    params, ema = averaged.history[0]
    chex.assert_trees_all_equal(params, ema)
    assert not averaged.pointers[0] & averaged.pointers[1]


def test_ema_follows_its_closed_form(averaged):
    history = averaged.history
    expected = history[0][0]
    for step, (params, _) in enumerate(history[1:]):
        decays = {"generator": min(0.75, (1 + step) / (10 + step)), "discriminator": 1 - 1 / (2 + step)}
        expected = {
            name: jax.tree.map(lambda e, p, d=decay: d * e + (1 - d) * p, expected[name], params[name])
            for name, decay in decays.items()
        }
    chex.assert_trees_all_close(history[-1][1], expected, rtol=1e-4, atol=1e-6)
    assert differs(*history[-1])


def test_donation_leaves_the_callers_key_alone(averaged):
    """`state.key` is the run's root; donating the state must not take the caller's own key with it."""
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(averaged.initial.params))  # memory was reused
    assert not averaged.key.is_deleted()
    jax.random.split(averaged.key)


def test_generate_uses_the_average_and_no_batch_statistics(averaged, key):
    game, state = averaged.game, averaged.state
    z = jax.random.normal(key, (3, 3))
    expected = plain_networks()["generator"].apply({"params": state.ema["generator"]}, z)
    np.testing.assert_allclose(game.generate(state, key, {"z": z}), expected, rtol=1e-5, atol=1e-6)
    without = jg.game(plain_networks(), system())
    raw = plain_networks()["generator"].apply({"params": state.params["generator"]}, z)
    np.testing.assert_allclose(without.generate(state._replace(ema={}), key, {"z": z}), raw, rtol=1e-5, atol=1e-6)
    assert (np.asarray(raw) != np.asarray(expected)).any()


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_ema_at_its_ends(decay, key):
    game = jg.game(plain_networks(), system(), ema={"generator": decay})
    before = game.init(key, batch_of(4))
    after, _ = jax.jit(game.train_step)(before, batch_of(4))
    source = after if decay == 0 else before
    chex.assert_trees_all_close(after.ema["generator"], source.params["generator"], rtol=1e-6)
    assert set(after.ema) == {"generator"}


# Inside one loss evaluation


def evaluate(network, loss, batch=None, frozen=(), moved=0):
    """Runs a loss once, through a game of one player that owns "net"; returns (state before, after, metrics).

    `moved` steps go before: singular vectors are those of the initial weights, and change when weights have.
    """
    batch = batch or batch_of(4)
    player = jg.Player(("net",), loss, optax.sgd(0.1))
    described = jg.System({"player": player}, lambda b: {"net": (b["x"],)}, lambda *_: None, frozen)
    game = jg.game({"net": network}, described)
    before, step = game.init(jax.random.key(0), batch), jax.jit(game.train_step)
    for _ in range(moved):
        before, _ = step(before, batch)
    after, metrics = step(before, batch)
    return before, after, metrics


def test_two_calls_draw_two_masks_and_a_frozen_view_repeats_its_own():
    def loss(nets, batch, turn):
        net, x = nets["net"], batch["x"]
        one, two = net(x), net(x)
        view, other = jg.frozen(net), jg.frozen(net)
        return jnp.mean(one), {
            "calls_differ": jnp.any(one != two),
            "view_repeats": jnp.all(view(x) == view(x)),
            "views_differ": jnp.any(view(x) != other(x)),
            "evaluation_repeats": jnp.all(net(x, train=False) == net(x, train=False)),
        }

    _, _, metrics = evaluate(Remembering(1, rate=0.5), loss)
    assert all(metrics[f"player/{claim}"] for claim in ("calls_differ", "view_repeats", "views_differ"))
    assert metrics["player/evaluation_repeats"]


def test_noise_is_the_same_for_the_same_seed_and_new_at_every_step(key):
    networks = {"generator": Remembering(2, rate=0.5), "discriminator": Remembering(1, rate=0.5)}
    game = jg.game(networks, system(optimizer=optax.sgd(0.0)))  # nothing moves: only the draws can differ
    step = jax.jit(game.train_step)
    state = game.init(key, batch_of(8))
    again = step(state, batch_of(8))[1]["generator/loss"]
    after, metrics = step(state, batch_of(8))
    assert metrics["generator/loss"] == again
    assert metrics["generator/loss"] != step(after, batch_of(8))[1]["generator/loss"]
    inputs = {"index": jnp.arange(4, dtype=jnp.int32)}
    np.testing.assert_array_equal(game.generate(state, key, inputs), game.generate(state, key, inputs))
    one = game.generate(state, key, {"z": jnp.ones((4, 3))})
    np.testing.assert_array_equal(one, game.generate(state, jax.random.key(9), {"z": jnp.ones((4, 3))}))  # no dropout


def test_every_call_carries_the_batch_statistics_on():
    """Momentum 0.9, two calls on the same batch: running mean = (1 - 0.9^2) times the batch mean."""

    def loss(nets, batch, turn):
        net = nets["net"]
        net(batch["x"])
        return jnp.mean(net(batch["x"])), {}

    before, after, _ = evaluate(Remembering(1), loss)
    dense = before.params["net"]["Dense_0"]
    mean = jnp.mean(batch_of(4)["x"] @ dense["kernel"] + dense["bias"].reshape(1, -1), axis=0)
    running = after.model_state["net"]["batch_stats"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(running, 0.19 * mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", [Remembering(1), Spectral()], ids=["batch", "spectral"])
def test_frozen_leaves_no_trace(network):
    def looking(nets, batch, turn):
        critic = jg.frozen(nets["net"])
        slope = jax.grad(lambda x: jnp.sum(critic(x)))(batch["x"])
        return jnp.mean(nets["net"](batch["x"])) + 0 * jnp.mean(critic(3 * batch["x"])), {"slope": jnp.sum(slope)}

    def blind(nets, batch, turn):
        return jnp.mean(nets["net"](batch["x"])), {}

    before, after, _ = evaluate(network, looking, moved=1)
    _, plain, _ = evaluate(network, blind, moved=1)
    chex.assert_trees_all_close(after.model_state, plain.model_state, rtol=1e-6)
    assert differs(after.model_state, before.model_state)


def test_a_frozen_view_stays_as_it_was_made():
    """Calls of the network after it, which advance the singular vectors, do not show through."""

    def loss(nets, batch, turn):
        net, x = nets["net"], batch["x"]
        view = jg.frozen(net)
        before = view(x)
        first, second = net(x), net(x)
        return jnp.mean(first), {"same": jnp.all(before == view(x)), "moved": jnp.any(first != second)}

    _, _, metrics = evaluate(Spectral(), loss)
    assert metrics["player/moved"]
    assert metrics["player/same"]


def test_differentiating_a_network_that_remembers_is_refused_by_name():
    """What `frozen` is for."""

    def loss(nets, batch, turn):
        slope = jax.grad(lambda x: jnp.sum(nets["net"](x)))(batch["x"])
        return jnp.mean(slope), {}

    with pytest.raises(ValueError, match=r"network 'net' keeps \['batch_stats'\] .* frozen\(nets\['net'\]\)"):
        evaluate(Remembering(1), loss)


@pytest.mark.parametrize("network", [Remembering(1), Spectral()], ids=["batch", "spectral"])
@pytest.mark.parametrize("penalty", ["gradient_penalty", "r1"])
def test_penalties_work_with_discriminators_that_remember(network, penalty, key):
    game = jg.game(
        {"generator": Remembering(2), "discriminator": network},
        system(penalty=getattr(jg.penalties, penalty)(1.0), loss=jg.losses.hinge),
    )
    step = jax.jit(game.train_step)
    before, _ = step(game.init(key, batch_of(4)), batch_of(4))  # singular vectors follow the weights once these move
    after, metrics = step(before, batch_of(4))
    chex.assert_tree_all_finite((metrics, after.params))
    assert differs(after.model_state["discriminator"], before.model_state["discriminator"])


def test_a_frozen_network_with_parameters_evaluates(key):
    """A perceptual network that nobody trains neither moves nor remembers."""

    def loss(nets, batch, turn):
        return jnp.mean(jnp.square(nets["eye"](nets["net"](batch["x"])))), {}

    described = jg.System(
        {"player": jg.Player(("net",), loss, optax.sgd(0.1))},
        lambda b: {"net": (b["x"],), "eye": (b["x"],)},
        lambda *_: None,
        frozen=("eye",),
    )
    game = jg.game({"net": Remembering(2), "eye": Remembering(2)}, described)
    before = game.init(key, batch_of(4))
    after, _ = jax.jit(game.train_step)(before, batch_of(4))
    chex.assert_trees_all_equal(
        (after.params["eye"], after.model_state["eye"]), (before.params["eye"], before.model_state["eye"])
    )
    assert differs(after.params["net"], before.params["net"])


# Networks from outside


class NnxDiscriminator(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(2, 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x, train):
        x = self.norm(self.first(x), use_running_average=not train)
        return self.last(self.dropout(nnx.relu(x), deterministic=not train))[:, 0]


class NnxGenerator(nnx.Module):
    """Takes no `train`."""

    def __init__(self, rngs):
        self.only = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, z):
        return self.only(z)


def bare(in_features, width, told=None):
    """A pair of pure functions, and nothing else."""

    def init(key, x):
        return {"params": {"w": 0.1 * jax.random.normal(key, (in_features, width))}, "count": {"n": jnp.zeros(())}}

    def apply(variables, x, train, mutable=()):
        if told is not None:
            told.append(train)
        y = x @ variables["params"]["w"]
        y = y if width > 1 else y[:, 0]
        return (y, {"count": {"n": variables["count"]["n"] + 1}}) if mutable else y

    return SimpleNamespace(init=init, apply=apply)


@pytest.mark.parametrize("penalty", [None, jg.penalties.r1(1.0)], ids=["plain", "r1"])
def test_nnx_modules_play_through_the_bridge(penalty, key):
    networks = {
        "generator": nnx.bridge.to_linen(NnxGenerator),
        "discriminator": nnx.bridge.to_linen(NnxDiscriminator),
    }
    game = jg.game(networks, system(penalty=penalty))
    state = game.init(key, batch_of(4))
    step = jax.jit(game.train_step, donate_argnums=0)
    before = jax.tree.map(jnp.copy, (state.params, state.model_state["discriminator"]))
    for _ in range(3):
        state, metrics = step(state, batch_of(4))
    chex.assert_tree_all_finite((metrics, state.params))
    assert differs(state.params["generator"], before[0]["generator"])
    assert differs(state.params["discriminator"], before[0]["discriminator"])
    assert differs(state.model_state["discriminator"], before[1])  # the batch statistics
    chex.assert_shape(jg.sample(game, state, key, n=3), (3, 2))


def test_nnx_dropout_draws_and_rests():
    def loss(nets, batch, turn):
        net, x = nets["net"], batch["x"]
        one, two = net(x), net(x)
        resting = jnp.all(net(x, train=False) == net(x, train=False))
        return jnp.mean(one), {"differ": jnp.any(one != two), "rest": resting}

    _, _, metrics = evaluate(nnx.bridge.to_linen(NnxDiscriminator), loss)
    assert metrics["player/differ"]
    assert metrics["player/rest"]


def test_a_bare_pair_plays_and_is_told_whether_it_trains(key):
    told = []
    game = jg.game({"generator": bare(3, 2), "discriminator": bare(2, 1, told)}, system(penalty=jg.penalties.r1(1.0)))
    before = game.init(key, batch_of(4))
    after, _ = jax.jit(game.train_step)(before, batch_of(4))
    assert differs(after.params["discriminator"], before.params["discriminator"])
    assert after.model_state["discriminator"]["count"]["n"] == 2  # real and fake; the penalty's call leaves no trace
    assert set(told) == {True}
    game.generate(after, key, {"z": jnp.ones((1, 3))})


# Compiled once, and the same every time


def test_train_step_is_traced_once(key):
    game = jg.game(plain_networks(), system(n_critic=2), ema={"generator": 0.9})
    step = jax.jit(chex.assert_max_traces(game.train_step, n=1), donate_argnums=0)
    state = game.init(key, batch_of(4))
    for seed in range(20):
        state, _ = step(state, batch_of(4, seed))
    assert state.step == 20


def test_same_seed_same_bits_and_other_seeds_others():
    game = jg.game(plain_networks(), system(), ema={"generator": 0.9})
    step = jax.jit(game.train_step)

    def run(seed):
        state = game.init(jax.random.key(seed), batch_of(4))
        for i in range(10):
            state, metrics = step(state, batch_of(4, i))
        return state._replace(key=jax.random.key_data(state.key)), metrics

    one, again, other = run(0), run(0), run(1)
    chex.assert_trees_all_equal(one, again)
    for field in ("params", "opt_state", "ema"):
        assert differs(getattr(one[0], field), getattr(other[0], field))
    assert differs(one[1], other[1])


def test_seeds_are_a_vmap_over_states():
    game = jg.game(plain_networks(), system(optimizer=optax.sgd(0.1)))
    keys = jax.random.split(jax.random.key(0), 2)
    states = jax.vmap(game.init, in_axes=(0, None))(keys, batch_of(4))
    swept, metrics = jax.jit(jax.vmap(game.train_step, in_axes=(0, None)))(states, batch_of(4))
    chex.assert_shape(metrics["generator/loss"], (2,))
    step = jax.jit(game.train_step)
    for i in range(2):
        alone, _ = step(game.init(keys[i], batch_of(4)), batch_of(4))
        chex.assert_trees_all_close(jax.tree.map(lambda x, i=i: x[i], swept.params), alone.params, rtol=1e-4, atol=1e-6)


@pytest.fixture
def fully_compiled():
    """XLA's optimizations, for one test."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.parametrize(("discriminator", "quick"), [(jg.networks.mlp.Discriminator((8,)), True), (Spectral(), False)])
def test_initialisation_is_compiled_quickly_where_that_keeps_its_bits(discriminator, quick, key, fully_compiled):
    """A power iteration sums, which a compiler does in an order of its own at each level of optimisation."""
    made, jit = [], jax.jit

    def noted(*given, **options):
        made.append((jit(*given, **options), options))
        return made[-1][0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", noted)
        game = jg.game(plain_networks() | {"discriminator": discriminator}, system(), ema={"generator": 0.9})
    alone = game.init(key, batch_of(4))
    assert [bool(options) for program, options in made if program._cache_size()] == [quick]
    inside = jax.jit(lambda: game.init(key, batch_of(4)))()
    chex.assert_trees_all_equal(*(each._replace(key=jax.random.key_data(each.key)) for each in (alone, inside)))


# Several devices


def parallel(game):
    return jax.pmap(game.train_step, axis_name="batch", in_axes=(None, 0), out_axes=None)


def sharded(batch, devices=4):
    return jax.tree.map(lambda x: x.reshape(devices, -1, *x.shape[1:]), batch)


@pytest.mark.parametrize("normalised", [False, True], ids=["plain", "batch_norm"])
def test_four_devices_equal_one_and_each_other(normalised, key):
    """Plain gradient descent, whose steps show a wrong gradient scale: Adam would hide it."""

    def make(axis_name):
        networks = {
            "generator": Remembering(2, axis_name=axis_name),
            "discriminator": Remembering(1, axis_name=axis_name),
        }
        settings = {"optimizer": optax.sgd(0.1), "penalty": jg.penalties.gradient_penalty(1.0)}
        if normalised:
            settings |= {"penalty": None}  # the norm of one example's gradient has no meaning across devices
        return jg.game(networks if normalised else plain_networks(), system(**settings), axis_name=axis_name)

    one, four = make(None), make("batch")
    alone = together = one.init(key, batch_of(8))
    step, mapped = jax.jit(one.train_step), parallel(four)
    for seed in range(3):
        alone, metrics = step(alone, batch_of(8, seed))
        together, mapped_metrics = mapped(together, sharded(batch_of(8, seed)))
    chex.assert_trees_all_close(alone.params, together.params, atol=1e-5)
    chex.assert_trees_all_close(alone.model_state, together.model_state, atol=1e-5)
    chex.assert_trees_all_close(metrics, mapped_metrics, atol=1e-5)
    assert together.step == 3
    for leaf in jax.tree.leaves((together._replace(key=jax.random.key_data(together.key)), mapped_metrics)):
        shards = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(shards) == 4
        for shard in shards[1:]:
            np.testing.assert_array_equal(shards[0], shard)


def test_examples_know_their_place_in_the_global_batch(key):
    def first(state, batch):
        captured = {}

        def loss(nets, batch, turn):
            captured["examples"] = turn.examples
            return probe_loss("a")(nets, batch, turn)

        played = jg.Player(("a",), loss, recorder(6))
        game = jg.game({"a": probe()}, described({"a": played}), axis_name="batch")
        game.train_step(state, batch)
        return captured["examples"]

    state = probe_game({"a": 1}).init(key, batch_of(8))
    indices = jax.pmap(first, axis_name="batch", in_axes=(None, 0))(state, sharded(batch_of(8)))
    np.testing.assert_array_equal(indices.reshape(-1), np.arange(8))


# What is refused, when the game is made


def player(*owns, updates=1):
    return jg.Player(owns, probe_loss("a"), optax.sgd(0.1), updates)


def described(players, frozen=()):
    return jg.System(players, lambda batch: {"a": (batch["x"],)}, lambda *_: None, frozen)


@pytest.mark.parametrize(
    ("networks", "players", "settings", "message"),
    [
        ("a", {}, {}, "no players"),
        ("a", {"p": player("b")}, {}, r"player 'p' owns unknown networks \['b'\]; have \['a'\]"),
        ("a", {"p": player()}, {}, "player 'p' owns no network"),
        ("a", {"p": player("a", updates=0)}, {}, "updates=0; it must be at least 1"),
        ("ab", {"p": player("a")}, {}, r"networks \['b'\] are owned by no player"),
        ("a", {"p": player("a")}, {"frozen": ("a",)}, r"\['a'\] are both owned and frozen"),
        ("a", {"p": player("a")}, {"frozen": ("c",)}, r"freezes unknown networks \['c'\]"),
        ("a", {"p": player("a")}, {"ema": {"c": 0.9}}, r"ema averages \['c'\], which no player trains"),
        ("ab", {"p": player("a")}, {"frozen": ("b",), "ema": {"b": 0.9}}, r"ema averages \['b'\]"),
        ("a", {"p": player("a")}, {"ema": {"a": 1.5}}, r"ema decays must lie in \[0, 1\]; got \{'a': 1.5\}"),
        ("a", {"p": player("a")}, {"ema": {"a": -0.1}}, r"must lie in \[0, 1\]"),
    ],
)
def test_a_game_that_does_not_fit_together_is_refused(networks, players, settings, message):
    frozen = settings.get("frozen", ())
    with pytest.raises(ValueError, match=message):
        jg.game({name: probe() for name in networks}, described(players, frozen), ema=settings.get("ema"))


# ... and when it is traced


def labelled(classes=3):
    return jg.game(
        {
            "generator": jg.networks.mlp.Generator((2,), (8,), classes),
            "discriminator": jg.networks.mlp.Discriminator((8,), classes),
        },
        system(),
    )


X = np.zeros((4, 2), np.float32)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"x": X.astype(np.uint8)}, r"batch\['x'\] is uint8; expected float32 in \[-1, 1\]"),
        ({"x": X.astype(np.float64)}, r"batch\['x'\] is float64"),
        ({"x": X.astype(bool)}, r"batch\['x'\] is bool"),
        ({"x": np.zeros((4, 2, 2, 1), np.int32)}, r"batch\['x'\] is int32 \(4, 2, 2, 1\); .* tokens \[B, T\] int32"),
        ({"x": X[:, 0]}, r"batch\['x'\] has shape \(4,\); expected \[B, \.\.\.\]"),
        ({"x": X[:3]}, r"batch size 3 does not divide by 2 updates \(n_critic\); use a multiple, such as 2"),
        ({"x": X[:0]}, "batch size 0"),
        ({"x": X, "y": np.zeros(3, np.int32)}, "must share their leading size"),
        ({"x": X, "y": np.int32(3)}, r"batch\['y'\] must be an array"),
        ({}, "a batch is a mapping"),
        (X, "a batch is a mapping"),
    ],
)
def test_a_wrong_batch_is_refused(batch, message, key):
    """By `init`, and by `train_step` when it is traced."""
    game = jg.game(plain_networks(), system(n_critic=2))
    with pytest.raises(ValueError, match=message):
        game.init(key, batch)
    state = jax.eval_shape(game.init, key, {"x": X})
    with pytest.raises(ValueError, match=message):
        game.train_step(state, batch)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([0, 1, 2, 3], np.int32), r"label 3, but network '\w+' has 3 classes, 0\.\.2"),
        (np.array([0, -1, 2, 1], np.int32), "label -1"),
        (
            np.zeros((4, 1), np.int32),
            r"takes class labels \[B\] int32 or vectors \[B, 3\].* shape \(4, 1\), dtype int32",
        ),
        (np.zeros((4, 2), np.float32), r"takes class labels \[B\] int32 or vectors \[B, 3\].* shape \(4, 2\)"),
    ],
)
def test_wrong_labels_are_refused_at_init(y, message, key):
    with pytest.raises(ValueError, match=message):
        labelled().init(key, {"x": X, "y": y})


def test_labels_and_networks_must_agree(key):
    with pytest.raises(ValueError, match="without labels"):
        labelled().init(key, {"x": X})
    with pytest.raises(ValueError, match="classes=0"):
        jg.game(plain_networks(), system()).init(key, {"x": X, "y": np.zeros(4, np.int32)})


def test_missing_initial_arguments_are_named(key):
    game = jg.game({"a": probe(), "b": probe()}, described({"p": player("a", "b")}))
    with pytest.raises(ValueError, match=r"no initial arguments for networks \['b'\]; have \['a'\]"):
        game.init(key, batch_of(2))


@pytest.mark.parametrize("returned", [{"w": jnp.zeros(2)}, jnp.zeros(2)])
def test_a_bare_network_must_return_params(returned, key):
    network = SimpleNamespace(init=lambda key, x: returned, apply=lambda v, x: x)
    game = jg.game({"a": network}, described({"p": player("a")}))
    with pytest.raises(ValueError, match=r"init of network 'a' returned .* without 'params'"):
        game.init(key, batch_of(2))


def test_a_loss_must_be_a_scalar(key):
    def loss(nets, batch, turn):
        return batch["x"][:, 0] * nets["a"](batch["x"])["sum"], {}

    game = jg.game({"a": probe()}, described({"p": jg.Player(("a",), loss, optax.sgd(0.1))}))
    with pytest.raises(ValueError, match=r"the loss of player 'p' has shape \(2,\); reduce it to a scalar"):
        game.train_step(game.init(key, batch_of(2)), batch_of(2))


def test_init_is_abstract_when_asked(key):
    """A checkpoint's target costs no memory."""
    game = jg.game(plain_networks(), system(), ema={"generator": 0.9})
    abstract = jax.eval_shape(game.init, key, batch_of(4))
    chex.assert_trees_all_equal_shapes_and_dtypes(abstract.params, game.init(key, batch_of(4)).params)


@pytest.mark.parametrize("microbatches", [2, 4])
def test_microbatches_are_the_whole_minibatch(microbatches):
    """Latents and interpolations belong to examples, so cutting a minibatch changes nothing but the memory it takes."""

    def run(parts):
        networks = {
            "generator": jg.networks.mlp.Generator((2,), (8,)),
            "discriminator": jg.networks.mlp.Discriminator((8,)),
        }
        system = jg.systems.gan(
            loss=jg.losses.wasserstein,
            penalty=jg.penalties.gradient_penalty(10.0),
            prior=jg.priors.normal(4),
            optimizer=optax.sgd(0.1),
            n_critic=2,
        )
        game = jg.game(networks, system, microbatches=parts)
        batch = {"x": jax.random.normal(jax.random.key(1), (16, 2))}
        state, step = game.init(jax.random.key(0), batch), jax.jit(game.train_step)
        for _ in range(3):
            state, metrics = step(state, batch)
        return state.params, metrics

    chex.assert_trees_all_close(run(1), run(microbatches), rtol=1e-4, atol=1e-6)


def test_microbatches_out_of_range():
    networks = {"generator": jg.networks.mlp.Generator(), "discriminator": jg.networks.mlp.Discriminator()}
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(4), optimizer=optax.sgd(0.1))
    with pytest.raises(ValueError, match="microbatches >= 1; got 0"):
        jg.game(networks, system, microbatches=0)
    game = jg.game(networks, system, microbatches=3)
    batch = {"x": jnp.zeros((4, 2))}
    with pytest.raises(ValueError, match="4 does not divide into 3 microbatches"):
        jax.eval_shape(game.train_step, jax.eval_shape(game.init, jax.random.key(0), batch), batch)


# Optimizers that want to know the loss


def descended(optimizer, dynamics=None):
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (4,)),
        "discriminator": jg.networks.mlp.Discriminator((4,)),
    }
    described = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optimizer)
    game = jg.game(networks, described, dynamics=dynamics)
    state = game.init(jax.random.key(0), {"x": jnp.ones((4, 2))})
    return state, *jax.jit(game.train_step)(state, {"x": jnp.ones((4, 2))})


@pytest.mark.parametrize("dynamics", [None, jg.dynamics.simultaneous(), jg.dynamics.gated({})])
def test_an_optimizer_learns_the_value_of_the_loss(dynamics):
    """Polyak's step is (f - f*) / |g|^2 along the gradient, so that its square is (f - f*)^2 / |g|^2."""
    state, after, metrics = descended(optax.chain(optax.identity(), optax.polyak_sgd(max_learning_rate=1e9)), dynamics)
    moved = jax.tree.map(lambda a, b: a - b, after.params["discriminator"], state.params["discriminator"])
    _, by_sgd, _ = descended(optax.sgd(1.0), dynamics)
    slope = jax.tree.map(lambda a, b: a - b, state.params["discriminator"], by_sgd.params["discriminator"])
    squares = [sum(float(jnp.sum(jnp.square(leaf))) for leaf in jax.tree.leaves(tree)) for tree in (moved, slope)]
    assert squares[0] == pytest.approx(float(metrics["discriminator/loss"]) ** 2 / squares[1], rel=1e-3)


def test_a_dynamics_of_other_gradients_knows_no_value():
    with pytest.raises(ValueError, match=r"player 'discriminator' wants more .* 'value'.* under alternating"):
        descended(optax.polyak_sgd(1.0), jg.dynamics.consensus(1.0))
