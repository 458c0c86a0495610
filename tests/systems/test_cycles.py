"""CycleGAN and DiscoGAN by hand, on affine maps of numbers; what a circle knows of a relation, and what it cannot."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.remedies import Replay
from jaxgan.systems.cycles import cyclegan, discogan
from tests.systems.tiny_core import fixed

A = np.array([[1.0], [2.0], [4.0]], np.float32)
B = np.array([[3.0], [0.5], [1.0]], np.float32)
BATCH = {"a": A, "b": B}
RATE = 0.1
LEAST = {"loss": jg.losses.least_squares, "optimizer": optax.sgd(RATE)}


def affine(p, x):
    return p["scale"] * x + p["shift"]


def networks(there=(0.5, 1.0), back=(1.5, -0.6), w=(0.3, -0.4), judge=None):
    judge = judge or (lambda p, x: p["w"] * x[:, 0])
    return {
        "a_to_b": fixed(affine, scale=there[0], shift=there[1]),
        "b_to_a": fixed(affine, scale=back[0], shift=back[1]),
        "discriminator_a": fixed(judge, w=w[0]),
        "discriminator_b": fixed(judge, w=w[1]),
    }


def step(made, system, batch=BATCH, steps=1, dynamics=None):
    """States before and after each step, and the last metrics."""
    game = jg.game(made, system, own_units=True, dynamics=dynamics)
    states, play = [game.init(jax.random.key(0), batch)], jax.jit(game.train_step)
    for _ in range(steps):
        state, metrics = play(states[-1], batch)
        states.append(state)
    return states, {name: float(value) for name, value in metrics.items()}


def by_hand(cycle, identity):
    """One step: discriminators of a and of b, then both translators, by finite differences of the paper's objective."""
    p = np.array([0.5, 1.0, 1.5, -0.6])  # scale and shift there, and back

    def there(p, x):
        return p[0] * x + p[1]

    def back(p, x):
        return p[2] * x + p[3]

    judges = []
    for w, real, fake in ((0.3, A, back(p, B)), (-0.4, B, there(p, A))):
        judges.append(w - RATE * np.mean((w * real - 1) * real + w * fake * fake))

    def objective(p):
        game = np.mean((judges[0] * back(p, B) - 1) ** 2) / 2 + np.mean((judges[1] * there(p, A) - 1) ** 2) / 2
        home = [np.mean(np.abs(back(p, there(p, A)) - A)), np.mean(np.abs(there(p, back(p, B)) - B))]
        same = [np.mean(np.abs(back(p, A) - A)), np.mean(np.abs(there(p, B) - B))]
        return game + sum(c * (h + identity * s) for c, h, s in zip(cycle, home, same, strict=True)), home, same

    value, home, same = objective(p)
    slope = [(objective(p + e)[0] - objective(p - e)[0]) / 2e-6 for e in 1e-6 * np.eye(4)]
    return judges, p - RATE * np.array(slope), value, home, same


@pytest.mark.parametrize(("cycle", "identity"), [((2.0, 3.0), 0.5), ((2.0, 2.0), 0.0)])
def test_one_step_of_cyclegan_by_hand(cycle, identity):
    """The discriminators move first, each of its own domain, and the translators meet them where they went."""
    given = cycle if cycle[0] != cycle[1] else cycle[0]
    (_, after), metrics = step(networks(), cyclegan(**LEAST, cycle=given, identity=identity))
    judges, maps, value, home, same = by_hand(cycle, identity)
    np.testing.assert_allclose([after.params[f"discriminator_{d}"]["w"] for d in "ab"], judges, rtol=1e-5)
    moved = [after.params[name][entry] for name in ("a_to_b", "b_to_a") for entry in ("scale", "shift")]
    np.testing.assert_allclose(moved, maps, rtol=1e-4)
    assert metrics["translators/loss"] == pytest.approx(value, rel=1e-5)
    assert [metrics[f"translators/cycle_{d}"] for d in "ab"] == pytest.approx(home, rel=1e-5)
    assert [metrics[f"translators/identity_{d}"] for d in "ab" if identity] == pytest.approx(same if identity else [])
    assert list(metrics)[-1].startswith("translators/")


@pytest.mark.parametrize(
    ("there", "back", "home"),
    [((1, 0), (1, 0), True), ((2, 3), (0.5, -1.5), True), ((2, 3), (0.5, 0), False), ((2, 0), (1, 0), False)],
)
def test_affine_maps_come_home_where_they_are_inverse(there, back, home):
    """G = s x + t and F = u y + v: both errors are zero if and only if s u = 1 and u t + v = 0."""
    _, metrics = step(networks(there, back), cyclegan(**LEAST))
    assert home == (there[0] * back[0] == 1 and back[0] * there[1] + back[1] == 0)
    for domain in "ab":
        assert (metrics[f"translators/cycle_{domain}"] == 0) == home
        assert (metrics[f"translators/identity_{domain}"] == 0) == ({"a": back, "b": there}[domain] == (1, 0))


def test_the_objective_knows_no_relation():
    """Two things in each domain: both one-to-one relations between them cost the same, so data alone choose none."""
    batch, values = {"a": np.array([[0.0], [1.0]], np.float32), "b": np.array([[-1.0], [1.0]], np.float32)}, []
    for there, back in (((2.0, -1.0), (0.5, 0.5)), ((-2.0, 1.0), (-0.5, 0.5))):
        _, metrics = step(networks(there, back), cyclegan(**LEAST, identity=0.0), batch)
        values.append(metrics["translators/loss"])
        assert metrics["translators/cycle_a"] == metrics["translators/cycle_b"] == 0
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_pools_are_of_their_domains():
    system = cyclegan(**LEAST, replay="pool")
    assert system.frozen == ("pool_a", "pool_b")
    (_, after), _ = step(networks() | {f"pool_{d}": Replay(4) for d in "ab"}, system)
    for domain, fake in (("a", 1.5 * B - 0.6), ("b", 0.5 * A + 1)):
        np.testing.assert_allclose(after.model_state[f"pool_{domain}"]["replay"]["samples"][:3], fake, rtol=1e-6)


