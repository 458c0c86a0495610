"""CycleGAN, BiGAN and a VQGAN as users would write them: short, as by hand, on devices, as a sweep, and resumed."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from jaxgan import checkpoint
from jaxgan.parallel import data_parallel, member, stack, sweep
from jaxgan.rules import Board, turn
from tests.parallel.conftest import largest_difference
from tests.systems import vocabulary
from tests.systems.vocabulary import PRIOR, Codebook, Judge, all_systems, l1

STEPS = 3
NAMES = ["cyclegan", "bigan", "vqgan"]


def dense(p, x):
    return x @ p["kernel"] + p["bias"][None]


def judged(p, *arrays):
    return Judge().apply({"params": p}, *arrays)


def moved(loss, params, *owned):
    """One step of gradient descent, 0.1, of what a player owns."""
    slope = jax.grad(lambda own: loss(params | own))({name: params[name] for name in owned})
    return params | jax.tree.map(lambda p, g: p - 0.1 * g, {n: params[n] for n in owned}, slope)


def cyclegan_by_hand(params, batch, z):
    a, b = batch["a"], batch["b"]
    for here, there in (("a", "b"), ("b", "a")):

        def refuses(p, here=here, there=there):
            real, fake = batch[here], dense(p[f"{there}_to_{here}"], batch[there])
            d = functools.partial(judged, p[f"discriminator_{here}"])
            return jnp.mean(jnp.square(d(real) - 1)) / 2 + jnp.mean(jnp.square(d(fake))) / 2

        params = moved(refuses, params, f"discriminator_{here}")

    def fools(p):
        fake_a, fake_b = dense(p["b_to_a"], b), dense(p["a_to_b"], a)
        value = jnp.mean(jnp.square(judged(p["discriminator_a"], fake_a) - 1)) / 2
        value += jnp.mean(jnp.square(judged(p["discriminator_b"], fake_b) - 1)) / 2
        return value + 10 * (l1(dense(p["b_to_a"], fake_b), a) + l1(dense(p["a_to_b"], fake_a), b))

    return moved(fools, params, "a_to_b", "b_to_a")


def bigan_by_hand(params, batch, z):
    x = batch["x"]

    def logits(p):
        real = judged(p["discriminator"], x, dense(p["encoder"], x))
        return real, judged(p["discriminator"], dense(p["generator"], z), z)

    def refuses(p):
        real, fake = logits(p)
        slopes = jax.grad(lambda pair: judged(p["discriminator"], *pair).sum())((x, dense(p["encoder"], x)))
        squares = sum(jnp.sum(jnp.square(slope)) for slope in slopes) / len(x)
        return jnp.mean(jnp.logaddexp(0, -real)) + jnp.mean(jnp.logaddexp(0, fake)) + squares / 2

    def fools(p):
        real, fake = logits(p)
        return jnp.mean(jnp.logaddexp(0, real)) + jnp.mean(jnp.logaddexp(0, -fake))

    return moved(fools, moved(refuses, params, "discriminator"), "encoder", "generator")


def vqgan_by_hand(params, batch, z):
    x, stop = batch["x"], jax.lax.stop_gradient

    def rebuilt(p):
        h = dense(p["encoder"], x)
        q = Codebook().apply({"params": p["codebook"]}, h)
        cost = jnp.mean(jnp.square(stop(h) - q)) + 0.25 * jnp.mean(jnp.square(h - stop(q)))
        return dense(p["decoder"], h + stop(q - h)), cost

    def refuses(p):
        real, fake = judged(p["discriminator"], x), judged(p["discriminator"], rebuilt(p)[0])
        return jnp.mean(jax.nn.relu(1 - real)) + jnp.mean(jax.nn.relu(1 + fake))

    def costs(p):
        y, cost = rebuilt(p)

        def like(y):
            return l1(y, x) + jnp.mean(jnp.square(dense(p["eye"], y) - dense(p["eye"], x)))

        def fools(y):
            return -jnp.mean(judged(p["discriminator"], y))

        one, other = (jnp.sqrt(jnp.mean(jnp.square(len(x) * jax.grad(term)(stop(y))))) for term in (like, fools))
        return like(y) + 0.8 * stop(jnp.clip(one / (other + 1e-4), 0, 1e4)) * fools(y) + cost

    return moved(costs, moved(refuses, params, "discriminator"), "encoder", "codebook", "decoder")


def game_of(name, axis_name=None):
    networks, system, batch, asked = all_systems(axis_name)[name]
    return jg.game(networks, system, axis_name=axis_name), system, batch, asked


@functools.cache
def straight(name):
    """The game, its first state, and the states after each step."""
    game, _, batch, _ = game_of(name)
    states, step = [game.init(jax.random.key(0), batch)], jax.jit(game.train_step)
    for _ in range(STEPS):
        states.append(step(states[-1], batch)[0])
    return game, batch, states


@pytest.mark.parametrize("name", NAMES)
def test_shorter_than_forty_lines(name):
    assert len(inspect.getsource(getattr(vocabulary, name)).splitlines()) < 40


@pytest.mark.parametrize("name", NAMES)
def test_one_step_as_by_hand(name):
    game, batch, (before, after, *_) = straight(name)
    now = turn(Board(game.networks, game.system), next(iter(game.system.players)), 0, before, batch)
    z = PRIOR(now.named("latent"), len(jax.tree.leaves(batch)[0]))
    hand = {"cyclegan": cyclegan_by_hand, "bigan": bigan_by_hand, "vqgan": vqgan_by_hand}[name]
    if name == "bigan":  # each player draws latents of its own
        discriminator = hand(before.params, batch, z)["discriminator"]
        later = turn(Board(game.networks, game.system), "inference", 0, before, batch)
        z = PRIOR(later.named("latent"), len(batch["x"]))

        def fools(p):
            x = batch["x"]
            real = judged(p["discriminator"], x, dense(p["encoder"], x))
            fake = judged(p["discriminator"], dense(p["generator"], z), z)
            return jnp.mean(jnp.logaddexp(0, real)) + jnp.mean(jnp.logaddexp(0, -fake))

        expected = moved(fools, before.params | {"discriminator": discriminator}, "encoder", "generator")
    else:
        expected = hand(before.params, batch, z)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), after.params, expected)


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
@pytest.mark.parametrize("name", NAMES)
def test_two_devices(name, mode):
    _, batch, states = straight(name)
    game = game_of(name, "batch" if mode == "pmap" else None)[0]
    parallel = data_parallel(game, mode, devices=jax.devices()[:2])
    state = parallel.init(jax.random.key(0), batch)
    for _ in range(STEPS):
        state, _ = parallel.train_step(state, batch)
    assert largest_difference(states[-1], state) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_is_its_members(name):
    game, batch, _ = straight(name)
    runs = sweep(game, range(2), mode="unrolled")
    both = stack([batch, batch])
    states, step = runs.init(both), jax.jit(game.train_step)
    states, _ = runs.train_step(states, both)
    alone = step(game.init(jax.random.key(1), batch), batch)[0]
    assert largest_difference(alone, member(states, 1)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_resumed_bit_for_bit(name, tmp_path):
    game, batch, states = straight(name)
    manager = checkpoint.open_checkpoints(tmp_path / "checkpoints")
    checkpoint.save(manager, states[1], {"seed": 0}, given=game.given)
    checkpoint.wait(manager)
    target = jax.eval_shape(game.init, jax.random.key(0), batch)
    state = checkpoint.restore(manager, target, {"seed": 0}, given=game.given)
    manager.close()
    step = jax.jit(game.train_step)
    for _ in range(STEPS - 1):
        state, _ = step(state, batch)
    assert largest_difference(states[-1], state) == 0


@pytest.mark.parametrize("name", NAMES)
def test_asked_with_its_own_inputs(name):
    game, batch, states = straight(name)
    asked = all_systems()[name][3]
    drawn = jg.sample(game, states[-1], jax.random.key(0), **{asked: np.asarray(batch[asked])}, chunk=3)
    assert drawn.shape == (vocabulary.B, 3)
    with pytest.raises(ValueError, match=rf"asked with inputs \['word'\]; it needs .* and takes .*'{asked}'"):
        jg.sample(game, states[-1], jax.random.key(0), word=np.zeros((2, 3)))
    if name == "vqgan":
        with pytest.raises(ValueError, match=r"asked with inputs \[\]; it needs \['x'\]"):
            jg.sample(game, states[-1], jax.random.key(0), n=2)
