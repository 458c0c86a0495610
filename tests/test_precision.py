"""Mixed precision: what is narrow, what stays float32, and loss scaling for float16."""

import sys
from types import SimpleNamespace

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import checkpoint
from jaxgan.loop import NonFiniteError, train
from jaxgan.networks import dcgan, mlp
from jaxgan.parallel import data_parallel
from jaxgan.precision import ScaledState, scaled
from jaxgan.types import autodiff

NARROW = (jnp.bfloat16, jnp.float16)


# What is narrow and what is not


def convolutional(dtype, normalization="batch", classes=0):
    return {
        "generator": dcgan.Generator(1, 28, features=2, classes=classes, dtype=dtype),
        "discriminator": dcgan.Discriminator(28, 2, normalization, classes=classes, dtype=dtype),
    }


def connected(dtype=None):
    return {"generator": mlp.Generator((2,), (8,), dtype=dtype), "discriminator": mlp.Discriminator((8,), dtype=dtype)}


def system(**settings):
    defaults = {"loss": jg.losses.non_saturating, "prior": jg.priors.normal(3), "optimizer": optax.adam(1e-2)}
    return jg.systems.gan(**defaults | settings)


def products(jaxpr):
    """Yields the dtypes that every convolution and matrix product of a program multiplies."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("conv_general_dilated", "dot_general"):
            yield tuple(v.aval.dtype for v in equation.invars)
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from products(inner)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("kind", ["mlp", "dcgan", "conditional", "penalised"])
def test_products_are_narrow_and_what_is_carried_is_float32(kind, dtype, key):
    classes = 3 if kind == "conditional" else 0
    networks = (
        connected(dtype) if kind == "mlp" else convolutional(dtype, "none" if kind == "penalised" else "batch", classes)
    )
    penalty = jg.penalties.gradient_penalty(1.0) if kind == "penalised" else None
    game = jg.game(networks, system(penalty=penalty, optimizer=scaled(optax.adam(1e-2))), ema={"generator": 0.9})
    batch = {"x": jnp.zeros((4, 2) if kind == "mlp" else (4, 28, 28, 1))}
    batch |= {"y": jnp.zeros((4,), jnp.int32)} if classes else {}
    state = jax.eval_shape(game.init, key, batch)
    multiplied = set(products(jax.make_jaxpr(game.train_step)(state, batch).jaxpr))
    assert multiplied == {(jnp.dtype(dtype), jnp.dtype(dtype))}
    after, metrics = jax.eval_shape(game.train_step, state, batch)
    chex.assert_trees_all_equal_dtypes(after, state)
    for leaf in jax.tree.leaves((after._replace(key=None), metrics)):
        assert leaf.dtype in (jnp.float32, jnp.int32, jnp.bool_), leaf
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((after.params, after.ema, after.model_state)))


def lone(network, loss, optimizer, gradient=autodiff, **settings):
    """A game of one player that owns "net"."""
    player = jg.Player(("net",), loss, optimizer, gradient=gradient)
    described = jg.System({"player": player}, lambda b: {"net": (b["x"],)}, lambda nets, key, i: nets["net"](i["x"]))
    return jg.game({"net": network}, described, **settings)


def batch_of(n, seed=0):
    return {"x": jax.random.normal(jax.random.key(seed), (n, 2))}


class Statistics(nn.Module):
    """Answers in its own dtype, with something beside: [B], [B] int32, nothing."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, train=True):
        x = nn.BatchNorm(not train, dtype=self.dtype)(nn.Dense(3, dtype=self.dtype)(x))
        assert x.dtype == self.dtype
        return x[:, 0], jnp.argmax(x, axis=-1), None


def bare(dtype):
    return SimpleNamespace(
        init=lambda key, x: {"params": {"w": jnp.ones((2,))}},
        apply=lambda variables, x: ((x @ variables["params"]["w"]).astype(dtype), jnp.arange(len(x)), None),
    )


