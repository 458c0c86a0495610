"""Both players' losses of DMD2 and of SiD beside the authors' code, under the same random weights, levels and noise.

Command: python benchmarks/distillation_parity.py --peers-python PATH --source FOLDER [--identity FOLDER]
PATH is the Python of an environment with torch (JAX is not needed there); FOLDER is a clone of
https://github.com/tianweiy/DMD2, and of --identity one of https://github.com/mingyuanzhou/SiD. Their denoisers are
DMD2's preconditioning around a small network that both sides have. Prints for every value and gradient the largest
difference, relative to the largest entry; wanted are 1e-5 at most.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (8, 3, 4, 4)  # of a batch; pictures as torch lays them out, which a fully connected network does not mind
WIDTH = 16
WEIGHT, HEAD_WEIGHT, ALPHA = 0.3, 0.2, 1.2


def random_weights(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Of the backbone and the head."""
    size = int(np.prod(SHAPE[1:]))
    shapes = {"in": (size + 1, WIDTH), "out": (WIDTH, size), "head": (WIDTH, 1)}
    return {name: (rng.standard_normal(s) / np.sqrt(s[0])).astype(np.float32) for name, s in shapes.items()}


class Draws:
    """Hands out in order what the other side drew, in the place of torch's functions."""

    def __init__(self, torch: Any, given: dict[str, Any], guidance: Any) -> None:
        self.torch, self.given, self.guidance = torch, given, guidance
        self.levels: list[str] = []
        self.noises: list[str] = []

    def expect(self, levels: list[str], noises: list[str]) -> None:
        """Sets the names of the next draws."""
        self.levels, self.noises = levels, noises

    def randint(self, low: int, high: int, size: Any, **settings: Any) -> Any:
        """Points at levels that are put where the authors keep theirs."""
        self.guidance.karras_sigmas = self.torch.from_numpy(self.given[self.levels.pop(0)])
        return self.torch.arange(SHAPE[0]).reshape(*size)

    def noise(self, like: Any, **settings: Any) -> Any:
        """Of randn_like."""
        return self.torch.from_numpy(self.given[self.noises.pop(0)])

    def uniform(self, size: Any, **settings: Any) -> Any:
        """Of rand and randn, for levels."""
        return self.torch.from_numpy(self.given[self.levels.pop(0)]).reshape(*size)


def peer(folder: Path, source: Path, identity: str) -> None:
    """Runs in the other environment: reads given.npz, writes peer.npz."""
    import torch

    code, edm = authors(source)
    with np.load(folder / "given.npz") as file:
        given = dict(file)
    guidance = code.EDMGuidance.__new__(code.EDMGuidance)
    torch.nn.Module.__init__(guidance)
    guidance.real_unet, guidance.fake_unet, guidance.cls_pred_branch = networks(torch, edm.EDMPrecond, given)
    guidance.gan_classifier = guidance.diffusion_gan = True
    guidance.sigma_data, guidance.num_train_timesteps, guidance.diffusion_gan_max_timestep = 0.5, 1000, 1000
    guidance.min_step, guidance.max_step = 20, 980
    draws = Draws(torch, given, guidance)
    torch.randint, torch.randn_like = draws.randint, draws.noise
    out: dict[str, Any] = {"karras": code.get_sigmas_karras(10, 0.002, 80.0).flip(0)}

    x = torch.from_numpy(given["x"]).requires_grad_()
    draws.expect(["compared", "judged"], ["compared noise", "fake noise"])
    losses, _ = guidance.generator_forward(x, None)
    value = losses["loss_dm"] + WEIGHT * losses["gen_cls_loss"]
    value.backward()
    filled = max(float(p.grad.abs().max()) for p in guidance.fake_unet.parameters() if p.grad is not None)
    out |= {"DMD2, generator": value, "DMD2, generator, gradient": x.grad, "filled": np.array(filled)}
    guidance.zero_grad()
    draws.expect(["score", "judged", "judged"], ["score noise", "real noise", "fake noise"])
    real = {"real_image": torch.from_numpy(given["data"]), "real_label": None}
    losses, _ = guidance.guidance_forward(x, None, real)
    value = losses["loss_fake_mean"] + HEAD_WEIGHT * losses["guidance_cls_loss"]
    value.backward()
    small = guidance.fake_unet.model
    gradients = {"in": getattr(small, "in").grad, "out": small.out.grad, "head": guidance.cls_pred_branch.head.grad}
    out |= {"DMD2, score": value} | {f"DMD2, score, gradient of {n}": g.clone() for n, g in gradients.items()}
    if identity:
        out |= identity_values(torch, Path(identity), draws, guidance)
    arrays = {n: v.detach().numpy() if isinstance(v, torch.Tensor) else v for n, v in out.items()}
    np.savez(folder / "peer.npz", **arrays, version=np.array(torch.__version__))


