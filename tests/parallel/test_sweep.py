"""Many runs at once: each member is its solo run, whatever the mode, the hyper-parameters and the devices."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from experiments.toys import ring
from jaxgan.parallel.segments import segments, stack
from jaxgan.parallel.statistics import Interval, draw_band, interval
from jaxgan.parallel.sweep import batches, member, product, sweep

SEEDS = (0, 1, 2, 3)
STEPS = 20
B = 8
RING = jg.data.ring()
EXACT = ("map", "unrolled")


@pytest.fixture(scope="module", autouse=True)
def less_compilation():
    """Takes the place of the room's: bits are what these tests are about, so the code is compiled as users' code is."""


def ring_game(learning_rate=1e-3, gamma=0.1, *, penalty=jg.penalties.r1, traces=None, **settings):
    """A tiny MLP GAN on the ring; `traces` gathers one entry for every time a loss is traced."""

    def counted(critic, real, fake, turn):
        if traces is not None:
            traces.append(real.shape)
        return penalty(gamma)(critic, real, fake, turn)

    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=counted,
        prior=jg.priors.normal(3),
        optimizer=optax.adam(learning_rate, b1=0.5, b2=0.99),
    )
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (8, 8)),
        "discriminator": jg.networks.mlp.Discriminator((8, 8)),
    }
    return jg.game(networks, system, ema={"generator": 0.9}, **settings)


def images_game():
    """The smallest DCGAN, with batch statistics."""
    networks = {
        "generator": jg.networks.dcgan.Generator(channels=1, size=28, features=2),
        "discriminator": jg.networks.dcgan.Discriminator(size=28, features=2),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(1e-2))
    return jg.game(networks, system)


def images(members, size=2):
    return {"x": jax.random.uniform(jax.random.key(7), (members, size, 28, 28, 1), minval=-1.0)}


def plain(tree):
    """Keys as their numbers, so that whole states can be compared."""

    def data(x):
        return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    return jax.tree.map(data, tree)


def solo(game, seed, steps=STEPS):
    """A run by itself, as every user writes it: (state, metrics of all steps)."""
    stream, step = jg.data.batches(RING, B, seed), jax.jit(game.train_step, donate_argnums=0)
    state, observed = game.init(jax.random.key(seed), next(jg.data.batches(RING, B, seed))), []
    for batch in itertools.islice(stream, steps):
        state, metrics = step(state, batch)
        observed.append(metrics)
    return plain(state), stack(observed)


def swept(runs, seeds=SEEDS, steps=STEPS):
    """The same runs together: (states, metrics [steps, members])."""
    stream = batches(RING, B, seeds)
    states, observed = runs.init(next(batches(RING, B, seeds))), []
    for batch in itertools.islice(stream, steps):
        states, metrics = runs.train_step(states, batch)
        observed.append(metrics)
    return plain(states), stack(observed)


@functools.cache
def alone():
    game = ring_game()
    return stack([solo(game, seed) for seed in SEEDS])


@functools.cache
def together(mode):
    return swept(sweep(ring_game(), SEEDS, mode=mode))


# Equal to solo runs


@pytest.mark.parametrize("mode", EXACT)
def test_a_member_is_its_solo_run_bit_for_bit(mode):
    """Parameters, moments, averages, keys and every metric of every step, after 20 steps."""
    states, metrics = together(mode)
    expected, observed = alone()
    chex.assert_trees_all_equal(states, expected)
    chex.assert_trees_all_equal(jax.tree.map(lambda x: x.T, metrics), observed)
    assert metrics["generator/loss"].shape == (STEPS, len(SEEDS))


@pytest.mark.parametrize("mode", EXACT)
def test_sixteen_seeds_of_the_ring_experiment_bit_for_bit(mode):
    """Its own networks, batch and schedule: large enough for a state fused with its slice to round differently."""
    game, seeds, size, steps = ring.build(ring.Config(), (2,), 0).game, range(16), 256, 5
    made = list(itertools.islice(batches(RING, size, seeds), steps))
    runs, step = sweep(game, seeds, mode=mode), jax.jit(game.train_step, donate_argnums=0)
    states = runs.init(made[0])
    for batch in made:
        states, _ = runs.train_step(states, batch)
    for m in seeds:
        state = game.init(jax.random.key(m), member(made[0], m))
        for batch in made:
            state, _ = step(state, member(batch, m))
        chex.assert_trees_all_equal(plain(member(states, m)), plain(state))


def test_a_vmapped_member_is_its_solo_run_to_rounding():
    """1e-4 after 20 steps of Adam at 1e-3, which move a weight by up to 2e-2; the difference grows with the steps."""
    states, metrics = together("vmap")
    expected, observed = alone()
    chex.assert_trees_all_close(states, expected, rtol=1e-3, atol=1e-4)
    chex.assert_trees_all_close(jax.tree.map(lambda x: x.T, metrics), observed, rtol=1e-3, atol=1e-4)


def test_members_differ_by_their_seed():
    kernel = together("map")[0].params["generator"]["Dense_0"]["kernel"]
    assert len({x.tobytes() for x in np.asarray(kernel)}) == len(SEEDS)


@pytest.mark.parametrize("mode", [*EXACT, "vmap"])
def test_samples_are_those_of_the_solo_run(mode, key):
    game = ring_game()
    runs = sweep(game, SEEDS, mode=mode)
    states, inputs = runs.init(next(batches(RING, B, SEEDS))), {"index": jnp.arange(5, dtype=jnp.int32)}
    samples = runs.generate(states, key, inputs)
    assert samples.shape == (len(SEEDS), 5, 2)
    for m, seed in enumerate(SEEDS):
        one = game.init(jax.random.key(seed), next(jg.data.batches(RING, B, seed)))
        np.testing.assert_allclose(samples[m], jg.sample(game, one, key, n=5), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(jg.sample(game, member(states, m), key, n=5), jg.sample(game, one, key, n=5))


# Hyper-parameters


SETTINGS = {"learning_rate": [1e-3, 1e-2, 1e-3, 1e-2], "gamma": [0.1, 0.1, 10.0, 0.0]}


@functools.cache
def alone_with(penalty, m):
    settings = {name: values[m] for name, values in SETTINGS.items()}
    return solo(ring_game(penalty=penalty, **settings), (0, 0, 0, 1)[m])


@pytest.mark.parametrize(
    ("mode", "penalty"), [*((mode, "r1") for mode in (*EXACT, "vmap")), ("map", "gradient_penalty")]
)
def test_hyper_parameters_are_those_of_solo_runs(mode, penalty):
    """Against runs with the numbers written into the program: the compiler folds constants, so to rounding."""
    seeds, penalty = (0, 0, 0, 1), getattr(jg.penalties, penalty)
    states, metrics = swept(sweep(functools.partial(ring_game, penalty=penalty), seeds, SETTINGS, mode=mode), seeds)
    for m in range(len(seeds)):
        state, observed = alone_with(penalty, m)
        mine = member(states, m), jax.tree.map(lambda x, m=m: x[:, m], metrics)
        chex.assert_trees_all_close(mine, (state, observed), rtol=1e-3, atol=2e-4)
    kernel = np.asarray(states.params["discriminator"]["Dense_0"]["kernel"])
    for a, b in itertools.combinations(range(3), 2):  # one seed, and no two alike
        assert np.abs(kernel[a] - kernel[b]).max() > 1e-3, (a, b)


@pytest.mark.parametrize("mode", EXACT)
def test_hyper_parameters_are_exact_against_solo_steps_that_get_them_as_arrays(mode):
    seeds = (0, 0, 0, 1)
    states, _ = swept(sweep(ring_game, seeds, SETTINGS, mode=mode), seeds)
    step = jax.jit(lambda values, state, batch: ring_game(**values).train_step(state, batch), donate_argnums=1)
    for m, seed in enumerate(seeds):
        settings = {name: jnp.asarray(values[m]) for name, values in SETTINGS.items()}
        stream = jg.data.batches(RING, B, seed)
        state = ring_game().init(jax.random.key(seed), next(jg.data.batches(RING, B, seed)))
        for batch in itertools.islice(stream, STEPS):
            state, _ = step(settings, state, batch)
        chex.assert_trees_all_equal(member(states, m), plain(state))


def test_hyper_parameters_in_the_optimizer_state_differ_by_member():
    """`inject_hyperparams` keeps the rate in the state, where a schedule or a hook can change it."""

    def make(learning_rate):
        system = jg.systems.gan(
            loss=jg.losses.hinge,
            prior=jg.priors.normal(3),
            optimizer=optax.inject_hyperparams(optax.sgd)(learning_rate=learning_rate),
        )
        networks = {
            "generator": jg.networks.mlp.Generator((2,), (4,)),
            "discriminator": jg.networks.mlp.Discriminator((4,)),
        }
        return jg.game(networks, system)

    states = sweep(make, (0, 1), {"learning_rate": [0.5, 0.25]}).init(next(batches(RING, B, (0, 1))))
    np.testing.assert_array_equal(states.opt_state["generator"].hyperparams["learning_rate"], [0.5, 0.25])


def test_product_makes_a_grid():
    seeds, values = product((0, 1), learning_rate=(0.1, 0.2), gamma=(1.0,))
    assert seeds == [0, 1, 0, 1]
    assert values == {"learning_rate": [0.1, 0.1, 0.2, 0.2], "gamma": [1.0] * 4}
    runs = sweep(ring_game, seeds, values)
    assert runs.members[2] == {"seed": 0, "learning_rate": 0.2, "gamma": 1.0}


# Choice of a mode


def test_auto_vmaps_what_has_no_convolutions_on_cpu():
    choice = sweep(ring_game(), SEEDS).choose(next(batches(RING, B, SEEDS)))
    assert choice.mode == "vmap"
    assert "without convolutions" in choice.reason


def test_auto_unrolls_convolutions_on_cpu_and_equals_solo_runs():
    """The convolutions are inside `custom_vjp` functions, as the library's layers have them."""
    game, batch = images_game(), images(2)
    runs = sweep(game, (0, 1))
    choice = runs.choose(batch)
    assert choice.mode == "unrolled"
    assert "convolutions" in choice.reason
    states, step = runs.init(batch), jax.jit(game.train_step, donate_argnums=0)
    for _ in range(2):
        states, _ = runs.train_step(states, batch)
    for m in (0, 1):
        mine = member(batch, m)
        state = game.init(jax.random.key(m), mine)
        for _ in range(2):
            state, _ = step(state, mine)
        chex.assert_trees_all_equal(plain(member(states, m)), plain(state))


