"""SeqGAN against arithmetic: one step by hand, Q by enumeration, the policy gradient as the gradient of the reward."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit as sigmoid
from scipy.special import logsumexp
from scipy.stats import chi2

import jaxgan as jg
from jaxgan import losses
from tests.systems.tiny_core import fixed

T, V = 3, 3
RNG = np.random.default_rng(0)
SENTENCES = np.array(list(itertools.product(range(V), repeat=T)), np.int32)


class Table:
    """A language model whose parameters are its logits, by place and the token before: [T, V + 1, V]."""

    def __init__(self, logits):
        self.logits = np.asarray(logits, np.float32)

    def init(self, key, *inputs):
        return {"params": {"table": jnp.asarray(self.logits)}}

    def apply(self, variables, first, temperature=1.0, *, tokens=None, mask=None, method=None):
        table = variables["params"]["table"]
        if method is None:
            before = jnp.concatenate([jnp.full_like(first[:, :1], V), first[:, :-1]], axis=1)
            return table[jnp.arange(first.shape[1])[None], before]
        made, last = [], jnp.full(len(first), V, jnp.int32)
        for t in range(first.shape[1]):
            drawn = jnp.argmax(table[t, last] / temperature + first[:, t], axis=-1).astype(jnp.int32)
            last = drawn if mask is None else jnp.where(mask[:, t] > 0, drawn, tokens[:, t])
            made.append(last)
        return jnp.stack(made, axis=1)


def linear(w):
    return fixed(lambda p, x: jnp.einsum("btv,tv->b", x, p["w"]), w=w)


def step(table, w, tokens, rates, prior, **options):
    settings = {"loss": jg.losses.non_saturating, "prior": prior, "rollouts": 1, "reward": lambda logits: logits}
    system = jg.systems.seqgan(**settings | options, optimizer={name: optax.sgd(rate) for name, rate in rates.items()})
    game = jg.game({"generator": Table(table), "discriminator": linear(w)}, system)
    batch = {"tokens": jnp.asarray(tokens, jnp.int32)}
    before = game.init(jax.random.key(0), batch)
    return jax.device_get(jax.jit(game.train_step)(before, batch))


Z = RNG.gumbel(size=(2, T, V)).astype(np.float32)
TABLE, W = RNG.normal(size=(T, V + 1, V)), RNG.normal(size=(T, V))
DATA = np.array([[0, 1, 2], [2, 2, 1]], np.int32)


def constant(key, n, index=None):
    return jnp.asarray(Z[:n])


@pytest.mark.parametrize("centred", [False, True])
def test_the_discriminator_moves_first_and_then_the_generator_earns_what_it_says(centred):
    """With the same noise everywhere beginnings are completed as they were: Q is the whole's reward, by D moved."""
    state, metrics = step(TABLE, W, DATA, {"discriminator": 0.1, "generator": 0.2}, constant, centred=centred)
    made, last = np.zeros((2, T), int), np.full(2, V)
    for t in range(T):
        made[:, t] = last = np.argmax(TABLE[t, last] + Z[:, t], axis=-1)
    hot = np.eye(V)

    def s(x, w):
        return np.einsum("btv,tv->b", hot[x], w)

    slope = np.einsum("b,btv->tv", (sigmoid(s(DATA, W)) - 1) / 2, hot[DATA])
    slope += np.einsum("b,btv->tv", sigmoid(s(made, W)) / 2, hot[made])
    w = W - 0.1 * slope
    np.testing.assert_allclose(state.params["discriminator"]["w"], w, rtol=1e-5)
    q = s(made, w)
    assert metrics["generator/reward"] == pytest.approx(q.mean(), rel=1e-5)
    expected, advantage = TABLE.copy(), q - q.mean() if centred else q
    for b, t in np.ndindex(2, T):
        row = (t, V if t == 0 else made[b, t - 1])
        p = np.exp(TABLE[row]) / np.exp(TABLE[row]).sum()
        expected[row] += 0.2 * advantage[b] / 2 * (hot[made[b, t]] - p)
    np.testing.assert_allclose(state.params["generator"]["table"], expected, rtol=1e-5, atol=1e-6)