@pytest.mark.parametrize(
    ("make", "dtype"),
    [*((make, dtype) for make in (Statistics, bare) for dtype in (*NARROW, jnp.float32)), (bare, jnp.float8_e5m2)],
)
def test_what_a_loss_sees_and_what_is_sampled_is_float32(make, dtype, key):
    seen = []

    def loss(nets, batch, turn):
        seen.extend([nets["net"](batch["x"]), jg.frozen(nets["net"])(batch["x"])])
        return jnp.mean(seen[-2][0]), {}

    game = lone(make(dtype), loss, optax.sgd(0.1))
    state = jax.eval_shape(game.init, key, batch_of(4))
    after, _ = jax.eval_shape(game.train_step, state, batch_of(4))
    seen.append(jax.eval_shape(game.generate, after, key, batch_of(4)))
    assert len(seen) == 3
    for logits, index, nothing in seen:
        assert (logits.dtype, index.dtype, nothing) == (jnp.float32, jnp.int32, None)
    chex.assert_trees_all_equal_dtypes(after, state)


def critic_of(w, dtype):
    return SimpleNamespace(
        init=lambda key, x: {"params": {"w": jnp.array(w)}},
        apply=lambda variables, x: x.astype(dtype) @ variables["params"]["w"].astype(dtype),
    )


@pytest.mark.parametrize("dtype", NARROW)
def test_penalties_take_their_norm_in_float32(dtype, key):
    """w = (384, 512): its squared norm 640^2 is beyond float16; R1 with gamma 1 is half of it."""

    def loss(nets, batch, turn):
        critic = jg.frozen(nets["net"])
        costs = {"r1": jg.penalties.r1(1.0), "gp": jg.penalties.gradient_penalty(1.0)}
        values = {name: cost(critic, batch["x"], -batch["x"], turn) for name, cost in costs.items()}
        return 0.0 * jnp.mean(critic(batch["x"])), values

    game = lone(critic_of([384.0, 512.0], dtype), loss, optax.sgd(0.1))
    _, metrics = game.train_step(game.init(key, batch_of(4)), batch_of(4))
    assert metrics["player/r1"] == 204800
    np.testing.assert_allclose(metrics["player/gp"], 639.0**2, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "unit"), [(jnp.bfloat16, 2.0**-8), (jnp.float16, 2.0**-11)])
def test_a_narrow_step_is_close_to_the_float32_one(dtype, unit, key):
    """Three layers a network, six roundings in a row at least; a dozen units leave room for both networks."""
    wide, narrow = (jg.game(connected(d), system(penalty=jg.penalties.r1(0.1))) for d in (None, dtype))
    state = wide.init(key, batch_of(64))
    _, expected = jax.jit(wide.train_step)(state, batch_of(64))
    _, metrics = jax.jit(narrow.train_step)(state, batch_of(64))
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=12 * unit, atol=12 * unit, err_msg=name)
    assert any(metrics[name] != value for name, value in expected.items())


# The scaled gradient


def recorder():
    """An optimizer that moves nothing and keeps the last gradient that it was given."""
    return optax.GradientTransformation(
        lambda params: jax.tree.map(jnp.zeros_like, params),
        lambda gradient, state, params=None: (jax.tree.map(jnp.zeros_like, gradient), gradient),
    )


def recorded(opt_state):
    return opt_state.guarded.inner_state if isinstance(opt_state, ScaledState) else opt_state


def faint(weight=1.0):
    return lambda nets, batch, turn: (weight * jnp.mean(nets["net"](batch["x"])), {})


def first_gradient(dtype, optimizer, loss, **settings):
    game = lone(mlp.Discriminator((8,), dtype=dtype), loss, optimizer, **settings)
    state, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), batch_of(16)), batch_of(16))
    return recorded(state.opt_state["player"])["net"], metrics


