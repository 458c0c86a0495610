"""Runs: an experiment trained into a folder that can be resumed, guarded, judged, looked at and reported.

An experiment is a module, of the clone's `experiments` or a file of the user's own. It has a docstring (what it shows,
command, expected result, minutes), a frozen dataclass `Config` of numbers and strings with `seed`, `steps` and
`batch_size`, and two functions; the rest is optional:

- `source(config)`: the training data
- `build(config, shape, classes)`: the game and how its samples look; needs no data
- `judge(config, folder)`: a function samples -> `Judgement`, and in words what it measures; without it a run has no
  figures, but samples, curves and checkpoints
- `held_out(config)`: real examples that no run trains on, for `jaxgan evaluate` and `jaxgan doctor`
- `SMOKE`: the fields of a run of a few steps; `MAY_DIFFER`: fields that a resumed run may change

Experiments that compare many small games end in tables; their form is that of `jaxgan.runs.tables`.

- `terminal`, `modules`, `compiled`: names, one-line answers, whose code is imported, and where compiled programs are
  kept for the next start, all without JAX
- `settings`, `experiment`, `folder`, `flags`: how a run is set, what it is made of, leaves behind and is called with
- `start` (`run`, and `member` for a run below another's folder), `training`, `ending`, `survival`: the run itself
- `loading`: a run read back; `tables`, `members`: many games that end in tables, and each of them as a run
- `seeds`: many seeds at once
- `imported`: weights that others published, or of an export, as a run
"""