def headed(p, x):
    """A logit, and features of two layers."""
    layers = (p["w"] * x, jnp.concatenate([x, x**2], axis=1))
    return {"logits": p["w"] * x[:, 0], "features": layers}


def test_one_step_of_discogan_by_hand():
    """(1 - r) ((1 - f) game + f features) + r squares, summed over both directions; rates are zero."""
    still = LEAST | {"optimizer": optax.sgd(0.0)}
    _, metrics = step(networks(judge=headed), discogan(**still, reconstruction=0.25, features=0.9))
    there, back, value = 0.5 * A + 1, 1.5 * B - 0.6, 0.0
    for w, real, fake, home, domain in (
        (0.3, A, back, 1.5 * there - 0.6, "a"),
        (-0.4, B, there, 0.5 * back + 1, "b"),
    ):
        game = np.mean((w * fake - 1) ** 2) / 2
        apart = np.mean(real) - np.mean(fake), np.mean(real**2) - np.mean(fake**2)
        matched = (w * apart[0]) ** 2 + (apart[0] ** 2 + apart[1] ** 2) / 2  # means over entries, summed over layers
        squares = np.mean((home - real) ** 2)
        assert metrics[f"translators/features_{domain}"] == pytest.approx(matched, rel=1e-5)
        assert metrics[f"translators/reconstruction_{domain}"] == pytest.approx(squares, rel=1e-5)
        value += 0.75 * (0.1 * game + 0.9 * matched) + 0.25 * squares
    assert metrics["translators/loss"] == pytest.approx(value, rel=1e-5)


def test_discogan_of_the_paper_follows_a_schedule():
    """Without features, and with the code's r: 0.01 until a step and 0.5 from there."""
    rate = optax.join_schedules([optax.constant_schedule(0.01), optax.constant_schedule(0.5)], [2])
    still, seen = LEAST | {"optimizer": optax.sgd(0.0)}, []
    for steps in (2, 3):
        _, metrics = step(networks(), discogan(**still, reconstruction=rate), steps=steps)
        squares = sum(metrics[f"translators/reconstruction_{d}"] for d in "ab")
        game = np.mean((0.3 * (1.5 * B - 0.6) - 1) ** 2) / 2 + np.mean((-0.4 * (0.5 * A + 1) - 1) ** 2) / 2
        seen.append((metrics["translators/loss"] - game) / (squares - game))
    assert seen == pytest.approx([0.01, 0.5], rel=1e-4)


def test_turns_of_the_authors_code():
    """Discriminators at steps 0, 3, 6, translators at the others: never both in one step."""
    rules = {f"discriminator_{d}": lambda metrics, step: step % 3 == 0 for d in "ab"}
    rules["translators"] = lambda metrics, step: step % 3 != 0
    states, _ = step(networks(), discogan(**LEAST), steps=6, dynamics=jg.dynamics.gated(rules))
    for k, (before, after) in enumerate(itertools.pairwise(states)):
        moved = {name: before.params[name] != after.params[name] for name in before.params}
        assert moved == {name: ("discriminator" in name) == (k % 3 == 0) for name in moved}, k


def test_both_ways_are_asked_for():
    for system in (cyclegan(**LEAST), discogan(**LEAST)):
        game = jg.game(networks(), system, own_units=True)
        state = game.init(jax.random.key(0), BATCH)
        np.testing.assert_allclose(jg.sample(game, state, jax.random.key(0), a=A), 0.5 * A + 1, rtol=1e-6)
        np.testing.assert_allclose(jg.sample(game, state, jax.random.key(0), b=B), 1.5 * B - 0.6, rtol=1e-6)
        for asked in ({"n": 3}, {"a": A, "b": B}):
            with pytest.raises(ValueError, match="translates 'a' or 'b', one at a time; it was given"):
                jg.sample(game, state, jax.random.key(0), **asked)


def test_refusals():
    with pytest.raises(ValueError, match="cyclegan needs cycle of b >= 0; got -1"):
        cyclegan(**LEAST, cycle=(1.0, -1.0))
    with pytest.raises(ValueError, match="cyclegan needs identity >= 0; got -1"):
        cyclegan(**LEAST, identity=-1.0)
    with pytest.raises(ValueError, match=r"discogan needs features in \[0, 1\]; got 2"):
        discogan(**LEAST, features=2.0)
    with pytest.raises(ValueError, match=r"discogan needs reconstruction in \[0, 1\]; got -0.5"):
        discogan(**LEAST, reconstruction=-0.5)
    for system in (cyclegan(**LEAST), discogan(**LEAST)):
        with pytest.raises(ValueError, match=r"gan needs batch\['b'\], images of the other, in no order"):
            jg.game(networks(), system, own_units=True).init(jax.random.key(0), {"a": A})
    with pytest.raises(ValueError, match=r"needs a discriminator with outputs \['features', 'logits'\]"):
        step(networks(), discogan(**LEAST, features=0.5))
    wide = {"a": A, "b": np.ones((3, 2), np.float32)}
    made = networks() | {
        "a_to_b": fixed(lambda p, x: jnp.tile(x, (1, 2))),
        "b_to_a": fixed(lambda p, x: x[:, :1]),
    }
    with pytest.raises(ValueError, match=r"another shape: \(1,\) in a, \(2,\) in b; set identity=0"):
        step(made, cyclegan(**LEAST), wide)
    step(made, cyclegan(**LEAST, identity=0.0), wide)