@pytest.mark.parametrize("game", ["ring", "images"])
def test_auto_vmaps_on_accelerators(game, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    swept_game, batch = (ring_game(), {"x": jnp.zeros((2, B, 2))}) if game == "ring" else (images_game(), images(2))
    choice = sweep(swept_game, (0, 1)).choose(batch)
    assert choice.mode == "vmap"
    assert "gpu" in choice.reason


def test_auto_vmaps_convolutions_on_several_cpu_devices():
    assert sweep(images_game(), (0, 1), devices=jax.devices()[:2]).choose(images(2)).mode == "vmap"


def test_what_is_asked_for_is_chosen():
    choice = sweep(images_game(), (0, 1), mode="vmap").choose(images(2))
    assert choice == ("vmap", "as was asked")


@pytest.mark.parametrize("mode", ["auto", *EXACT, "vmap"])
def test_one_trace_per_mode(mode):
    """The step, whose discriminator moves once, is traced once in 50 steps; the check for convolutions included."""
    traces = []
    swept(sweep(ring_game(traces=traces), SEEDS, mode=mode), steps=50)
    assert traces == [(B, 2)]


@pytest.mark.parametrize("mode", ["map", "unrolled", "vmap"])
def test_states_are_donated(mode):
    runs, batch = sweep(ring_game(), (0, 1), mode=mode), next(batches(RING, B, (0, 1)))
    states = runs.init(batch)
    runs.train_step(states, batch)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(states.params))


