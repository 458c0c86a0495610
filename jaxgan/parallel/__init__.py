"""The same train step on one device, many devices, many processes, and for many seeds at once.

- `data_parallel`, `Parallel`, `local_rows`: a game on several devices, by `pmap` or by a sharded `jit` (devices.py)
- `connect`, `end_together`, `is_first`, `wait_for_all`, `from_first`, `any_process`: several processes (processes.py)
"""

from jaxgan.parallel.devices import Parallel, data_parallel, local_rows
from jaxgan.parallel.processes import any_process, connect, end_together, from_first, is_first, wait_for_all

__all__ = [
    "Parallel",
    "any_process",
    "connect",
    "data_parallel",
    "end_together",
    "from_first",
    "is_first",
    "local_rows",
    "wait_for_all",
]
