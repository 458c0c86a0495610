"""The classical pairs: logistic, least squares, hinge, margin, Wasserstein, softmax."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.nn import logsumexp, relu, softplus

from jaxgan.losses.pairs import pair
from jaxgan.types import Loss, explained, explains


def _logistic_discriminator(real: Array, fake: Array) -> Array:
    """-E log D(x) - E log(1 - D(G(z))), with D = sigmoid(logits): binary cross-entropy."""
    return jnp.mean(softplus(-real)) + jnp.mean(softplus(fake))


minimax: Loss = explained(
    pair(
        _logistic_discriminator,
        lambda real, fake: -jnp.mean(softplus(fake)),  # E log(1 - D(G(z)))
    ),
    """The original game: D maximises E log D(x) + E log(1 - D(G(z))), and G minimises it.

The generator's gradient vanishes where the discriminator is sure that samples are fake (it saturates). At the optimal
discriminator the value is 2 JS(p_data, p_G) - 2 log 2.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> undecided = jnp.zeros(4)  # a half of real and samples alike
  >>> [round(float(side(undecided, undecided)), 3) for side in jg.losses.minimax]
  [1.386, -0.693]

References:
  Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, eq. 1.
""",
)

non_saturating: Loss = explained(
    pair(
        _logistic_discriminator,
        lambda real, fake: jnp.mean(softplus(-fake)),  # -E log D(G(z))
    ),
    """The logistic game with the generator that practice uses: G maximises E log D(G(z)).

Same fixed point as `minimax`; strong gradients early, when samples are easily told apart.

Example:
  >>> import jax, jax.numpy as jnp, jaxgan as jg
  >>> unmasked = jnp.array([-9.0])  # a sample that the discriminator is sure of
  >>> slope = lambda loss: round(float(jax.grad(lambda fake: loss.generator(fake, fake))(unmasked)[0]), 3)
  >>> slope(jg.losses.minimax) == 0, slope(jg.losses.non_saturating)
  (True, -1.0)

References:
  Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, section 3.
""",
)


@explains
def least_squares_targets(a: float, b: float, c: float) -> Loss:
    """Least squares towards any targets: 1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2, and 1/2 E (D(G(z)) - c)^2 for G.

    With b - c = 1 and b - a = 2 (a = -1, b = 1, c = 0) the generator minimises the Pearson chi-squared divergence
    between p_data + p_G and 2 p_G, up to a factor 1/2 and what it cannot change.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> pearson = jg.losses.least_squares_targets(a=-1.0, b=1.0, c=0.0)
      >>> [float(side(jnp.ones(2), -jnp.ones(2))) for side in pearson]
      [0.0, 0.5]

    Args:
      a: the discriminator's target for samples.
      b: its target for real data.
      c: what the generator wants the discriminator to say of its samples.
    Returns:
      Loss on logits [B, ...].
    References:
      Mao et al. Least Squares Generative Adversarial Networks. ICCV 2017, section 3.
    """
    return pair(
        lambda real, fake: 0.5 * jnp.mean(jnp.square(real - b)) + 0.5 * jnp.mean(jnp.square(fake - a)),
        lambda real, fake: 0.5 * jnp.mean(jnp.square(fake - c)),
    )


least_squares: Loss = explained(
    least_squares_targets(a=0, b=1, c=1),
    """Least squares towards 1 for real and 0 for fake, with the paper's 1/2; G pulls its samples towards 1.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> [float(side(jnp.zeros(4), jnp.zeros(4))) for side in jg.losses.least_squares]
  [0.5, 0.5]

References:
  Mao et al. Least Squares Generative Adversarial Networks. ICCV 2017, eq. 9 (a = 0, b = c = 1).