def test_q_is_what_enumeration_says():
    """Of a policy that knows nothing, a step of SGD from one sequence shows Q: what is chosen, and the mean after."""
    rollouts, prior = 3000, jg.priors.gumbel(T, V)
    state, _ = step(
        np.zeros((T, V + 1, V)), W, DATA[:1], {"discriminator": 0.0, "generator": 1.0}, prior, rollouts=rollouts
    )
    moved = state.params["generator"]["table"]
    chosen, last, q = [], V, []
    for t in range(T):
        chosen.append(int(np.argmax(np.abs(moved[t, last]))))
        q.append(moved[t, last, chosen[-1]] / (1 - 1 / V))
        last = chosen[-1]
    for t in range(T):
        whole = [s for s in SENTENCES if list(s[: t + 1]) == chosen[: t + 1]]
        rewards = np.array([sum(W[k, token] for k, token in enumerate(s)) for s in whole])
        assert q[t] == pytest.approx(rewards.mean(), abs=4.5 * rewards.std() / np.sqrt(rollouts) + 1e-5), t
        assert t < T - 1 or len(whole) == 1


def test_the_expected_policy_gradient_with_q_is_the_gradient_of_the_expected_reward():
    """Enumerated over all 27 sentences, with Q enumerated too; a constant baseline changes nothing."""
    reward = RNG.normal(size=(V,) * T)
    with jax.enable_x64(True):
        table = jnp.asarray(TABLE)

        def log_p(table):
            before = np.concatenate([np.full((27, 1), V), SENTENCES[:, :-1]], axis=1)
            return losses.token_log_probabilities(table[np.arange(T)[None], before], SENTENCES)

        p = np.asarray(jnp.exp(jnp.sum(log_p(table), axis=1))).reshape(reward.shape)
        assert p.sum() == pytest.approx(1, abs=1e-12)
        first, pairs = (p * reward).sum((1, 2)) / p.sum((1, 2)), (p * reward).sum(2) / p.sum(2)
        a, b, _ = SENTENCES.T
        values = np.stack([first[a], pairs[a, b], reward.reshape(-1)], axis=1)
        exact = jax.grad(lambda t: jnp.sum(jnp.exp(jnp.sum(log_p(t), axis=1)) * reward.reshape(-1)))(table)
        for baseline in (0.0, 1.7):

            def weighted(t, baseline=baseline):
                return losses.policy_gradient(log_p(t), values, baseline, mask=np.repeat(27 * p.reshape(-1, 1), T, 1))

            np.testing.assert_allclose(-np.asarray(jax.grad(weighted)(table)), exact, atol=1e-12)


def test_roll_outs_have_the_models_law():
    """All 27 sentences in the shares that the model gives them, and their ends given the first token: chi-squared."""
    n = 20_000
    noise = jg.priors.gumbel(T, V)(jax.random.key(1), n)
    network = Table(TABLE)
    variables = network.init(None)
    given = np.zeros((n, T), np.int32)
    whole = np.asarray(network.apply(variables, noise, method="draw"))
    ends = np.asarray(
        network.apply(variables, noise, tokens=given, mask=jnp.ones((n, T)).at[:, 0].set(0), method="draw")
    )
    p = np.exp(np.sum(losses.token_log_probabilities(network.apply(variables, SENTENCES), SENTENCES), axis=1))
    for drawn, law in ((whole, p), (ends, np.where(SENTENCES[:, 0] == 0, p, 0) / p[:9].sum())):
        counts = np.bincount(drawn @ [9, 3, 1], minlength=27)
        some = law > 0
        assert counts[~some].sum() == 0
        statistic = np.sum((counts[some] - n * law[some]) ** 2 / (n * law[some]))
        assert statistic < chi2.ppf(0.999, some.sum() - 1)


