"""Several processes, on one machine or many: how they find each other, and how they end."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils


def connect(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None, timeout: int = 60
) -> None:
    """Joins the processes of a run; call it before anything else of JAX.

    Under SLURM, Open MPI, Kubernetes and on Cloud TPU, JAX detects the three settings itself. Elsewhere all three are
    given, the same but for `process`.

    Args:
      coordinator: "host:port" of process 0.
      processes: how many there are.
      process: this one's number, 0..processes-1.
      timeout: seconds to wait for the others, and until a silent one counts as dead.
    Raises:
      ValueError: only some of the settings are given, or they are out of range.
    """
    given = [coordinator is not None, processes is not None, process is not None]
    if any(given) and not all(given):
        raise ValueError("give coordinator, processes and process together, or none where JAX can detect them")
    if processes is not None and process is not None and not 0 <= process < processes:
        raise ValueError(f"process {process} is not one of {processes}; number them 0..{processes - 1}")
    if timeout < 1:
        raise ValueError(f"processes need timeout >= 1 second to find each other; got {timeout}")
    place = coordinator or "the coordinator that JAX detects"
    print(f"process {process if process is not None else '?'} waits up to {timeout} s for {place}", flush=True)
    jax.distributed.initialize(
        coordinator, processes, process, initialization_timeout=timeout, heartbeat_timeout_seconds=timeout
    )


@contextlib.contextmanager
def end_together() -> Iterator[None]:
    """Ends this process at once if the block fails, where there are several.

    An ordinary exit waits for the others, who wait for this one: a run of which one process died would hang.
    """
    try:
        yield
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        traceback.print_exc()
        print(
            f"error: process {jax.process_index()} of {jax.process_count()} stops: {str(error).splitlines()[0]}; "
            "a peer may have died: start all of them again, with --resume",
            file=sys.stderr,
            flush=True,
        )
        sys.stdout.flush()
        os._exit(1)


def wait_for_all(name: str) -> None:
    """Waits until all processes have come here: the first may have written what the others read."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def from_first(value: float) -> float:
    """Returns the first process's value on all of them (as float32, where there are several)."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def any_process(flag: bool) -> bool:
    """Tells, on all processes alike, whether the flag is set on one of them; all of them must ask."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.int32(flag))))


def is_first() -> bool:
    """Tells whether this is the process that prints and logs."""
    return jax.process_index() == 0
