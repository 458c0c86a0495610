"""Systems of tables, with tiny networks and a batch: (options) -> (networks, system, batch)."""

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.data.encodings import Span
from jaxgan.networks import tabular

B = 8
RNG = np.random.default_rng(0)
SPANS = (Span(1, "number"), Span(2, "mode"), Span(3, "category"), Span(2, "category"))
ONES = [np.eye(width)[RNG.integers(width, size=B)] for width in (2, 3, 2)]
ROWS = jnp.asarray(np.concatenate([RNG.uniform(-0.9, 0.9, size=(B, 1)), *ONES], axis=1), jnp.float32)
COUNTS = ((5, 2, 1), (6, 2))
CONDITIONS = jnp.asarray(np.concatenate([ONES[1], 0 * ONES[2]], axis=1), jnp.float32)  # all ask for the first column


def rows(**options):
    networks = {"generator": tabular.RowGenerator(8, (4,)), "discriminator": tabular.RowDiscriminator((4,), 2)}
    settings = {"loss": jg.losses.wasserstein, "prior": jg.priors.normal(3), "optimizer": optax.adam(1e-3)}
    settings |= {"penalty": jg.penalties.packed(jg.penalties.gradient_penalty(10.0), 2)}
    settings |= {"spans": SPANS, "conditions": jg.priors.conditions(COUNTS)}
    return networks, jg.systems.ctgan(**settings | options), {"x": ROWS, "y": CONDITIONS}


TINY = {"ctgan": rows}
REFUSED: dict[tuple[str, str], str] = {}
