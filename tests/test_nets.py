"""Networks inside a loss: averages, views, and loops that would leak a state or repeat a draw."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import pytest

import jaxgan as jg

BATCH = {"x": jnp.arange(12.0).reshape(4, 3) / 12}


class Noisy(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        return nn.Dropout(0.5, deterministic=not train)(nn.Dense(3, use_bias=False)(x))


class Remembering(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        return nn.BatchNorm(use_running_average=not train)(nn.Dense(3)(x))


def step_of(network, loss, ema=None):
    system = jg.System({"player": jg.Player(("net",), loss, optax.sgd(0.1))}, None, lambda *_: None)
    game = jg.game({"net": network}, system, ema=ema)
    state = game.init(jax.random.key(0), BATCH)
    return game, state, jax.jit(game.train_step)


def scanned(call):
    """A loss that calls the network five times in a loop, by `call(nets, x, step)`."""

    def loss(nets, batch, turn):
        _, outputs = jax.lax.scan(lambda c, k: (c, call(nets, batch["x"], k)), 0.0, jnp.arange(5))
        return jnp.mean(outputs), {"same": jnp.all(outputs[0] == outputs[1]).astype(jnp.float32)}

    return loss


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (Noisy(), r"network 'net' draws noise .* where every step would repeat it; .* frozen\(nets\['net'\], step\)"),
        (Remembering(), r"network 'net' keeps \['batch_stats'\] .* which its state cannot leave; .* frozen"),
    ],
)
@pytest.mark.parametrize("loop", ["scan", "vmap"])
def test_a_loop_refuses_what_it_would_break(network, why, loop):
    def loss(nets, batch, turn):
        net, x = nets["net"], batch["x"]
        if loop == "vmap":
            return jnp.mean(jax.vmap(lambda k: net(x + k))(jnp.arange(5.0))), {}
        return jnp.mean(jax.lax.scan(lambda c, k: (c, net(x + k)), 0.0, jnp.arange(5.0))[1]), {}

    _, state, step = step_of(network, loss)
    with pytest.raises(ValueError, match=why):
        step(state, BATCH)


def test_a_plain_network_may_be_called_in_a_loop():
    _, state, step = step_of(nn.Dense(3), scanned(lambda nets, x, k: nets["net"](x)))
    assert step(state, BATCH)[1]["player/same"] == 1


def test_a_view_repeats_its_noise_and_draws_anew_for_each_step():
    _, state, step = step_of(Noisy(), scanned(lambda nets, x, k: jg.frozen(nets["net"])(x)))
    assert step(state, BATCH)[1]["player/same"] == 1
    _, state, step = step_of(Noisy(), scanned(lambda nets, x, k: jg.frozen(nets["net"], k)(x)))
    assert step(state, BATCH)[1]["player/same"] == 0


def test_views_of_a_network_that_remembers_leave_no_trace():
    _, state, step = step_of(Remembering(), scanned(lambda nets, x, k: jg.frozen(nets["net"], k)(x)))
    after, _ = step(state, BATCH)
    chex.assert_trees_all_equal(after.model_state, state.model_state)


def test_the_average_of_a_network_inside_its_loss():
    """A mean teacher: its outputs are those of the averaged parameters, and no gradient passes through it."""

    def loss(nets, batch, turn):
        gap = nets["net"](batch["x"]) - 1.0
        teacher = jg.averaged(nets["net"])(batch["x"])
        return jnp.mean(jnp.square(gap)), {"teacher": jnp.mean(teacher)}

    _, state, step = step_of(nn.Dense(3), loss, ema={"net": 0.9})
    for _ in range(3):
        expected = jnp.mean(nn.Dense(3).apply({"params": state.ema["net"]}, BATCH["x"]))
        state, metrics = step(state, BATCH)
        assert metrics["player/teacher"] == pytest.approx(float(expected), rel=1e-5)
    assert (state.ema["net"]["kernel"] != state.params["net"]["kernel"]).any()


def test_an_average_that_is_not_kept():
    def loss(nets, batch, turn):
        return jnp.mean(nets["net"](batch["x"])) + jnp.mean(jg.averaged(nets["net"])(batch["x"])), {}

    _, state, step = step_of(nn.Dense(3), loss)
    with pytest.raises(ValueError, match=r"no average of network 'net' is kept; .* ema=\{'net': 0.999\}"):
        step(state, BATCH)