def traced(game, tokens=DATA):
    batch = {"tokens": jnp.asarray(tokens)}
    return jax.eval_shape(game.train_step, jax.eval_shape(game.init, jax.random.key(0), batch), batch)


def test_what_it_refuses():
    settings = {"loss": jg.losses.hinge, "prior": constant, "optimizer": optax.sgd(0.0)}
    with pytest.raises(ValueError, match="rollouts >= 1; got 0"):
        jg.systems.seqgan(**settings, rollouts=0)
    networks = {"generator": Table(TABLE), "discriminator": linear(W)}
    game = jg.game(networks, jg.systems.seqgan(**settings))
    with pytest.raises(ValueError, match=r"seqgan needs batch\['tokens'\], integers"):
        game.init(jax.random.key(0), {"x": jnp.zeros((2, 3))})
    with pytest.raises(ValueError, match=r"tokens \(2, 5\) of the batch do not fit the prior's noise"):
        game.init(jax.random.key(0), {"tokens": jnp.zeros((2, 5), jnp.int32)})
    networks["discriminator"] = fixed(lambda p, x: x[..., 0] * p["w"], w=1.0)
    with pytest.raises(ValueError, match=r"one logit for each sequence, \(2,\); got \(2, 3\)"):
        traced(jg.game(networks, jg.systems.seqgan(**settings)))


def test_a_single_token_has_no_roll_outs():
    settings = {"loss": jg.losses.hinge, "prior": lambda *_: jnp.asarray(Z[:, :1]), "optimizer": optax.sgd(0.0)}
    networks = {"generator": Table(TABLE), "discriminator": linear(W[:1])}
    traced(jg.game(networks, jg.systems.seqgan(**settings)), DATA[:, :1])


def test_a_lagged_policy_is_the_average_which_the_game_must_keep():
    settings = {"loss": jg.losses.hinge, "prior": constant, "optimizer": optax.sgd(0.0), "lagged": True}
    networks, system = {"generator": Table(TABLE), "discriminator": linear(W)}, jg.systems.seqgan(**settings)
    traced(jg.game(networks, system, ema={"generator": 0.9}))
    with pytest.raises(ValueError, match="no average of network 'generator' is kept"):
        traced(jg.game(networks, system))


def test_maximum_likelihood_by_hand():
    """Two sequences of certain cost; in a mask only blanks count, and the metric is of each token."""
    game = jg.game({"generator": Table(TABLE)}, jg.systems.maximum_likelihood(prior=constant, optimizer=optax.sgd(0.1)))
    batch = {"tokens": jnp.asarray(DATA)}
    state = game.init(jax.random.key(0), batch)
    after, metrics = jax.jit(game.train_step)(state, batch)
    before = np.concatenate([np.full((2, 1), V), DATA[:, :-1]], axis=1)
    rows = TABLE[np.arange(T)[None], before]
    log_p = np.take_along_axis(rows - logsumexp(rows, axis=-1, keepdims=True), DATA[..., None], axis=-1)
    assert metrics["generator/loss"] == pytest.approx(-np.sum(log_p) / 2, rel=1e-5)
    assert metrics["generator/token"] == pytest.approx(-np.mean(log_p), rel=1e-5)
    p = np.exp(TABLE[0, V]) / np.exp(TABLE[0, V]).sum()
    np.testing.assert_allclose(
        after.params["generator"]["table"][0, V], TABLE[0, V] + 0.1 * (np.array([0.5, 0, 0.5]) - p), rtol=1e-5
    )
    drawn = game.generate(state, jax.random.key(0), {"index": jnp.arange(2), "temperature": jnp.full(2, 1e-3)[0]})
    np.testing.assert_array_equal(drawn[:, 0], np.argmax(TABLE[0, V]))