def test_gradients_too_small_for_float16_arrive_with_scaling():
    """1e-8 / 16 an example is below 6e-8, the smallest float16; times 2^24 it is 0.01."""
    exact, told = first_gradient(None, recorder(), faint(1e-8))
    lost, _ = first_gradient(jnp.float16, recorder(), faint(1e-8))
    arrived, metrics = first_gradient(jnp.float16, scaled(recorder(), 2.0**24), faint(1e-8))
    assert all(not leaf.any() for leaf in jax.tree.leaves(lost["Dense_0"]))
    assert all(leaf.any() for leaf in jax.tree.leaves(exact))
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(exact))
    chex.assert_trees_all_close(arrived, exact, rtol=0, atol=12 * 2.0**-11 * largest)
    np.testing.assert_allclose(metrics["player/loss"], told["player/loss"], rtol=1e-2)  # as it is, not scaled
    assert metrics["player/loss_scale"] == 2.0**24


@pytest.mark.parametrize("initial", [2.0**15, 2.0**-10])
@pytest.mark.parametrize("microbatches", [1, 2])
def test_a_power_of_two_changes_no_bit_in_float32(initial, microbatches, key):
    """Every gradient of a game with a penalty and two critic updates, in parts or whole."""
    states = []
    for optimizer in (recorder(), scaled(recorder(), initial)):
        described = system(optimizer=optimizer, penalty=jg.penalties.r1(1.0), n_critic=2)
        game = jg.game(connected(), described, microbatches=microbatches)
        states.append(jax.jit(game.train_step)(game.init(key, batch_of(16)), batch_of(16)))
    (plain, metrics), (under, told) = states
    for name in ("discriminator", "generator"):
        chex.assert_trees_all_equal(recorded(under.opt_state[name]), plain.opt_state[name])
        assert told.pop(f"{name}/loss_scale") == initial
    assert under.opt_state["discriminator"].finite_updates == 2
    assert under.opt_state["generator"].finite_updates == 1
    chex.assert_trees_all_equal(told, metrics)


def test_scaled_steps_are_the_unscaled_ones(key):
    """Adam included, to the last bits: the compiler may contract the update in another way."""
    states = []
    for optimizer in (optax.adam(1e-2), scaled(optax.adam(1e-2))):
        game = jg.game(connected(), system(optimizer=optimizer), ema={"generator": 0.9})
        step, state = jax.jit(game.train_step), game.init(key, batch_of(16))
        for seed in range(3):
            state, _ = step(state, batch_of(16, seed))
        states.append(state)
    chex.assert_trees_all_close(states[0].params, states[1].params, rtol=1e-5, atol=1e-7)
    chex.assert_trees_all_close(states[0].ema, states[1].ema, rtol=1e-5, atol=1e-7)


def test_an_estimator_meets_the_scaled_loss_and_its_gradient_is_divided():
    values = []

    def doubled(objective, owned, key):
        (loss, auxiliary), gradient = autodiff(objective, owned, key)
        jax.debug.callback(lambda value: values.append(float(value)), loss)
        return (loss, auxiliary), jax.tree.map(lambda g: 2 * g, gradient)

    exact, metrics = first_gradient(None, recorder(), faint())
    estimated, _ = first_gradient(None, scaled(recorder(), 2.0**10), faint(), gradient=doubled)
    jax.effects_barrier()
    chex.assert_trees_all_equal(estimated, jax.tree.map(lambda g: 2 * g, exact))
    assert values == [1024 * float(metrics["player/loss"])]


def test_an_unscaled_game_has_no_operation_more(key, monkeypatch):
    module = sys.modules["jaxgan.rules"]

    def program():
        game = jg.game(connected(), system(penalty=jg.penalties.r1(1.0)))
        return str(jax.make_jaxpr(game.train_step)(jax.eval_shape(game.init, key, batch_of(4)), batch_of(4)))

    with_room = program()
    assert "is_finite" not in with_room
    monkeypatch.setattr(module, "through_scale", lambda estimator, scale: estimator)
    monkeypatch.setattr(module, "loss_scale", lambda name, opt_state: None)
    monkeypatch.setattr(sys.modules["jaxgan.nets"], "widened", lambda tree: tree)
    assert program() == with_room


