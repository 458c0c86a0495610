"""Data: seeded minibatches that are a pure function of (seed, step), so a run resumes from its step alone.

A `Source` is what examples are; the protocol is the same for all of them.

- `batches`, `batch_at`, `indices`, `Draw`, `Source`, `Modes`, `unlabelled`, `weighted`, `label_counts`: the protocol
  (source.py); the order of large sets needs no list of it (shuffled.py)
- `arrays`, `from_uint8`: examples in memory (memory.py)
- `records`: any sequence that is read by number, as a Hugging Face or torch-style dataset (records.py)
- `subset`, `split`, `evenly`, `whole`: some examples of a source (subsets.py)
- `paired`, `unpaired`: several sources side by side (combined.py); `folder_pairs`: two folders of pictures whose names
  agree (folder_pairs.py)
- `digits`: real handwritten digits, no download (embedded.py)
- `ring`, `grid`, `swiss_roll`, `moons`: toy densities, drawn on the device (densities.py)
- `degraded`: pictures beside what is left of them, by `crop`, `blur`, `downsample`, `noise`, `hide`, `hole` or another
  `Transform` (degradations.py)
- `text`, `words`, `grammar`, `bigrams` with `sequences`: sequences of tokens; `blanks` to be filled in them (text.py)
- `solids`: shaded solids with their normals, by formula (solids.py)
- `table`, `Table`: CSV and Parquet files, or arrays by name; `tables.py` encodes their rows
- `tones`: notes whose pitch is known, by formula (tones.py)
- `voices`: syllables that nobody has said, by formula (voices.py)
- `vibration`: machines with damaged bearings, by formula (vibration.py)
- `voxel_solids`: solids as volumes of voxels, by formula (voxel_solids.py); `voxels`: volumes of one's own, from `.npy`
  files (voxels.py)
- `moving_digits`: clips of digits that move, bounce and turn (moving.py); `frames`: clips of one's own, from folders of
  pictures or animated GIFs (frames.py)
- `Behaviour`, `autoregression`, `line_of_sight`, `recorded`: programs of few parameters, and runs of them
  (behaviours.py)
- `Task`, `pendulum`, `point_mass`, `rollout`, `expert`, `uniform_actions`, `demonstrations`: control tasks as pure
  functions, and what their experts did (control.py)
- `tfds`: TensorFlow Datasets by name, without TensorFlow (catalogue.py)
- `folder`: a folder of pictures, or a zip of one (pictures.py; stores.py and zipped.py find them), with labels from
  subfolders or a file (labels.py); `pixels.py` crops, resizes and mirrors for both
- `sounds`: a folder of recordings, in pieces (sounds.py)
- `open_data`: pictures of any form by one word, which the commands take (opened.py): these two, a `.npy` or `.npz` file
  (saved.py), or a Hugging Face dataset on disk (huggingface.py)
- `check_batch`: is this what the networks expect? (check.py)

Grain, TensorFlow Datasets, Pillow, pyarrow and scikit-learn are imported only by the sources that need them, when they
do.
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
from jaxgan.data.frames import frames
from jaxgan.data.memory import arrays, from_uint8
from jaxgan.data.moving import moving_digits
from jaxgan.data.opened import open_data
from jaxgan.data.pictures import folder
from jaxgan.data.records import records
from jaxgan.data.solids import solids
from jaxgan.data.sounds import sounds
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
from jaxgan.data.tables import Table, table
from jaxgan.data.text import Bigrams, Text, bigrams, blanks, grammar, sequences, text, words
from jaxgan.data.tones import tones
from jaxgan.data.vibration import vibration
from jaxgan.data.voices import voices
from jaxgan.data.voxel_solids import voxel_solids
from jaxgan.data.voxels import voxels

__all__ = [
    "Behaviour",
    "Bigrams",
    "Draw",
    "Modes",
    "Source",
    "Table",
    "Task",
    "Text",
    "Transform",
    "arrays",
    "autoregression",
    "batch_at",
    "batches",
    "bigrams",
    "blanks",
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
    "frames",
    "from_uint8",
    "grammar",
    "grid",
    "hide",
    "hole",
    "indices",
    "label_counts",
    "line_of_sight",
    "moons",
    "moving_digits",
    "noise",
    "open_data",
    "paired",
    "pendulum",
    "point_mass",
    "recorded",
    "records",
    "ring",
    "rollout",
    "sequences",
    "solids",
    "sounds",
    "split",
    "subset",
    "swiss_roll",
    "table",
    "text",
    "tfds",
    "tones",
    "uniform_actions",
    "unlabelled",
    "unpaired",
    "vibration",
    "voices",
    "voxel_solids",
    "voxels",
    "weighted",
    "whole",
    "words",
]
