"""Where a penalty is taken: through the augmentation, at the image before it, or at what the discriminator is shown."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import pytest

import jaxgan as jg
from jaxgan.penalties import after_augmentation, every, gradient_penalty, r1

X = jnp.array([[1.0, 2.0], [-1.0, 0.5]])


def halved(x, turn, use):
    """An augmentation whose derivative is 1/2."""
    return x / 2


class Halved(nn.Module):
    """The same, as a network that remembers."""

    @nn.compact
    def __call__(self, x, turn, use):
        return x * self.variable("adaptive", "factor", lambda: jnp.asarray(0.5)).value

    @nn.compact
    def observe(self, logits):
        return {}


class Critic(nn.Module):
    """3 a + 4 b."""

    @nn.compact
    def __call__(self, x):
        return x @ self.param("w", lambda key: jnp.array([3.0, 4.0]))


def cost(penalty, augment):
    networks = {"discriminator": Critic(), "generator": nn.Dense(2), "halved": Halved()}
    system = jg.systems.gan(
        loss=jg.losses.wasserstein,
        prior=jg.priors.normal(2),
        optimizer=optax.sgd(0.0),
        penalty=penalty,
        augment=augment,
    )
    game = jg.game({name: networks[name] for name in [*networks][: 3 if augment == "halved" else 2]}, system)
    return float(game.train_step(game.init(jax.random.key(0), {"x": X}), {"x": X})[1]["discriminator/penalty"])


@pytest.mark.parametrize("augment", [halved, "halved"], ids=["function", "memory"])
def test_r1_is_taken_through_the_augmentation_and_on_demand_after_it(augment):
    """The slope (3, 4) has 25, through x / 2 it has 25 / 4: R1 of 10 is 31.25 and 125."""
    assert cost(r1(10.0), augment) == pytest.approx(31.25, rel=1e-5)
    assert cost(after_augmentation(r1(10.0)), augment) == pytest.approx(125, rel=1e-5)
    assert cost(after_augmentation(every(2, r1(10.0))), augment) == pytest.approx(250, rel=1e-5)


def test_without_an_augmentation_both_are_the_same():
    assert cost(r1(10.0), None) == cost(after_augmentation(r1(10.0)), None) == pytest.approx(125, rel=1e-5)


def test_interpolates_are_of_images_before_it():
    """(5 / 2 - 1)^2 of WGAN-GP."""
    assert cost(gradient_penalty(10.0), halved) == pytest.approx(22.5, rel=1e-5)
    assert cost(after_augmentation(gradient_penalty(10.0)), halved) == pytest.approx(160, rel=1e-5)


def test_it_stands_outermost():
    with pytest.raises(ValueError, match=r"write after_augmentation\(every"):
        cost(every(2, after_augmentation(r1(1.0))), halved)