# Overflow, recovery, growth


def half(optimizer, loss=None, **settings):
    return lone(mlp.Discriminator((8,), dtype=jnp.float16), loss or faint(), optimizer, **settings)


def test_an_overflow_is_skipped_halves_and_recovers(key):
    """The last bias has gradient 1, so 2^16 is beyond float16's 65504: three updates are skipped, the fourth moves."""
    game = half(scaled(optax.adam(1e-2), 2.0**18))
    state = game.init(key, batch_of(16))
    step = jax.jit(game.train_step)
    scales = []
    for _ in range(5):
        before = state
        state, metrics = step(state, batch_of(16))
        scales.append(float(metrics["player/loss_scale"]))
        chex.assert_tree_all_finite(metrics)
        ours, theirs = (s.opt_state["player"].guarded for s in (state, before))
        if ours.last_finite:
            pairs = zip(jax.tree.leaves(state.params), jax.tree.leaves(before.params), strict=True)
            assert all((a != b).any() for a, b in pairs)
        else:
            chex.assert_trees_all_equal(state.params, before.params)
            chex.assert_trees_all_equal(ours.inner_state, theirs.inner_state)
    assert scales == [2.0**18, 2.0**17, 2.0**16, 2.0**15, 2.0**15]
    assert ours.total_notfinite == 3
    assert state.opt_state["player"].finite_updates == 2
    assert state.step == 5


def moves(optimizer, gradients):
    """The scale and the count after every update of a parameter."""
    params = {"w": jnp.ones(())}
    state, seen = optimizer.init(params), []
    for gradient in gradients:
        changes, state = jax.jit(optimizer.update)({"w": jnp.asarray(gradient)}, state, params)
        seen.append((float(state.loss_scale), int(state.finite_updates), float(changes["w"])))
    return seen


def test_the_scale_grows_after_an_interval_of_finite_updates():
    optimizer = scaled(optax.sgd(1.0), 4.0, growth_interval=2)
    inf, nan = float("inf"), float("nan")
    assert moves(optimizer, [1.0, 2.0, 3.0, inf, 1.0, nan, 1.0, 1.0, 1.0]) == [
        (4, 1, -1),
        (8, 0, -2),
        (8, 1, -3),
        (4, 0, 0),  # the count begins anew
        (4, 1, -1),
        (2, 0, 0),
        (2, 1, -1),
        (4, 0, -1),
        (4, 1, -1),
    ]


def test_the_scale_stays_a_number():
    every = scaled(optax.sgd(1.0), 2.0**127, growth_interval=1)
    assert [scale for scale, _, _ in moves(every, [0.0, 0.0])] == [2.0**127] * 2
    low = scaled(optax.sgd(1.0), 2.0**-126)
    assert [scale for scale, _, _ in moves(low, [np.inf, np.inf])] == [2.0**-126] * 2


def undefined(nets, batch, turn):
    """Finite, with a gradient that no scale makes finite."""
    flat = 0.0 * jnp.mean(nets["net"](batch["x"]))
    return jnp.sqrt(flat), {}


def test_the_loop_goes_through_an_overflow_but_not_on_for_ever(key):
    game = half(scaled(optax.adam(1e-2), 2.0**18))
    batches = iter([jax.device_get(batch_of(16))] * 6)
    ending = train(jax.jit(game.train_step), game.init(key, batch_of(16)), batches, 6)
    assert ending.state.opt_state["player"].guarded.total_notfinite == 3
    game = half(scaled(optax.adam(1e-2), give_up=2), undefined)
    batches = iter([jax.device_get(batch_of(16))] * 6)
    logged = []
    with pytest.raises(NonFiniteError, match="step 4: player/loss is nan"):
        train(
            jax.jit(game.train_step),
            game.init(key, batch_of(16)),
            batches,
            6,
            log=lambda step, values: logged.append(values["player/loss_scale"]),
        )
    assert logged == [2.0**15, 2.0**14, 2.0**13]