def authors(source: Path) -> tuple[Any, Any]:
    """Imports the authors' losses and preconditioning, without what they need for pickles and files."""
    persistence: Any = types.ModuleType("torch_utils.persistence")
    persistence.persistent_class = lambda kind: kind
    utils: Any = types.ModuleType("torch_utils")
    utils.persistence = persistence
    network: Any = types.ModuleType("main.edm.edm_network")
    network.get_edm_network = None
    stubs = {"torch_utils": utils, "torch_utils.persistence": persistence, "dnnlib": types.ModuleType("dnnlib")}
    sys.modules.update(stubs | {"main.edm.edm_network": network})
    sys.path[:0] = [str(source)]
    modules = ("main.edm.edm_guidance", "third_party.edm.training.networks")
    code, edm = (importlib.import_module(name) for name in modules)
    return code, edm


def networks(torch: Any, preconditioned: Any, given: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Returns their teacher and score around the small network, and the branch that judges."""

    class Small(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, prefix: str) -> None:
            super().__init__()
            for name in ("in", "out"):
                self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(given[f"{prefix} {name}"])))

        def forward(self, x: Any, noise: Any, class_labels: Any = None, return_bottleneck: bool = False) -> Any:
            joined = torch.cat([x.flatten(1), noise[:, None]], dim=1)
            h = torch.nn.functional.silu(joined @ getattr(self, "in"))
            return h if return_bottleneck else (h @ self.out).reshape(x.shape)

    class Branch(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Parameter(torch.from_numpy(given["fake head"]))

        def forward(self, h: Any) -> Any:
            return (h @ self.head)[:, :, None, None]

    def denoiser(prefix: str) -> Any:
        made = preconditioned.__new__(preconditioned)
        torch.nn.Module.__init__(made)
        made.label_dim, made.use_fp16, made.sigma_data, made.model = 0, False, 0.5, Small(prefix)
        return made

    return denoiser("real"), denoiser("fake"), Branch()


def identity_values(torch: Any, source: Path, draws: Draws, guidance: Any) -> dict[str, Any]:
    """Returns the values and the gradient of SiD's code."""
    spec: Any = importlib.util.spec_from_file_location("sid_loss", source / "training" / "sid_loss.py")
    sid = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sid)
    torch.rand, torch.randn = draws.uniform, draws.uniform
    x, loss = torch.from_numpy(draws.given["x"]).requires_grad_(), sid.SID_EDMLoss()

    def called(net: Any) -> Any:
        return lambda v, sigma, labels, augment_labels: net(v, sigma, labels)

    real, fake = called(guidance.real_unet), called(guidance.fake_unet)
    draws.expect(["compared u"], ["compared noise"])
    value = loss.generator_loss(real, fake, x, alpha=ALPHA).mean()
    value.backward()
    draws.expect(["score normal"], ["score noise"])
    score = loss(fake, x.detach()).mean()
    return {"SiD, generator": value, "SiD, generator, gradient": x.grad, "SiD, score": score}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", required=True, help="Python with torch")
    parser.add_argument("--source", type=Path, required=True, help="clone of DMD2")
    parser.add_argument("--identity", default="", help="clone of SiD")
    arguments = parser.parse_args()
    given, ours = _ours()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.savez(folder / "given.npz", **given)
        command = [arguments.peers_python, __file__, "--peer", str(folder), str(arguments.source), arguments.identity]
        subprocess.run(command, check=True)
        with np.load(folder / "peer.npz") as file:
            theirs = dict(file)
    print(f"torch {theirs.pop('version')}; largest difference / largest entry")
    filled = float(theirs.pop("filled"))
    for name, value in theirs.items():
        print(f"{name:>32} {np.abs(ours[name] - value).max() / np.abs(value).max():10.1e}")
    print(f"their loss of the generator leaves gradients of up to {filled:.1e} in the score, which their loop zeroes")


