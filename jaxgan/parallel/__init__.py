"""The same train step on one device, many devices, many processes, and for many seeds at once.

- `data_parallel`, `Parallel`, `local_rows`: a game on several devices, by `pmap` or by a sharded `jit` (devices.py)
- `connect`, `end_together`, `is_first`: several processes, on one machine or many (processes.py)
"""

from jaxgan.parallel.devices import Parallel, data_parallel, local_rows
from jaxgan.parallel.processes import connect, end_together, is_first

__all__ = ["Parallel", "connect", "data_parallel", "end_together", "is_first", "local_rows"]