# Devices


@pytest.mark.parametrize(("mode", "count"), [("vmap", 8), ("map", 4)])
def test_members_on_devices_equal_those_on_one(mode, count):
    seeds = tuple(range(8))
    runs = sweep(ring_game(), seeds, mode=mode, devices=jax.devices()[:count])
    states = runs.init(next(batches(RING, B, seeds)))
    kernel = states.params["generator"]["Dense_0"]["kernel"]
    assert len(kernel.addressable_shards) == count
    assert {shard.data.shape[0] for shard in kernel.addressable_shards} == {8 // count}
    spread, metrics = swept(runs, seeds)
    whole = swept(sweep(ring_game(), seeds, mode=mode), seeds)
    chex.assert_trees_all_close((spread, metrics), whole, rtol=1e-3, atol=1e-4)
    if mode == "map":
        chex.assert_trees_all_equal(spread, whole[0])


def test_members_on_devices_generate(key):
    runs = sweep(ring_game(), SEEDS, devices=jax.devices()[:4])
    states = runs.init(next(batches(RING, B, SEEDS)))
    samples = runs.generate(states, key, {"index": jnp.arange(3, dtype=jnp.int32)})
    assert samples.shape == (4, 3, 2)
    assert len(samples.addressable_shards) == 4


# Batches


def test_batches_are_those_of_the_solo_runs():
    drawn = list(itertools.islice(batches(RING, B, (3, 1, 3), start=2), 2))
    for m, seed in enumerate((3, 1, 3)):
        for k, expected in enumerate(itertools.islice(jg.data.batches(RING, B, seed, start=2), 2)):
            np.testing.assert_array_equal(drawn[k]["x"][m], expected["x"])


def test_a_sweep_in_segments_is_the_sweep():
    runs = sweep(ring_game(), SEEDS, mode="map")
    states = runs.init(next(batches(RING, B, SEEDS)))
    states, metrics = segments(runs, STEPS)(states, stack(itertools.islice(batches(RING, B, SEEDS), STEPS)))
    chex.assert_trees_all_equal((plain(states), metrics), together("map"))


# Refusals


@pytest.mark.parametrize(
    ("seeds", "settings", "message"),
    [
        ((), {}, "at least one seed"),
        ((0, 1), {"mode": "pmap"}, "unknown mode 'pmap'"),
        ((0, 1, 0), {}, "members 0 and 2 are the same run"),
        ((0, 1, 2), {"devices": 2}, "3 members cannot be shared out equally over 2 devices"),
        ((0, 1), {"devices": 0}, "over 0 devices"),
        ((0, 1), {"devices": 2, "mode": "unrolled"}, "runs its members on one device"),
        ((0, 1), {"hyperparameters": {"gamma": [0.1]}}, r"2 seeds needs as many values; got \{'gamma': 1\}"),
        ((0, 1), {"hyperparameters": {"seed": [1, 2]}}, "may not be called 'seed'"),
        ((0, 1), {"hyperparameters": {"gamma": [0.1, -1.0]}}, "needs a weight >= 0; got -1.0"),
    ],
)
def test_refuses(seeds, settings, message):
    if "devices" in settings:
        settings = settings | {"devices": jax.devices()[: settings["devices"]]}
    game = ring_game_checked if "hyperparameters" in settings else ring_game()
    with pytest.raises(ValueError, match=message):
        sweep(game, seeds, **settings)


def ring_game_checked(gamma):
    jg.penalties.r1(gamma)
    return ring_game(gamma=gamma)


def test_refuses_games_that_cannot_be_swept():
    with pytest.raises(ValueError, match=r"\['gamma'\] need a function"):
        sweep(ring_game(), (0, 1), {"gamma": [0.1, 0.2]})
    with pytest.raises(ValueError, match="without axis_name='batch'"):
        sweep(ring_game(axis_name="batch"), (0, 1))


def test_refuses_batches_of_another_number_of_members():
    runs = sweep(ring_game(), (0, 1))
    for batch in (next(batches(RING, B, SEEDS)), {"x": jnp.zeros((2,))}):
        with pytest.raises(ValueError, match=r"2 members takes batches \[2, B, ...\]"):
            runs.init(batch)
    states = runs.init(next(batches(RING, B, (0, 1))))
    with pytest.raises(ValueError, match="2 members"):
        runs.train_step(states, next(batches(RING, B, SEEDS)))


def test_refuses_labels_out_of_range_in_any_member():
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (4,), classes=3),
        "discriminator": jg.networks.mlp.Discriminator((4,), classes=3),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1))
    batch = {"x": jnp.zeros((2, 4, 2)), "y": jnp.array([[0, 1, 2, 0], [0, 1, 2, 3]], jnp.int32)}
    with pytest.raises(ValueError, match="label 3"):
        sweep(jg.game(networks, system), (0, 1)).init(batch)


