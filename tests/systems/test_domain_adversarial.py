"""Domain-adversarial training against the gradient reversal layer that it is written without."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.losses import auxiliary_classifier, non_saturating
from tests.systems.test_by_hand import step
from tests.systems.tiny import TINY
from tests.systems.tiny_core import fixed

RATE, WEIGHT = 0.1, 0.7
SETTINGS = {"loss": non_saturating, "optimizer": optax.sgd(RATE)}


@jax.custom_vjp
def reversed_gradient(h):
    return h


reversed_gradient.defvjp(lambda h: (h, None), lambda _, slope: (-WEIGHT * slope,))


def by_reversal(networks, params, batch):
    """One step of all networks on one loss, with the layer between features and discriminator."""

    def loss(params):
        f, c, d = (
            lambda *x, name=name: networks[name].apply({"params": params[name]}, *x)
            for name in ("features", "classifier", "discriminator")
        )
        source, target = f(batch["source"]), f(batch["target"])
        domains = non_saturating.discriminator(d(reversed_gradient(source)), d(reversed_gradient(target)))
        return auxiliary_classifier(c(source), batch["source_y"]) + domains

    return jax.tree.map(lambda p, g: p - RATE * g, params, jax.grad(loss)(params))


def played(dynamics):
    networks, system, batch = TINY["domain_adversarial"](optimizer=optax.sgd(RATE), weight=WEIGHT)
    game = jg.game(networks, system, dynamics=dynamics)
    state = game.init(jax.random.key(0), batch)
    after, _ = jax.jit(game.train_step)(state, batch)
    expected = jax.jit(lambda params: by_reversal(networks, params, batch))(state.params)
    return {
        name: max(
            float(jnp.max(jnp.abs(a - b)))
            for a, b in zip(jax.tree.leaves(after.params[name]), jax.tree.leaves(expected[name]), strict=True)
        )
        for name in expected
    }


def test_both_at_once_are_the_gradient_reversal_layer():
    assert max(played(jg.dynamics.simultaneous()).values()) < 1e-7


def test_one_after_the_other_they_are_not():
    """The discriminator moves first, as the layer moves it; the features see it moved; labels do not depend on it."""
    apart = played(jg.dynamics.alternating())
    assert apart["discriminator"] < 1e-7
    assert apart["classifier"] < 1e-7
    assert apart["features"] > 1e-5


def linear():
    """F(x) = 2 x, C = [0, h], D = w h."""
    return {
        "features": fixed(lambda p, x: p["f"] * x, f=2.0),
        "classifier": fixed(lambda p, h: jnp.concatenate([jnp.zeros_like(h), p["c"] * h], axis=1), c=1.0),
        "discriminator": fixed(lambda p, h: p["w"] * h[:, 0], w=0.5),
    }


SOURCE, TARGET = np.array([[1.0], [-2.0]], np.float32), np.array([[0.0], [3.0]], np.float32)
BATCH = {"source": SOURCE, "source_y": np.array([1, 1], np.int32), "target": TARGET}


def test_losses_by_hand():
    metrics, _ = step(linear(), jg.systems.domain_adversarial(**SETTINGS, weight=3.0), BATCH)
    domains = np.mean(np.log1p(np.exp(-SOURCE))) + np.mean(np.log1p(np.exp(TARGET)))
    classes = np.mean(np.log1p(np.exp(-2 * SOURCE)))
    assert metrics["discriminator/loss"] == pytest.approx(domains, rel=1e-5)
    assert metrics["classifier/domains"] == pytest.approx(domains, rel=1e-5)
    assert metrics["classifier/classes"] == pytest.approx(classes, rel=1e-5)
    assert metrics["classifier/accuracy"] == 0.5
    assert metrics["classifier/loss"] == pytest.approx(classes - 3 * domains, rel=1e-5)


def test_where_domains_agree_the_best_discriminator_moves_nothing():
    """D = 1/2 everywhere: L_d is 2 log 2, and the features move as by the source alone."""
    networks = linear() | {"discriminator": fixed(lambda p, h: p["w"] * h[:, 0], w=0.0)}
    batch = BATCH | {"target": SOURCE[::-1]}
    metrics, params = step(networks, jg.systems.domain_adversarial(**SETTINGS, weight=5.0), batch, rate=RATE)
    _, alone = step(networks, jg.systems.domain_adversarial(**SETTINGS, weight=0.0), batch, rate=RATE)
    assert metrics["classifier/domains"] == pytest.approx(2 * math.log(2), rel=1e-6)
    assert params["features"]["f"] == alone["features"]["f"] != 2.0
    assert params["discriminator"]["w"] == 0.0


def test_the_weight_rises():
    weight = jg.systems.domain_weight(10)
    for k in (0, 5, 10, 20):
        assert float(weight(jnp.int32(k))) == pytest.approx(2 / (1 + math.exp(-min(k, 10))) - 1, abs=1e-6)
    metrics, _ = step(linear(), jg.systems.domain_adversarial(**SETTINGS, weight=weight), BATCH)
    assert metrics["classifier/loss"] == metrics["classifier/classes"]


def test_it_names_what_it_is_asked():
    networks, system, batch = TINY["domain_adversarial"]()
    game = jg.game(networks, system)
    state = game.init(jax.random.key(0), batch)
    logits = game.generate(state, jax.random.key(0), {"target": batch["target"]})
    assert logits.shape == (6, 3)
    with pytest.raises(ValueError, match=r"needs \['target'\]"):
        game.generate(state, jax.random.key(0), {"index": jnp.arange(2)})


def test_it_refuses():
    with pytest.raises(ValueError, match=r"domain_adversarial needs a weight >= 0; got -1"):
        jg.systems.domain_adversarial(**SETTINGS, weight=-1.0)
    with pytest.raises(ValueError, match=r"steps >= 1 and steepness > 0; got 0 and 10"):
        jg.systems.domain_weight(0)
    for missing in BATCH:
        game = jg.game(linear(), jg.systems.domain_adversarial(**SETTINGS))
        with pytest.raises(ValueError, match=rf"domain_adversarial needs batch\['{missing}'\]"):
            game.init(jax.random.key(0), {name: value for name, value in BATCH.items() if name != missing})
    wide = jg.game(linear() | {"features": Wide()}, jg.systems.domain_adversarial(**SETTINGS))
    with pytest.raises(ValueError, match="'discriminator' is shown"):
        wide.init(jax.random.key(0), BATCH | {"target": np.zeros((2, 3), np.float32)})


class Wide(nn.Module):
    """Features as wide as x."""

    @nn.compact
    def __call__(self, x):
        return x * self.param("f", nn.initializers.ones, ())
