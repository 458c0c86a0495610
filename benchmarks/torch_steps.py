"""Train steps in PyTorch: of plain networks equal to ours, and of the public networks of others.

Imported by `benchmarks.sides` alone, in an environment that has torch. A step is the usual loop's: the discriminator on
a real and a detached generated batch, then the generator on new latents, or on the same where the form says so; losses
are read after each.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs import Way

LAST = torch.channels_last


class Form(NamedTuple):
    """How a step is run."""

    channels_last: bool = False
    fused: bool = False  # Adam as one kernel
    compiled: bool = False  # torch.compile of both networks
    shared: bool = False  # the generator plays on the samples that the discriminator was shown


class DCGANGenerator(nn.Module):
    """z [B, Z] -> images [B, 3, size, size]; the networks of `games.dcgan`."""

    def __init__(self, features: int, latent: int = 64, size: int = 32) -> None:
        super().__init__()
        widths = [features * size // 8 >> stage for stage in range(size.bit_length() - 3)]
        self.widest = widths[0]
        self.dense = nn.Linear(latent, 16 * widths[0], bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(width, following, 4, 2, 1, bias=following == 3)
            for width, following in zip(widths, [*widths[1:], 3], strict=True)
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Generates images, by batch statistics."""
        x = self.dense(z).view(-1, self.widest, 4, 4)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(F.relu(norm(x)))
        return torch.tanh(x)