# Devices, checkpoints, what is refused


def test_devices_agree_also_when_one_of_them_overflows(key):
    """The last of eight has an input that overflows when it is scaled: all skip, and go on together."""
    x = 0.1 * batch_of(16)["x"]
    steep = {"x": x.at[15].set(2.0**9)}
    optimizer = scaled(optax.sgd(0.1), 2.0**14, growth_interval=2)
    alone = half(optimizer)
    together = data_parallel(half(optimizer, axis_name="batch"), "pmap")
    one, many = alone.init(key, {"x": x}), together.init(key, {"x": x})
    step, scales = jax.jit(alone.train_step), []
    for batch in ({"x": x}, steep, {"x": x}, {"x": x}):
        one, _ = step(one, batch)
        many, metrics = together.train_step(many, jax.device_get(batch))
        scales.append(float(many.opt_state["player"].loss_scale))
        chex.assert_tree_all_finite(metrics)
        for leaf in jax.tree.leaves((many._replace(key=None), metrics)):
            shards = [np.asarray(shard.data) for shard in leaf.addressable_shards]
            assert len(shards) == 8
            assert all(np.array_equal(shards[0], shard) for shard in shards[1:])
    assert scales == [2.0**14, 2.0**13, 2.0**13, 2.0**14]
    chex.assert_trees_all_close(jax.device_get(many.params), one.params, atol=1e-4)  # float16 sums, in another order


def test_a_checkpoint_holds_the_scale(tmp_path, key):
    game = half(scaled(optax.adam(1e-2), 2.0**17))
    step, state = jax.jit(game.train_step), game.init(key, batch_of(16))
    for _ in range(3):
        state, _ = step(state, batch_of(16))
    manager = checkpoint.open_checkpoints(tmp_path)
    checkpoint.save(manager, state, {})
    checkpoint.wait(manager)
    restored = checkpoint.restore(manager, jax.eval_shape(game.init, key, batch_of(16)))
    manager.close()
    assert isinstance(restored.opt_state["player"], ScaledState)
    assert restored.opt_state["player"].loss_scale == 2.0**15
    assert restored.opt_state["player"].finite_updates == 1
    for one, other in ((restored, state), (step(restored, batch_of(16))[0], step(state, batch_of(16))[0])):
        chex.assert_trees_all_equal(one._replace(key=None), other._replace(key=None))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"initial": 0.0}, "initial loss scale > 0, .* got 0.0"),
        ({"initial": -1.0}, "got -1.0"),
        ({"initial": float("nan")}, "got nan"),
        ({"initial": float("inf")}, "got inf"),
        ({"growth_interval": 0}, "growth_interval=0"),
        ({"give_up": 0}, "give_up=0"),
    ],
)
def test_scaled_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        scaled(optax.sgd(0.1), **settings)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.chain(optax.clip_by_global_norm(1.0), scaled(optax.sgd(0.1))),
        optax.MultiSteps(scaled(optax.sgd(0.1)), 2),
        scaled(scaled(optax.sgd(0.1))),
    ],
    ids=["chain", "multi_steps", "twice"],
)
def test_scaled_must_stand_outermost(optimizer, key):
    with pytest.raises(ValueError, match=r"player 'player' has precision\.scaled inside another"):
        jax.eval_shape(half(optimizer).init, key, batch_of(4))


def test_scaled_refuses_narrow_parameters(key):
    game = lone(nn.Dense(1, param_dtype=jnp.float16), faint(), scaled(optax.sgd(0.1)))
    with pytest.raises(ValueError, match=r"kernel'.* is float16: set the network's dtype|bias'.* is float16"):
        jax.eval_shape(game.init, key, batch_of(4))
