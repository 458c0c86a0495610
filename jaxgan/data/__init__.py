"""Data: seeded minibatches that are a pure function of (seed, step), so a run resumes from its step alone.

A `Source` is what examples are; the protocol is the same for all of them.

- `batches`, `batch_at`, `indices`, `Draw`, `Source`, `Modes`, `unlabelled`, `weighted`, `label_counts`: the protocol
  (source.py); the order of large sets needs no list of it (shuffled.py)
- `arrays`, `from_uint8`: examples in memory (memory.py)
- `subset`, `split`, `evenly`, `whole`: some examples of a source (subsets.py)
- `paired`, `unpaired`: several sources side by side (combined.py); `folder_pairs`: two folders of pictures whose names
  agree (folder_pairs.py)
- `digits`: real handwritten digits, no download (embedded.py)
- `ring`, `grid`, `swiss_roll`, `moons`: toy densities, drawn on the device (densities.py)
- `degraded`: pictures beside what is left of them, by `crop`, `blur`, `downsample`, `noise`, `hide`, `hole` or another
  `Transform` (degradations.py)
- `solids`: shaded solids with their normals, by formula (solids.py)
- `Behaviour`, `autoregression`, `line_of_sight`, `recorded`: programs of few parameters, and runs of them
  (behaviours.py)
- `Task`, `pendulum`, `point_mass`, `rollout`, `expert`, `uniform_actions`, `demonstrations`: control tasks as pure
  functions, and what their experts did (control.py)
- `tfds`: TensorFlow Datasets by name, without TensorFlow (catalogue.py)
- `folder`: a folder of pictures (pictures.py), with labels from subfolders or a file (labels.py); `pixels.py` crops,
  resizes and mirrors for both
- `check_batch`: is this what the networks expect? (check.py)

Grain, TensorFlow Datasets and Pillow are imported only by the sources that need them, when they do.
"""

from jaxgan.data.behaviours import Behaviour, autoregression, line_of_sight, recorded
from jaxgan.data.catalogue import tfds
from jaxgan.data.check import check_batch
from jaxgan.data.combined import paired, unpaired
from jaxgan.data.control import Task, demonstrations, expert, pendulum, point_mass, rollout, uniform_actions
from jaxgan.data.degradations import Transform, blur, crop, degraded, downsample, hide, hole, noise
from jaxgan.data.densities import grid, moons, ring, swiss_roll
from jaxgan.data.embedded import digits
from jaxgan.data.folder_pairs import folder_pairs
from jaxgan.data.memory import arrays, from_uint8
from jaxgan.data.pictures import folder
from jaxgan.data.solids import solids
from jaxgan.data.source import (
    Draw,
    Modes,
    Source,
    batch_at,
    batches,
    indices,
    label_counts,
    unlabelled,
    weighted,
)
from jaxgan.data.subsets import evenly, split, subset, whole

__all__ = [
    "Behaviour",
    "Draw",
    "Modes",
    "Source",
    "Task",
    "Transform",
    "arrays",
    "autoregression",
    "batch_at",
    "batches",
    "blur",
    "check_batch",
    "crop",
    "degraded",
    "demonstrations",
    "digits",
    "downsample",
    "evenly",
    "expert",
    "folder",
    "folder_pairs",
    "from_uint8",
    "grid",
    "hide",
    "hole",
    "indices",
    "label_counts",
    "line_of_sight",
    "moons",
    "noise",
    "paired",
    "pendulum",
    "point_mass",
    "recorded",
    "ring",
    "rollout",
    "solids",
    "split",
    "subset",
    "swiss_roll",
    "tfds",
    "uniform_actions",
    "unlabelled",
    "unpaired",
    "weighted",
    "whole",
]