class DCGANDiscriminator(nn.Module):
    """Images [B, 3, size, size] -> logits [B]."""

    def __init__(self, features: int, normalized: bool, size: int = 32) -> None:
        super().__init__()
        widths = [features << stage for stage in range(size.bit_length() - 3)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, width, 4, 2, 1, bias=before == 3 or not normalized)
            for before, width in zip([3, *widths], widths, strict=False)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width) if normalized and stage else nn.Identity() for stage, width in enumerate(widths)
        )
        self.head = nn.Linear(16 * widths[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores images, by batch statistics."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.leaky_relu(norm(convolution(x)), 0.2)
        return self.head(x.flatten(1))[:, 0]


def layers(sizes: Iterable[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    """A fully connected network."""
    widths = list(sizes)
    parts: list[nn.Module] = []
    for before, width in itertools.pairwise(widths):
        parts += [nn.Linear(before, width), activation()]
    return nn.Sequential(*parts[:-1])


def count(*networks: nn.Module) -> int:
    """Counts the parameters."""
    return sum(p.numel() for network in networks for p in network.parameters())


def adam(network: nn.Module, rate: float, betas: tuple[float, float], form: Form) -> torch.optim.Adam:
    """Adam of a network's parameters."""
    return torch.optim.Adam(network.parameters(), rate, betas, fused=form.fused)


def formatted(form: Form, *tensors: Any) -> list[Any]:
    """Networks and images in the memory format of the form."""
    return [t.to(memory_format=LAST) for t in tensors] if form.channels_last else list(tensors)


def non_saturating(
    generator: nn.Module, discriminator: nn.Module, x: torch.Tensor, form: Form, *, latent: int, r1: float, rate: float
) -> Way:
    """Prepares the alternating step with the non-saturating loss, Adam with b1 = 0.5, and R1 where its weight is not 0.

    Args:
      generator: z [B, Z] -> samples like x.
      discriminator: x -> logits [B].
      x: a real batch.
      form: how it is run.
      latent: Z.
      r1: weight.
      rate: Adam's.
    Returns:
      () -> losses of the discriminator and the generator.
    """
    if x.dim() == 4:
        generator, discriminator, x = formatted(form, generator, discriminator, x)
    beta2 = 0.999 if x.dim() == 4 else 0.99
    optimizers = [adam(network, rate, (0.5, beta2), form) for network in (discriminator, generator)]
    g, d = generator, discriminator
    if form.compiled:
        g, d = torch.compile(generator), torch.compile(discriminator)

    def run() -> tuple[float, float]:
        with torch.set_grad_enabled(form.shared):
            fake = g(torch.randn(len(x), latent, device=x.device))
        optimizers[0].zero_grad(set_to_none=True)
        shown = x.detach().requires_grad_(bool(r1))
        real = d(shown)
        loss = F.softplus(-real).mean() + F.softplus(d(fake.detach())).mean()
        if r1:
            (slope,) = torch.autograd.grad(real.sum(), shown, create_graph=True)
            loss = loss + r1 / 2 * slope.square().flatten(1).sum(1).mean()
        loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad(set_to_none=True)
        discriminator.requires_grad_(False)
        made = fake if form.shared else g(torch.randn(len(x), latent, device=x.device))
        fooled = F.softplus(-d(made)).mean()
        fooled.backward()
        discriminator.requires_grad_(True)
        optimizers[1].step()
        return loss.item(), fooled.item()

    return run


def dcgan(features: int, x: torch.Tensor, form: Form, *, normalized: bool, r1: float) -> tuple[Way, int]:
    """DCGAN on images [B, 3, size, size]: the step and the number of parameters."""
    size = x.shape[-1]
    networks = DCGANGenerator(features, size=size), DCGANDiscriminator(features, normalized, size)
    networks = networks[0].to(x.device), networks[1].to(x.device)
    return non_saturating(*networks, x, form, latent=64, r1=r1, rate=2e-4), count(*networks)


def ring(features: int, x: torch.Tensor, form: Form) -> tuple[Way, int]:
    """The fully connected networks of `games.ring` on points [B, 2]."""
    networks = (
        layers((32, features, features, 2), nn.ReLU),
        nn.Sequential(layers((2, features, features, 1), lambda: nn.LeakyReLU(0.2)), nn.Flatten(0)),
    )
    return non_saturating(*networks, x, form, latent=32, r1=0.0, rate=1e-3), count(*networks)


def mimicry(x: torch.Tensor, form: Form) -> tuple[Way, int]:
    """torch-mimicry's SNGAN of 32 pixels by its own two train steps, n_critic 1.

    Its package imports its metrics, which need TensorFlow; what is loaded here are its networks and losses alone.
    """
    if "torch_mimicry" not in sys.modules:
        spec = importlib.util.find_spec("torch_mimicry")
        if spec is None:
            raise ModuleNotFoundError("No module named 'torch_mimicry'")
        package = types.ModuleType("torch_mimicry")
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules["torch_mimicry"] = package
    from torch_mimicry.nets.sngan import sngan_32

    networks = sngan_32.SNGANGenerator32(), sngan_32.SNGANDiscriminator32()
    generator, discriminator, x = formatted(form, *networks, x)
    optimizers = [adam(network, 2e-4, (0.0, 0.9), form) for network in (discriminator, generator)]
    log: dict[str, float] = {}

    def keep(name: str, value: Any, **rest: Any) -> None:
        log[name] = float(value)

    kept = types.SimpleNamespace(add_metric=keep)

    def run() -> tuple[float, float]:
        batch = (x, None)
        discriminator.train_step(batch, netG=generator, optD=optimizers[0], log_data=kept)
        generator.train_step(batch, netD=discriminator, optG=optimizers[1], log_data=kept)
        return log["errD"], log["errG"]

    return run, count(*networks)


def r3gan(folder: Path, features: int, x: torch.Tensor, form: Form) -> tuple[Way, int]:
    """The R3GAN authors' networks and gradients, one block a resolution, in groups of 16 features.

    Args:
      folder: a clone of their repository.
      features: of every map.
      x: images [B, 3, 32, 32].
      form: how it is run.
    Returns:
      (the step, number of parameters).
    """
    sys.path.insert(0, str(folder))
    from R3GAN.Networks import Discriminator, Generator
    from R3GAN.Trainer import AdversarialTraining

    widths, groups = [features] * 4, [features * 2 // 16] * 4
    networks = Generator(64, widths, groups, [1] * 4, 2), Discriminator(widths, groups, [1] * 4, 2)
    generator, discriminator, x = formatted(form, *networks, x)
    optimizers = [adam(network, 2e-4, (0.0, 0.9), form) for network in (discriminator, generator)]
    trainer = AdversarialTraining(generator, discriminator)

    def run() -> tuple[float, float]:
        generator.requires_grad_(False)
        optimizers[0].zero_grad(set_to_none=True)
        loss, _, r1, r2 = trainer.AccumulateDiscriminatorGradients(torch.randn(len(x), 64), x, None, 0.05)
        optimizers[0].step()
        generator.requires_grad_(True)
        discriminator.requires_grad_(False)
        optimizers[1].zero_grad(set_to_none=True)
        fooled, _ = trainer.AccumulateGeneratorGradients(torch.randn(len(x), 64), x, None)
        optimizers[1].step()
        discriminator.requires_grad_(True)
        return (loss + 0.025 * (r1 + r2)).mean().item(), fooled.mean().item()

    return run, count(*networks)


def stylegan2(folder: Path, features: int, x: torch.Tensor, form: Form) -> tuple[Way, int]:
    """The StyleGAN2-ADA authors' networks and loss, by their reference operations where there is no CUDA.

    R1 with weight 1 at every step, no path length, no style mixing, a mapping of two layers.

    Args:
      folder: a clone of their repository.
      features: of the largest map; four times as many at most.
      x: images [B, 3, 32, 32].
      form: how it is run.
    Returns:
      (the step, number of parameters).
    """
    sys.path.insert(0, str(folder))
    from training.loss import StyleGAN2Loss
    from training.networks import Discriminator, Generator

    channels = {"channel_base": 32 * features, "channel_max": 4 * features}
    networks = (
        Generator(64, 0, 128, 32, 3, mapping_kwargs={"num_layers": 2}, synthesis_kwargs=channels),
        Discriminator(0, 32, 3, **channels),
    )
    generator, discriminator, x = formatted(form, *networks, x)
    optimizers = [adam(network, 2.5e-3, (0.0, 0.99), form) for network in (discriminator, generator)]
    loss = StyleGAN2Loss(
        x.device,
        generator.mapping,
        generator.synthesis,
        discriminator,
        style_mixing_prob=0,
        r1_gamma=1.0,
        pl_weight=0,
    )
    scores: list[torch.Tensor] = []  # their loss returns nothing, so that logits are caught on their way
    discriminator.register_forward_hook(lambda module, inputs, logits: scores.append(logits.detach()))

    def run() -> tuple[float, float]:
        scores.clear()
        for phase, own, other, optimizer in (
            ("Gmain", generator, discriminator, optimizers[1]),
            ("Dboth", discriminator, generator, optimizers[0]),
        ):
            other.requires_grad_(False)
            own.requires_grad_(True)
            optimizer.zero_grad(set_to_none=True)
            loss.accumulate_gradients(phase, x, None, torch.randn(len(x), 64), None, sync=False, gain=1)
            optimizer.step()
        fooled, fake, real = scores
        return (F.softplus(fake).mean() + F.softplus(-real).mean()).item(), F.softplus(-fooled).mean().item()

    return run, count(*networks)
