"""Which published network a file is, and what is read from several of them together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.metrics.extractors import weights
from jaxgan.published import biggan, pkl, r3gan, sngan, stylegan2
from jaxgan.published.parts import Network


class Published(NamedTuple):
    """Networks that others trained."""

    family: str  # a key of `parts.FAMILIES`
    latent: int  # width of the latents, which are normal
    size: int  # side of the pictures
    channels: int
    classes: int  # 0: no labels
    generator: Network
    average: dict[str, np.ndarray] | None  # the generator's averaged variables, where a file has them beside
    discriminator: Network | None
    files: dict[str, str]  # SHA-256 by name of the file


def read(path: Path, *, average: Path | None = None, discriminator: Path | None = None) -> Published:
    """Reads published weights; nothing in the files is run.

    Args:
      path: a .pkl of StyleGAN2-ADA, of StyleGAN3's repository or of R3GAN, which holds all networks; or the generator's
        .pth of BigGAN-PyTorch or mimicry (or a .safetensors or .npz that `convert` made of it).
      average: of a .pth, the file of the averaged generator (G_ema.pth).
      discriminator: of a .pth, the file of the discriminator.
    Returns:
      Published.
    Raises:
      FileNotFoundError: there is no such file.
      ValueError: a file holds what weights do not need, is torn, is not of a known form, or of a network that is not
        offered, with the reason.
    """
    if path.suffix == ".pkl":
        if average or discriminator:
            raise ValueError(f"{path} holds all networks; leave out --average and --discriminator")
        return _named(path, lambda: _pickled(path))
    generator = _state_dict(path)
    family: Any = sngan if "block2.c1.weight" in generator else biggan
    if family is biggan and not any(name.startswith("blocks.0.0.") for name in generator):
        raise ValueError(
            f"{path} is no generator that is known: BigGAN-PyTorch's and mimicry's SNGAN are, as .pth; of StyleGAN2, "
            "StyleGAN3 and R3GAN give the .pkl"
        )
    network, latent = _named(path, lambda: family.generator(generator))
    size = network.settings["size"]
    other = None
    if average is not None:
        same, _ = _named(average, lambda: family.generator(_state_dict(average)))
        if same.settings != network.settings:
            raise ValueError(f"{average} is of another generator than {path}: {same.settings} and {network.settings}")
        other = same.variables
    judge = None
    if discriminator is not None:
        judge = _named(discriminator, lambda: family.discriminator(_state_dict(discriminator), size))
    return Published(
        family="sngan" if family is sngan else "biggan",
        latent=latent,
        size=size,
        channels=network.settings["channels"],
        classes=network.settings.get("classes", 0),
        generator=network,
        average=other,
        discriminator=judge,
        files={each.name: weights.sha256(each) for each in (path, average, discriminator) if each is not None},
    )


def _pickled(path: Path) -> Published:
    data = path.read_bytes()
    networks = pkl.modules(data)
    main = networks.get("G") or networks.get("G_ema")
    if main is None:
        raise ValueError(f"it has no network G or G_ema; it has {', '.join(networks)}")
    family: Any = r3gan if "Model.MainLayers" in main.kinds else stylegan2
    network, latent = family.generator(main)
    average = None
    if "G" in networks and "G_ema" in networks:
        same, _ = family.generator(networks["G_ema"])
        if same.settings != network.settings:
            raise ValueError(f"G and G_ema are two forms of network: {network.settings} and {same.settings}")
        average = same.variables
    judge = family.discriminator(networks["D"]) if "D" in networks else None
    return Published(
        family="r3gan" if family is r3gan else "stylegan2",
        latent=latent,
        size=network.settings["size"],
        channels=network.settings["channels"],
        classes=network.settings["classes"],
        generator=network,
        average=average,
        discriminator=judge,
        files={path.name: hashlib.sha256(data).hexdigest()},
    )


def _state_dict(path: Path) -> dict[str, np.ndarray]:
    """Reads a state dict; names that several devices were told by lose their "module."."""
    return {name.removeprefix("module."): array for name, array in weights.read(path).arrays.items()}


def _named(path: Path, reader: Callable[[], Any]) -> Any:
    """Reads, and puts the file's name before what is wrong with it."""
    try:
        return reader()
    except KeyError as error:
        raise ValueError(f"{path} cannot be imported: there is no {error} in it, which such a network has") from error
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} cannot be imported: {error}") from error
