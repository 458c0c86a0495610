"""Experiments: one file for each, run by `python -m experiments NAME [--flag value ...]` into `runs/NAME/<id>/`.

An experiment is a module with a docstring (what it shows, command, expected result, minutes), a frozen dataclass
`Config` of numbers and strings, `SMOKE` (the fields of a run of a few steps), and three functions:

- `source(config)`: the training data
- `build(config, shape, classes)`: the game and how its samples look; needs no data
- `judge(config, folder)`: a function samples -> `Judgement`, and in words what it measures

Experiments that compare many small games end in tables; their form is that of `experiments.tables`.
"""

from types import ModuleType

from experiments import digits, digits_conditional, dirac, folder, modes, remedies, ring, tfds

EXPERIMENTS: dict[str, ModuleType] = {
    "digits": digits,
    "digits_conditional": digits_conditional,
    "ring": ring,
    "tfds": tfds,
    "folder": folder,
}

TABLES: dict[str, ModuleType] = {
    "dirac": dirac,
    "modes": modes,
    "remedies": remedies,
}