# Statistics


def test_interval_by_hand():
    """1..5: mean 3, s^2 = 10/4, t(0.975; 4) = 2.776445. 1 and 3: s^2 = 2, t(0.95; 1) = tan(0.45 pi) = 6.313752."""
    margin = 2.776445 * np.sqrt(2.5 / 5)
    np.testing.assert_allclose(interval([1.0, 2.0, 3.0, 4.0, 5.0]), (3, 3 - margin, 3 + margin), rtol=1e-6)
    found = interval(jnp.array([[1.0, 10.0], [3.0, 10.0]]), confidence=0.9)
    assert isinstance(found, Interval)
    np.testing.assert_allclose(found.mean, [2, 10])
    np.testing.assert_allclose(found.low, [2 - 6.313752, 10], rtol=1e-6)
    np.testing.assert_allclose(found.high, [2 + 6.313752, 10], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_member_is_not_left_out(bad):
    found = interval([[1.0, 1.0], [bad, 2.0], [3.0, 3.0]])
    for ends in found:
        np.testing.assert_array_equal(np.isnan(ends), [True, False])


@pytest.mark.parametrize(("values", "confidence"), [([1.0], 0.95), (1.0, 0.95), ([1.0, 2.0], 1.0), ([1.0, 2.0], 0.0)])
def test_interval_refuses(values, confidence):
    with pytest.raises(ValueError, match="members >= 2"):
        interval(values, confidence)


def test_interval_covers_as_often_as_it_says():
    values = np.random.default_rng(0).normal(5.0, 2.0, (4, 20000))
    _, low, high = interval(values, 0.8)
    assert abs(np.mean((low < 5) & (high > 5)) - 0.8) < 0.01  # three standard errors: 0.0085


def test_a_band_is_drawn(tmp_path):
    _, metrics = together("map")
    curves = {"generator": metrics["generator/loss"].T, "one diverged": np.full((3, STEPS), np.nan)}
    picture = draw_band(tmp_path / "band.png", range(STEPS), curves, "loss, nats")
    assert picture.read_bytes()[:4] == b"\x89PNG"
