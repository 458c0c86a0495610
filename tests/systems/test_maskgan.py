"""MaskGAN against arithmetic: one step by hand, what blanks count, and what nobody may see."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit as sigmoid

import jaxgan as jg
from jaxgan.systems.maskgan import of_blanks
from tests.systems.tiny_core import fixed

V, DISCOUNT = 3, 0.5
RNG = np.random.default_rng(0)
Z = RNG.gumbel(size=(2, 2, V)).astype(np.float32)
DATA, MASK = np.array([[0, 1], [2, 1]], np.int32), np.array([[1, 1], [0, 1]], np.float32)
LOGITS, W, U, C = RNG.normal(size=(2, V)), RNG.normal(size=(2, V)), 0.7, np.array([0.2, -0.4])


class Places:
    """Fills each place by logits of its own."""

    def init(self, key, *inputs, **given):
        return {"params": {"logits": jnp.asarray(LOGITS, jnp.float32)}}

    def apply(self, variables, first, *rest, tokens=None, mask=None, method=None):
        logits = variables["params"]["logits"]
        if method is None:
            return jnp.broadcast_to(logits, (len(first), 2, V))
        return jnp.where(mask > 0, jnp.argmax(logits[None] + first, axis=-1), tokens).astype(jnp.int32)


def networks():
    def judge(p, x, mask):
        return {"logits": jnp.einsum("btv,tv->bt", x, p["w"]) + p["u"] * mask, "mask": mask}

    return {
        "generator": Places(),
        "discriminator": fixed(judge, w=W, u=U),
        "critic": fixed(lambda p, tokens, mask: jnp.broadcast_to(p["c"], tokens.shape), c=C),
    }


def step(mask, rates=(0.1, 0.2, 0.3), **options):
    names = ("discriminator", "critic", "generator")
    settings = {"loss": jg.losses.non_saturating, "prior": lambda key, n, index=None: jnp.asarray(Z[:n])}
    optimizers = {name: optax.sgd(rate) for name, rate in zip(names, rates, strict=True)}
    system = jg.systems.maskgan(**settings | {"discount": DISCOUNT} | options, optimizer=optimizers)
    game = jg.game(networks(), system)
    batch = {"tokens": jnp.asarray(DATA), "mask": jnp.asarray(mask)}
    before = game.init(jax.random.key(0), batch)
    return jax.device_get((before, *jax.jit(game.train_step)(before, batch)))


@pytest.mark.parametrize("clip", [None, 0.3])
def test_discriminator_then_critic_then_generator(clip):
    _, after, metrics = step(MASK, clip=clip)
    hot = np.eye(V)
    made = np.where(MASK > 0, np.argmax(LOGITS + Z, axis=-1), DATA)

    def judged(x, w, u):
        return np.einsum("btv,tv->bt", hot[x], w) + u * MASK

    real, fake = (sigmoid(judged(DATA, W, U)) - 1) * MASK / 3, sigmoid(judged(made, W, U)) * MASK / 3
    w = W - 0.1 * (np.einsum("bt,btv->tv", real, hot[DATA]) + np.einsum("bt,btv->tv", fake, hot[made]))
    u = U - 0.1 * np.sum(real + fake)
    np.testing.assert_allclose(after.params["discriminator"]["w"], w, rtol=1e-5)
    np.testing.assert_allclose(after.params["discriminator"]["u"], u, rtol=1e-5)
    rewards = np.log(sigmoid(judged(made, w, u))) * MASK  # by D that has moved
    returns = np.stack([rewards[:, 0] + DISCOUNT * rewards[:, 1], rewards[:, 1]], axis=1)
    c = C - 0.2 * np.sum(2 * (C - returns) * MASK, axis=0) / 2
    np.testing.assert_allclose(after.params["critic"]["c"], c, rtol=1e-5)
    advantage = returns - c  # by the critic that has moved
    advantage = advantage if clip is None else np.clip(advantage, -clip, clip)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    slope = -np.einsum("bt,btv->tv", advantage * MASK / 2, hot[made] - p)
    np.testing.assert_allclose(after.params["generator"]["logits"], LOGITS - 0.3 * slope, rtol=1e-5)
    assert metrics["generator/reward"] == pytest.approx(rewards.sum() / 3, rel=1e-5)


def test_where_all_is_there_nobody_moves():
    before, after, _ = step(np.zeros_like(MASK))
    for one, other in zip(jax.tree.leaves(before.params), jax.tree.leaves(after.params), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_is_the_mean_over_blanks():
    turn = jg.Turn(jax.random.key(0), jnp.zeros((), jnp.int32))
    pair = of_blanks(jg.losses.hinge, turn)
    real, fake = jnp.asarray([[0.5, 9.0], [7.0, -1.0]]), jnp.asarray([[-0.5, 9.0], [9.0, 3.0]])
    mask = jnp.asarray([[1.0, 0.0], [0.0, 1.0]])
    sides = {"logits": real, "mask": mask}, {"logits": fake, "mask": mask}
    assert float(pair.discriminator(*sides)) == pytest.approx((0.5 + 0.5 + 2.0 + 4.0) / 2)
    assert float(pair.generator(*sides)) == pytest.approx(-(-0.5 + 3.0) / 2)


def test_samples_leave_what_is_there_and_do_not_look_into_blanks():
    system = jg.systems.maskgan(loss=jg.losses.hinge, prior=jg.priors.gumbel(2, V), optimizer=optax.sgd(0.0))
    game, batch = jg.game(networks(), system), {"tokens": jnp.asarray(DATA), "mask": jnp.asarray(MASK)}
    state = game.init(jax.random.key(0), batch)
    other = jnp.where(batch["mask"] > 0, (batch["tokens"] + 1) % 3, batch["tokens"])
    made = [jg.sample(game, state, jax.random.key(1), tokens=t, mask=batch["mask"]) for t in (batch["tokens"], other)]
    np.testing.assert_array_equal(*made)
    kept = np.asarray(batch["mask"]) == 0
    np.testing.assert_array_equal(np.asarray(made[0])[kept], np.asarray(batch["tokens"])[kept])


def test_what_it_refuses():
    settings = {"loss": jg.losses.hinge, "prior": jg.priors.gumbel(2, V), "optimizer": optax.sgd(0.0)}
    with pytest.raises(ValueError, match="0 <= discount <= 1; got 2"):
        jg.systems.maskgan(**settings, discount=2)
    with pytest.raises(ValueError, match="clip > 0, or None; got 0"):
        jg.systems.maskgan(**settings, clip=0)
    with pytest.raises(ValueError, match="is a network that remembers, which this system cannot change"):
        jg.systems.maskgan(**settings | {"loss": "balance"})
    game = jg.game(networks(), jg.systems.maskgan(**settings))
    with pytest.raises(ValueError, match=r"maskgan needs batch\['mask'\], 1 where a token is blank"):
        game.init(jax.random.key(0), {"tokens": jnp.asarray(DATA)})
    plain = networks() | {"discriminator": fixed(lambda p, x, mask: x[..., 0] * p["w"], w=1.0)}
    with pytest.raises(ValueError, match=r"maskgan needs a discriminator of tokens with outputs \['logits', 'mask'\]"):
        jg.game(plain, jg.systems.maskgan(**settings)).init(
            jax.random.key(0), {"tokens": jnp.asarray(DATA), "mask": jnp.asarray(MASK)}
        )
