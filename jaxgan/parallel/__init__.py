"""The same train step on one device, many devices, many processes, and for many seeds at once.

- `data_parallel`, `Parallel`, `local_rows`: a game on several devices, by `pmap` or by a sharded `jit` (devices.py)
- `sweep`, `Sweep`, `product`, `member`, `batches`: many runs in one call (sweep.py)
- `interval`, `Interval`, `draw_band`: what many runs say together (statistics.py)
- `segments`, `stack`: many steps in one call (segments.py)
- `connect`, `end_together`, `is_first`, `wait_for_all`, `from_first`, `any_process`: several processes (processes.py)
"""

from jaxgan.parallel.devices import Parallel, data_parallel, local_rows
from jaxgan.parallel.processes import any_process, connect, end_together, from_first, is_first, wait_for_all
from jaxgan.parallel.segments import segments, stack
from jaxgan.parallel.statistics import Interval, draw_band, interval
from jaxgan.parallel.sweep import Sweep, batches, member, product, sweep

__all__ = [
    "Interval",
    "Parallel",
    "Sweep",
    "any_process",
    "batches",
    "connect",
    "data_parallel",
    "draw_band",
    "end_together",
    "from_first",
    "interval",
    "is_first",
    "local_rows",
    "member",
    "product",
    "segments",
    "stack",
    "sweep",
    "wait_for_all",
]
