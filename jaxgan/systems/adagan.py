"""AdaGAN: generators trained one after the other, each on the examples that the mixture so far misses.

The loop is outside of any game. Round t trains a game on `data.weighted(source, weights)`, with weights that are equal
at first; adds its generator to the mixture with the share 1 / t, the others keep theirs times 1 - 1 / t; trains a
classifier that tells data from samples of the mixture; and asks `adagan_weights` for the next round's weights.
"""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike


def adagan_weights(real_probability: ArrayLike, share: float) -> np.ndarray:
    """Weighs training examples by how much the mixture misses them.

    w_i = (lambda - (1 - share) d_i)_+ / (share N) with d_i = (1 - D(x_i)) / D(x_i), the density of the mixture relative
    to that of the data, and the one lambda for which the weights sum to one.

    Args:
      real_probability: [N], D(x_i) of each training example, in (0, 1]: 1 where the mixture never comes.
      share: beta, of the next generator in the new mixture, in (0, 1].
    Returns:
      [N] float64, not negative, with sum 1.
    Raises:
      ValueError: a probability or the share is out of range.
    References:
      Tolstikhin, Gelly, Bousquet, Simon-Gabriel, Schölkopf. AdaGAN: Boosting Generative Models. NeurIPS 2017, sec. 3.
    """
    real = np.asarray(real_probability, np.float64)
    if real.ndim != 1 or not real.size or not np.all((real > 0) & (real <= 1)):
        raise ValueError(f"adagan_weights takes probabilities [N] in (0, 1]; got shape {real.shape}, values outside")
    if not 0 < share <= 1:
        raise ValueError(f"adagan_weights needs a share in (0, 1]; got {share}")
    missed = (1 - share) * (1 - real) / real
    ascending = np.sort(missed)
    # lambda is the level up to which `share` times N of water fills the ground (1 - share) d.
    counts = np.arange(1, len(real) + 1)
    levels = (share * len(real) + np.cumsum(ascending)) / counts
    enough = np.append(ascending[1:], np.inf) >= levels
    level = levels[np.argmax(enough)]
    return np.maximum(level - missed, 0) / (share * len(real))