""",
)

hinge: Loss = explained(
    pair(
        lambda real, fake: jnp.mean(relu(1 - real)) + jnp.mean(relu(1 + fake)),
        lambda real, fake: -jnp.mean(fake),
    ),
    """Hinge: D is content once real logits exceed 1 and fake ones fall below -1; G minimises -E D(G(z)).

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> real, fake = jnp.array([1.0, 3.0]), jnp.array([-1.0, -2.0])
  >>> [float(side(real, fake)) for side in jg.losses.hinge]
  [0.0, 1.5]

References:
  Lim, Ye. Geometric GAN. 2017, eq. 20-21; Miyato et al. Spectral Normalization for GANs. ICLR 2018, eq. 16-17.
""",
)

margin: Loss = explained(
    pair(
        lambda real, fake: jnp.mean(relu(1 - real)) + jnp.mean(relu(1 + fake)),
        lambda real, fake: jnp.mean(relu(1 - fake)),
    ),
    """Hinge for both: the generator, too, is content, with every place of the map whose fake logit exceeds 1.

Where it is, it receives no gradient, so that what deceives the discriminator already is left alone; `hinge`'s generator
goes on without end.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> fake = jnp.array([1.0, 5.0])  # both deceive
  >>> float(jg.losses.margin.generator(fake, fake)), float(jg.losses.hinge.generator(fake, fake))
  (0.0, -3.0)

References:
  Li, Wand. Precomputed Real-Time Texture Synthesis with Markovian Generative Adversarial Networks. ECCV 2016, eq. 3;
  the generator's as in the authors' code.
""",
)

wasserstein: Loss = explained(
    pair(
        lambda real, fake: jnp.mean(fake) - jnp.mean(real),
        lambda real, fake: -jnp.mean(fake),
    ),
    """Earth mover's distance in its dual form; the critic must be kept 1-Lipschitz, by a penalty or by weight clipping.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> [float(side(jnp.array([3.0, 5.0]), jnp.array([1.0, 1.0]))) for side in jg.losses.wasserstein]
  [-3.0, -1.0]

References:
  Arjovsky, Chintala, Bottou. Wasserstein Generative Adversarial Networks. ICML 2017, eq. 2.
""",
)


def _log_partition(real: Array, fake: Array) -> Array:
    """Log of the sum of exp(logits) over the examples of both batches, mean over the map."""
    return jnp.mean(logsumexp(jnp.concatenate([real, fake]), axis=0))


softmax: Loss = explained(
    pair(
        lambda real, fake: _log_partition(real, fake) - jnp.mean(real),
        lambda real, fake: _log_partition(real, fake) - 0.5 * (jnp.mean(real) + jnp.mean(fake)),
    ),
    """Softmax GAN: cross-entropy of a softmax over the examples of the two batches together, 2 B of them.

D wants all probability on the real ones, 1/B each; G wants it spread evenly, 1/(2 B) each. Logits are the paper's
negated energies; of a map [B, h, w], each place has a softmax of its own. Each example's gradient depends on the others
in the minibatch that its device holds.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> [round(float(side(jnp.zeros(4), jnp.zeros(4))), 3) for side in jg.losses.softmax]  # log 8: spread evenly
  [2.079, 2.079]

References:
  Lin. Softmax GAN. 2017.
""",
)


hard_threshold: Loss = explained(
    pair(
        lambda real, fake: -0.5 * (jnp.mean((real > 0).astype(real.dtype)) + jnp.mean((fake <= 0).astype(real.dtype))),
        lambda real, fake: -jnp.mean((fake > 0).astype(fake.dtype)),
    ),
    """Turing Learning's yes or no: D maximises (sensitivity + specificity) / 2, and G the share that is called genuine.

Genuine is what has a logit above 0. Steps have no gradient: for players that are only evaluated, `estimators`.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> real, fake = jnp.array([1.0, 1.0]), jnp.array([-1.0, 1.0])
  >>> [float(side(real, fake)) for side in jg.losses.hard_threshold]
  [-0.75, -0.5]

References:
  Li, Gauci, Gross. Turing learning: a metric-free approach to inferring behavior and its application to swarms. Swarm
  Intelligence 2016, eqs. 1 and 2.
""",
)