def _ours() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns weights, data and draws, and what this library makes of them."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    import optax

    import jaxgan as jg
    from jaxgan import diffusion
    from jaxgan.networks.denoisers import Denoiser

    class Small(nn.Module):
        @nn.compact
        def __call__(self, x: Any, noise: Any) -> Any:
            h = jnp.concatenate([x.reshape(x.shape[0], -1), noise[:, None]], axis=1)
            h = nn.silu(nn.Dense(WIDTH, use_bias=False, name="in")(h))
            return nn.Dense(x[0].size, use_bias=False, name="out")(h).reshape(x.shape), h

    class Head(nn.Module):
        @nn.compact
        def __call__(self, h: Any) -> Any:
            return nn.Dense(1, use_bias=False, name="head")(h)[:, 0]

    rng = np.random.default_rng(0)
    real, fake = random_weights(rng), random_weights(rng)
    x, data = (rng.uniform(-1, 1, SHAPE).astype(np.float32) for _ in range(2))

    def params(weights: dict[str, np.ndarray]) -> Any:
        return {
            "network": {name: {"kernel": weights[name]} for name in ("in", "out")},
            "head": {"head": {"kernel": weights["head"]}},
        }

    network = Denoiser(Small(), head=Head())
    turn, rate = jg.Turn(jax.random.key(0), jnp.zeros((), jnp.int32)), optax.sgd(0.1)

    def nets(made: Any, score: Any) -> Any:
        called = {
            n: (lambda v, s, p=p: network.apply({"params": p}, v, s))
            for n, p in (("score", score), ("teacher", params(real)))
        }
        return called | {"generator": lambda z: made}

    def loss(system: Any, player: str) -> Any:
        return lambda made, score: system.players[player].loss(nets(made, score), {"x": data}, turn)[0]

    prior, start = jg.priors.normal(int(np.prod(SHAPE[1:]))), params(fake)
    matching = jg.systems.distribution_matching(prior=prior, optimizer=rate, weight=WEIGHT, head_weight=HEAD_WEIGHT)
    identity = jg.systems.score_identity(prior=prior, optimizer=rate, alpha=ALPHA)
    out: dict[str, Any] = {"karras": diffusion.karras()(jnp.linspace(0, 1, 10))}
    value, gradient = jax.value_and_grad(loss(matching, "generator"))(x, start)
    out |= {"DMD2, generator": value, "DMD2, generator, gradient": gradient}
    value, gradient = jax.value_and_grad(loss(matching, "discriminator"), argnums=1)(x, start)
    out |= {"DMD2, score": value, "DMD2, score, gradient of head": gradient["head"]["head"]["kernel"]}
    out |= {f"DMD2, score, gradient of {name}": gradient["network"][name]["kernel"] for name in ("in", "out")}
    value, gradient = jax.value_and_grad(loss(identity, "generator"))(x, start)
    out |= {
        "SiD, generator": value,
        "SiD, generator, gradient": gradient,
        "SiD, score": loss(identity, "score")(x, start),
    }

    given = {f"{who} {name}": w for who, weights in (("real", real), ("fake", fake)) for name, w in weights.items()}
    given |= {"x": x, "data": data}
    one, known = jnp.ones(SHAPE[0]), diffusion.karras()
    for use in ("compared", "real", "fake", "score"):
        given[f"{use} noise"] = np.asarray(diffusion.noised(jnp.zeros(SHAPE), one, turn, use))
    for use, levels in {"compared": diffusion.within(known, 0.02, 0.98), "judged": known, "score": known}.items():
        given[use] = np.asarray(diffusion.draw_levels(levels, SHAPE[0], turn, use))
    given["compared u"] = np.asarray(diffusion.draw_levels(lambda u: u, SHAPE[0], turn, "compared"))
    given["score normal"] = np.asarray(
        diffusion.draw_levels(lambda u: jax.scipy.special.ndtri(u), SHAPE[0], turn, "score")
    )
    return given, {name: np.asarray(value) for name, value in out.items()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        main()
