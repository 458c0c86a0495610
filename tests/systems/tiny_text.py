"""The systems of tokens, with tiny networks and a batch: (options) -> (networks, system, batch)."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import readers, sequences

T, V, B = 4, 3, 6
RNG = np.random.default_rng(0)
TOKENS = jnp.asarray(RNG.integers(0, V, size=(B, T)), jnp.int32)
MASK = jnp.asarray([[0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 1]] * 2, jnp.float32)
ADAM = optax.adam(1e-3)
PRIOR = jg.priors.gumbel(T, V)
COMMON = {"loss": jg.losses.non_saturating, "prior": PRIOR, "optimizer": ADAM}


def likely(**options):
    networks = {"generator": sequences.Transformer(V, T, 4, 2, 1)}
    return networks, jg.systems.maximum_likelihood(**{"prior": PRIOR, "optimizer": ADAM} | options), {"tokens": TOKENS}


def rewarded(**options):
    networks = {"generator": sequences.Recurrent(V, 4, 4), "discriminator": readers.TextCNN((1, 2), 4, 4)}
    return networks, jg.systems.seqgan(**COMMON | {"rollouts": 2, "centred": True} | options), {"tokens": TOKENS}


def relaxed(**options):
    networks = {"generator": sequences.Recurrent(V, 4, 4, "gru"), "discriminator": readers.Attentive(4, 2, 1)}
    return networks, jg.systems.gumbel(**COMMON | {"temperature": 1.0} | options), {"tokens": TOKENS}


class Judge(nn.Module):
    """What `readers.TokenJudge` is, without recurrence, whose compilation is the clock."""

    @nn.compact
    def __call__(self, x, mask):
        h = jnp.concatenate([x, jnp.roll(x, 1, axis=1), mask[..., None]], axis=-1)
        return {"logits": nn.Dense(1)(nn.tanh(nn.Dense(4)(h)))[..., 0], "mask": mask}


class Critic(nn.Module):
    """What `readers.Values` is, likewise."""

    @nn.compact
    def __call__(self, tokens, mask):
        return nn.Dense(1)(jnp.concatenate([sequences.before(sequences.hot(tokens, V)), mask[..., None]], axis=-1))[
            ..., 0
        ]


def filled(**options):
    networks = {
        "generator": sequences.Infill(V, 4, 4),
        "discriminator": Judge(),
        "critic": Critic(),
    }
    return networks, jg.systems.maskgan(**COMMON | options), {"tokens": TOKENS, "mask": MASK}


TINY = {"maximum_likelihood": likely, "seqgan": rewarded, "gumbel": relaxed, "maskgan": filled}
ALONE = {"maximum_likelihood"}  # without a discriminator, and so without its options
REFUSED: dict[tuple[str, str], str] = {}
