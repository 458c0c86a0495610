"""Sources side by side: examples of several in one batch, in one order or each in its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxgan.data.source import Draw, Examples, Source, digest_of, indices
from jaxgan.types import name_index


def paired(**sources: Source) -> Source:
    """Several sources of as many examples, in one order: example i of each belongs together.

    A source's "x" comes under its name and whatever else it has under "<name>_<entry>":
    `paired(photo=photos, sketch=sketches)` gives batches {"photo": ..., "sketch": ...}.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> numbers = jg.data.arrays(np.arange(6, dtype=np.float32)[:, None])
      >>> batch = jg.data.batch_at(jg.data.paired(a=numbers, b=numbers), batch_size=6, seed=0)(0)
      >>> np.array_equal(batch["a"], batch["b"])
      True

    Args:
      **sources: by name, of equal size.
    Returns:
      Source.
    Raises:
      ValueError: fewer than two sources, other sizes, or a density.
    """
    _check("paired", sources)
    sizes = {name: source.size for name, source in sources.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"paired sources need as many examples each; got {sizes}: use unpaired for sets without pairs")

    def read(draw: Draw) -> Examples:
        return _named({name: source.read(draw) for name, source in sources.items()})

    size = next(iter(sizes.values()))
    files = next((source.files for source in sources.values() if source.files), ())
    title = _title("paired", sources)
    return Source(title, size, read, threads=_threads(sources), digest=_digest(sources), files=files)


def unpaired(**sources: Source) -> Source:
    """Several sources, each in an order of its own: what comes together in a batch does not belong together.

    Names are those of `paired`. Each source has epochs of its own length; the whole has no end.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> numbers = jg.data.arrays(np.arange(6, dtype=np.float32)[:, None])
      >>> batch = jg.data.batch_at(jg.data.unpaired(a=numbers, b=numbers), batch_size=6, seed=0)(0)
      >>> np.array_equal(batch["a"], batch["b"]), np.array_equal(np.sort(batch["a"], 0), np.sort(batch["b"], 0))
      (False, True)

    Args:
      **sources: by name, of any sizes; the order of each depends on the seed, its name and its size alone.
    Returns:
      Source.
    Raises:
      ValueError: fewer than two sources, or a density.
    """
    _check("unpaired", sources)

    def read(draw: Draw) -> Examples:
        def own(name: str, source: Source) -> Examples:
            seed = (draw.seed + name_index(name)) % 2**32
            return source.read(Draw(seed, draw.position, indices(seed, source.size or 0, draw.position)))

        return _named({name: own(name, source) for name, source in sources.items()})

    return Source(_title("unpaired", sources), None, read, threads=_threads(sources), digest=_digest(sources))


def _named(examples: dict[str, Examples]) -> Examples:
    named: dict[str, Any] = {}
    for name, entries in examples.items():
        own = {name if entry == "x" else f"{name}_{entry}": value for entry, value in entries.items()}
        if twice := sorted(named.keys() & own):
            raise ValueError(f"two sources give entries {twice}; call one of {sorted(examples)} by another name")
        named |= own
    return named


def _check(caller: str, sources: dict[str, Source]) -> None:
    if len(sources) < 2:
        raise ValueError(f"{caller} combines two sources or more; got {sorted(sources)}")
    if endless := sorted(name for name, source in sources.items() if source.size is None):
        raise ValueError(f"{caller} needs sources with a number of examples; {endless} have none")


def _title(caller: str, sources: dict[str, Source]) -> str:
    return f"{caller}({', '.join(f'{name}={source.name}' for name, source in sources.items())})"


def _digest(sources: dict[str, Source]) -> Callable[[], str] | None:
    """Returns the digest of all, where each has one."""
    own = {name: source.digest for name, source in sources.items() if source.digest}
    if len(own) < len(sources):
        return None
    return (
        (lambda: digest_of(*(part for name in own for part in (name, own[name]()))))
        if len(own) == len(sources)
        else None
    )


def _threads(sources: dict[str, Source]) -> int:
    return max(source.threads for source in sources.values())
