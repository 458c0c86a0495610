"""Experiments: one file for each, run by `python -m experiments NAME [--flag value ...]` into `runs/NAME/<id>/`.

An experiment is a module with a docstring (what it shows, command, expected result, minutes), a frozen dataclass
`Config` of numbers and strings, `SMOKE` (the fields of a run of a few steps), and three functions:

- `source(config)`: the training data
- `build(config, shape, classes)`: the game and how its samples look; needs no data
- `judge(config, folder)`: a function samples -> `Judgement`, and in words what it measures
"""

from types import ModuleType

from experiments import digits, digits_conditional, folder, ring, tfds

EXPERIMENTS: dict[str, ModuleType] = {
    "digits": digits,
    "digits_conditional": digits_conditional,
    "ring": ring,
    "tfds": tfds,
    "folder": folder,
}
