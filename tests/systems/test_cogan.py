"""CoGAN: what is shared moves by both domains, the discriminator first, and no pair leaks into the data."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from experiments.translation.cogan import disjoint, edges
from jaxgan.networks import heads, mlp
from jaxgan.networks.coupled import CoupledDiscriminator, CoupledGenerator
from tests.systems.test_by_hand import COMMON, RATE, Z, step
from tests.systems.tiny_core import fixed

A, B = np.array([[1.0], [2.0]], np.float32), np.array([[-3.0], [0.5]], np.float32)
OWN = {"a": 1.5, "b": -0.5}  # the heads: G(z) = t z and the head's factor
T, W = 2.0, 0.3


def coupled():
    """D(x) = w x in both domains."""
    return {
        "generator": fixed(lambda p, z: {name: p["t"] * z * own for name, own in OWN.items()}, t=T),
        "discriminator": fixed(lambda p, x: {name: p["w"] * x[name][:, 0] for name in OWN}, w=W),
    }


def single(own):
    return {
        "generator": fixed(lambda p, z: p["t"] * z * own, t=T),
        "discriminator": fixed(lambda p, x: p["w"] * x[:, 0], w=W),
    }


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_what_is_shared_moves_by_the_sum_of_both_domains(player):
    """Of one player, while the other stays."""

    def moved(networks, system, batch):
        stays = {name: optax.sgd(RATE if name == player else 0.0) for name in ("generator", "discriminator")}
        game = jg.game(networks, system(**COMMON | {"optimizer": stays}))
        after, _ = game.train_step(game.init(jax.random.key(0), batch), batch)
        (value,) = after.params[player].values()
        return float(value) - {"generator": T, "discriminator": W}[player]

    singles = [moved(single(OWN[name]), jg.systems.gan, {"x": x}) for name, x in (("a", A), ("b", B))]
    assert moved(coupled(), jg.systems.cogan, {"a": A, "b": B}) == pytest.approx(sum(singles), rel=1e-4)
    assert min(map(abs, singles)) > 1e-3


def test_one_step_by_hand():
    system = jg.systems.cogan(**COMMON | {"loss": jg.losses.wasserstein})
    metrics, params = step(coupled(), system, {"a": A, "b": B}, rate=RATE)
    real, fake = A.mean() + B.mean(), T * Z * sum(OWN.values())
    assert metrics["discriminator/loss"] == pytest.approx(W * (fake - real), rel=1e-5)
    w = W + RATE * (real - fake)  # the discriminator moves first
    assert float(params["discriminator"]["w"]) == pytest.approx(w, rel=1e-5)
    assert metrics["generator/loss"] == pytest.approx(-w * fake, rel=1e-5)
    assert float(params["generator"]["t"]) == pytest.approx(T + RATE * w * Z * sum(OWN.values()), rel=1e-5)


def test_the_penalty_is_of_the_mean_over_domains():
    networks = coupled() | {
        "discriminator": fixed(lambda p, x: {"a": p["w"] * x["a"][:, 0], "b": 2 * p["w"] * x["b"][:, 0]}, w=W)
    }
    metrics, _ = step(networks, jg.systems.cogan(**COMMON, penalty=jg.penalties.r1(2.0)), {"a": A, "b": B})
    assert metrics["discriminator/penalty"] == pytest.approx((W**2 + (2 * W) ** 2) / 4, rel=1e-5)


def test_every_domain_is_augmented_by_its_own_draws():
    uses = []

    def augment(x, turn, use):
        uses.append(use)
        return x + 10.0

    metrics, _ = step(coupled(), jg.systems.cogan(**COMMON, augment=augment), {"a": A, "b": B})
    assert {"real", "real 1", "fake", "fake 1"} == set(uses)
    assert metrics["discriminator/real_logits"] == pytest.approx(W * (0.5 * (A.mean() + B.mean()) + 10), rel=1e-5)


def test_one_trunk_serves_all_heads_and_without_it_none_is_shared():
    z, x = jnp.ones((2, 3)), {"a": jnp.ones((2, 2)), "b": jnp.ones((2, 5))}
    heads_of = {"a": mlp.Generator((2,), ()), "b": mlp.Generator((5,), ())}
    shared, apart = CoupledGenerator(heads_of, mlp.Generator((4,), ())), CoupledGenerator(heads_of)
    params = [network.init(jax.random.key(0), z)["params"] for network in (shared, apart)]
    assert [sorted(each) for each in params] == [["heads_a", "heads_b", "trunk"], ["heads_a", "heads_b"]]
    first = {name: heads.FullyConnected((4,)) for name in x}
    judge = CoupledDiscriminator(first, mlp.Discriminator((4,)))
    params = judge.init(jax.random.key(0), x)["params"]
    assert sorted(params) == ["first_a", "first_b", "rest"]
    logits = judge.apply({"params": params}, x)
    changed = judge.apply({"params": params}, x | {"b": -x["b"]})
    assert jnp.array_equal(logits["a"], changed["a"])
    assert not jnp.array_equal(logits["b"], changed["b"])
    with pytest.raises(ValueError, match=r"first layers for \['a', 'b'\]; got x for \['a'\]"):
        judge.init(jax.random.key(0), {"a": x["a"]})


def test_no_digit_is_in_both_domains():
    """Else a pair could be met after all."""
    every = np.arange(4000)
    x = np.asarray(jg.data.digits("train", size=32).read(jg.data.Draw(0, every, every))["x"])
    digits, outlines = disjoint(x)
    assert len(digits) + len(outlines) == len(x)
    own = {image.tobytes() for image in edges(digits)}
    assert not own & {image.tobytes() for image in outlines}


def test_edges_of_a_step_are_one_wide_on_either_side():
    step_up = np.where(np.arange(6) < 3, -1.0, 1.0) * np.ones((1, 6, 1))
    lines = edges(step_up[..., None].astype(np.float32))
    np.testing.assert_allclose(lines[0, 2, :, 0], [-1, -1, 1, 1, -1, 1], atol=1e-6)  # the last at the border's black
    assert lines.shape == (1, 6, 6, 1)


def test_it_refuses():
    with pytest.raises(ValueError, match=r"two domains or more; got \['a'\]"):
        jg.systems.cogan(**COMMON, domains=("a",))
    with pytest.raises(ValueError, match="loss='memory' is a network that remembers"):
        jg.systems.cogan(**COMMON | {"loss": "memory"})
    with pytest.raises(ValueError, match=r"jg\.losses\.hinge, or another"):
        jg.systems.cogan(**COMMON | {"loss": lambda: None})
    game = jg.game(coupled(), jg.systems.cogan(**COMMON))
    with pytest.raises(ValueError, match=r"cogan needs batch\['b'\], the data of a domain"):
        game.init(jax.random.key(0), {"a": A})
    alone = coupled() | {"discriminator": fixed(lambda p, x: {"a": p["w"] * x["a"][:, 0]}, w=W)}
    with pytest.raises(ValueError, match=r"logits for \['a', 'b'\], a networks.coupled; it has \['a'\]"):
        step(alone, jg.systems.cogan(**COMMON), {"a": A, "b": B})
