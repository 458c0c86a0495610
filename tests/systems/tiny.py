"""Every system with tiny networks and a batch: (name, options) -> (networks, system, batch).

A group of systems has a file of its own, `tiny_<group>.py`, whose TINY is joined here; nothing else is to be written
for what holds for all of them to be tested.
"""

import jax
import numpy as np

import jaxgan as jg
from jaxgan.data import Source
from tests.systems import (
    tiny_codecs,
    tiny_control,
    tiny_core,
    tiny_distillation,
    tiny_domains,
    tiny_frozen_features,
    tiny_inference,
    tiny_inverse,
    tiny_restored,
    tiny_sound,
    tiny_tables,
    tiny_text,
    tiny_tokenizers,
    tiny_translation,
    tiny_variational,
    tiny_volumes,
)

GROUPS = (
    tiny_codecs,
    tiny_control,
    tiny_core,
    tiny_distillation,
    tiny_domains,
    tiny_frozen_features,
    tiny_inference,
    tiny_inverse,
    tiny_restored,
    tiny_sound,
    tiny_tables,
    tiny_text,
    tiny_tokenizers,
    tiny_translation,
    tiny_variational,
    tiny_volumes,
)
TINY = {name: made for group in GROUPS for name, made in group.TINY.items()}
EVERY = tiny_core.EVERY | TINY  # with those that have tests of their own elsewhere
# (system, option) -> why an option of the adversary does not exist there
REFUSED = {cell: why for group in GROUPS for cell, why in getattr(group, "REFUSED", {}).items()}
ALONE = {name for group in GROUPS for name in getattr(group, "ALONE", ())}  # systems without an adversary
CONDITIONED = ("acgan", "contragan", "reacgan", "gan_cls_int", "gawwn", "stackgan")  # systems that are asked for a "y"


def playable(name):
    """The game of a system, and a source of its examples, again and again: what `tests.reliability` runs."""
    networks, system, batch = TINY[name]()
    rows, size = {key: jax.tree.map(np.asarray, value) for key, value in batch.items()}, rows_of(batch)

    def read(draw):
        return jax.tree.map(lambda leaf: leaf[np.asarray(draw.position) % size], rows)

    return jg.game(networks, system, ema={averaged(system): 0.9}), Source(name, None, read)


def averaged(system):
    """The network whose average a system is sampled by: a generator, or the last that somebody owns."""
    owned = [network for player in system.players.values() for network in player.owns]
    return next((network for network in owned if "generator" in network), owned[-1])


def rows_of(batch):
    """How many examples a batch has."""
    return len(jax.tree.leaves(batch)[0])


def asked(name, batch, system):
    """What a system is asked with, beside the numbers of samples: what it needs, or the first of what it takes."""
    takes = [entry for entry in system.takes or {} if entry in batch]
    names = list(system.asks or takes[:1] or (["y"] if name in CONDITIONED else []))
    return {entry: batch[entry] for entry in names}
