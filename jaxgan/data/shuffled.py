"""The order of an epoch, without the list of it: where each place of a large permutation leads is computed alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

BLOCK = 2**12  # places whose numbers are computed at once
ROUNDS = 8  # twice what makes the network look random to one who may ask for any place


def permuted(seed: int, epoch: int, size: int, place: np.ndarray) -> np.ndarray:
    """Where a random permutation of 0..size-1 leads, in memory that does not grow with size.

    A Feistel network permutes the numbers of as many bits as `size` needs; a number that leaves 0..size-1 is sent
    through it again until it comes back, less than twice on average.

    Example:
      >>> import numpy as np
      >>> order = permuted(seed=0, epoch=0, size=10**12, place=np.arange(3))
      >>> len(set(order.tolist())), int(order.max()) < 10**12
      (3, True)

    Args:
      seed: of the order, >= 0.
      epoch: each has a permutation of its own, >= 0.
      size: of the permutation, in 1..2**62.
      place: [n] int64, in 0..size-1.
    Returns:
      [n] int64, in 0..size-1; equal places alone give equal numbers.
    References:
      Luby, Rackoff. How to Construct Pseudorandom Permutations from Pseudorandom Functions. SIAM J. Comput. 1988.
      Black, Rogaway. Ciphers with Arbitrary Finite Domains. CT-RSA 2002, method 2 (cycle walking).
    """
    place = np.asarray(place, np.int64)
    block, index = place // BLOCK, np.empty_like(place)
    for b in np.unique(block):
        index[block == b] = _block(seed, epoch, size, int(b))[place[block == b] - b * BLOCK]
    return index


@lru_cache(maxsize=8)  # batches walk through a block in turn, and two sources through two
def _block(seed: int, epoch: int, size: int, block: int) -> np.ndarray:
    """Returns where BLOCK places lead, [BLOCK] or, at the end, fewer; a small batch alone would take as long as all."""
    # Raw Philox words: NumPy promises to keep them across its versions.
    keys = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(ROUNDS)
    bits = max(2, (size - 1).bit_length())
    index = _network(np.arange(block * BLOCK, min((block + 1) * BLOCK, size), dtype=np.uint64), keys, bits)
    while (outside := np.flatnonzero(index >= np.uint64(size))).size:
        index[outside] = _network(index[outside], keys, bits)
    index = index.astype(np.int64)
    index.setflags(write=False)
    return index


def _network(x: np.ndarray, keys: np.ndarray, bits: int) -> np.ndarray:
    """Permutes the numbers of so many bits: each round changes one half of them by a function of the other half."""
    low = np.uint64(bits // 2)
    mask_low, mask_high = np.uint64((1 << (bits // 2)) - 1), np.uint64((1 << (bits - bits // 2)) - 1)
    left, right = x >> low, x & mask_low
    for first, second in keys.reshape(-1, 2):
        left = left ^ (_mixed(right + first) & mask_high)
        right = right ^ (_mixed(left + second) & mask_low)
    return left << low | right


def _mixed(x: np.ndarray) -> np.ndarray:
    """Mixes the bits of each number.

    References:
      Steele, Lea, Flood. Fast Splittable Pseudorandom Number Generators. OOPSLA 2014, figure 16 (SplitMix64's mixer).
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
