"""Quantizers and losses of tokenizers beside public PyTorch code, on the same random vectors and weights.

Command: python benchmarks/tokenizer_parity.py --peers-python PATH [--taming FOLDER] [--voken FOLDER]
PATH is the Python of an environment with torch, torchvision, einops and vector-quantize-pytorch (JAX is not needed
there). FOLDER are clones of CompVis/taming-transformers and of TencentARC/SEED-Voken, for VQGAN's adaptive weight,
hinge loss and quantizer, and for Open-MAGVIT2's LeCam; without them the adaptive weight is the formula by torch's
autograd. Prints for everything compared the largest difference relative to the largest value; wanted: 1e-5 at most.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np

LEVELS, BITS, SHARPNESS, DECAY = (8, 5, 4, 3), 6, 0.25, 0.97  # of p < 1e-5 the public LFQ cuts logarithms
SHARE = 0.8  # of the adversarial loss


def drawn() -> dict[str, np.ndarray]:
    """Returns the vectors and weights that both sides are given."""
    rng = np.random.default_rng(0)
    shapes = {
        "z": (4, 9, 4),
        "codes": (11, 4),
        "scalars": (4, 9, len(LEVELS)),
        "signs": (4, 9, BITS),
        "slope": (4, 9, 4),
    }
    shapes |= {"scalars_slope": (4, 9, len(LEVELS)), "signs_slope": (4, 9, BITS), "real": (8, 3, 3), "fake": (8, 3, 3)}
    shapes |= {"h": (10, 7), "first": (7, 5), "last": (5, 6), "x": (10, 6), "judge": (6, 5), "verdict": (5, 1)}
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return arrays | {"counts": (1 + rng.random(11)).astype(np.float32)}


def peer(folder: Path, taming: str, voken: str) -> None:
    """Runs in the other environment: reads given.npz, writes peer.npz."""
    import torch
    from vector_quantize_pytorch import FSQ, LFQ, VectorQuantize

    with np.load(folder / "given.npz") as file:
        given = {name: torch.from_numpy(file[name]) for name in file}
    out: dict[str, Any] = {}

    def noted(name: str, module: Any, z: torch.Tensor, slope: torch.Tensor, **settings: Any) -> Any:
        z = z.clone().requires_grad_()
        codes, tokens, *loss = module(z, **settings)
        total = (codes * slope).sum() + (loss[0].sum() if loss else 0)
        (gradient,) = torch.autograd.grad(total, z)
        out.update({f"{name} codes": codes, f"{name} tokens": tokens, f"{name} gradient": gradient})
        out.update({f"{name} loss": loss[0].reshape(())} if loss else {})

    z, codes, counts = given["z"], given["codes"], given["counts"]
    vq = VectorQuantize(
        4, len(codes), decay=DECAY, commitment_weight=0.25, rotation_trick=False, threshold_ema_dead_code=0
    ).train()
    book = vq._codebook
    for name, value in (("embed", codes), ("cluster_size", counts), ("embed_avg", codes * counts[:, None])):
        getattr(book, name).data.copy_(value[None])
    noted("EMAVQ", vq, z, given["slope"])
    out |= {"EMAVQ codebook after": book.embed[0], "EMAVQ counts after": book.cluster_size[0]}
    noted("FSQ", FSQ(list(LEVELS)).train(), given["scalars"], given["scalars_slope"])
    lfq = LFQ(codebook_size=2**BITS, dim=BITS, entropy_loss_weight=0.1, commitment_loss_weight=0.25).train()
    noted("LookupFree", lfq, given["signs"], given["signs_slope"], inv_temperature=SHARPNESS)

    out |= peer_losses(given, taming, voken)
    arrays = {name: value.detach().numpy() for name, value in out.items()}
    np.savez(folder / "peer.npz", **arrays, version=np.array(torch.__version__))


def peer_losses(given: Any, taming: str, voken: str) -> dict[str, Any]:
    """Returns what public losses and VQGAN's quantizer make of the same."""
    import torch
    from torch.nn import functional

    out: dict[str, Any] = {}
    z, codes = given["z"], given["codes"]
    last = given["last"].clone().requires_grad_()
    made = torch.tanh(given["h"] @ given["first"]) @ last
    nll = (made - given["x"]).abs().mean()
    fools = -(functional.leaky_relu(made @ given["judge"], 0.2) @ given["verdict"]).mean()
    if taming:
        sys.path.insert(0, taming)
        from taming.modules.losses import vqperceptual
        from taming.modules.vqvae.quantize import VectorQuantizer2

        whole = vqperceptual.VQLPIPSWithDiscriminator.calculate_adaptive_weight
        out["adaptive weight"] = whole(types.SimpleNamespace(discriminator_weight=SHARE), nll, fools, last)
        out["hinge"] = 2 * vqperceptual.hinge_d_loss(given["real"], given["fake"])  # theirs is half of it
        quantizer = VectorQuantizer2(len(codes), 4, 0.25, legacy=False)
        quantizer.embedding.weight.data.copy_(codes)
        images = z.permute(0, 2, 1)[..., None].clone().requires_grad_()
        chosen, loss, _ = quantizer(images)
        loss.backward()
        out |= {"VQ codes": chosen[..., 0].permute(0, 2, 1), "VQ loss": loss}
        out |= {
            "VQ gradient": images.grad[..., 0].permute(0, 2, 1),
            "VQ codebook gradient": quantizer.embedding.weight.grad,
        }
    else:
        norms = [torch.norm(torch.autograd.grad(term, last, retain_graph=True)[0]) for term in (nll, fools)]
        out["adaptive weight"] = SHARE * torch.clamp(norms[0] / (norms[1] + 1e-4), 0.0, 1e4)
    if voken:
        sys.path.insert(0, voken)
        from src.Open_MAGVIT2.modules.losses import vqperceptual as magvit

        memory = magvit.LeCAM_EMA(decay=DECAY)
        memory.update(given["real"], given["fake"])
        out["LeCam"] = magvit.lecam_reg(given["real"], given["fake"], memory)
        out["non-saturating"] = magvit.non_saturate_gen_loss(given["fake"][:, None])
    return out


def ours(given: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns the same things by this library."""
    import jax
    import jax.numpy as jnp

    import jaxgan as jg
    from jaxgan.networks import quantizers

    out: dict[str, Any] = {}

    def noted(name: str, call: Any, z: np.ndarray, slope: np.ndarray) -> None:
        coded = call(z)
        gradient = jax.grad(lambda z: jnp.sum(call(z).codes * slope) + call(z).loss)(z)
        out.update({f"{name} codes": coded.codes, f"{name} tokens": coded.tokens, f"{name} gradient": gradient})
        out[f"{name} loss"] = coded.loss

    z, codes, counts = given["z"], given["codes"], given["counts"]
    ema = quantizers.EMAVQ(len(codes), commitment=0.25, decay=DECAY, revive=0.0)
    book = {"codebook": {"codes": codes, "counts": counts, "sums": codes * counts[:, None]}}
    streams = {"global": jax.random.key(0)}
    noted("EMAVQ", lambda z: ema.apply(book, z, mutable=["codebook"], rngs=streams)[0], z, given["slope"])
    after = ema.apply(book, z, mutable=["codebook"], rngs=streams)[1]["codebook"]
    out |= {"EMAVQ codebook after": after["codes"], "EMAVQ counts after": after["counts"]}
    noted("FSQ", lambda z: quantizers.FSQ(LEVELS).apply({}, z), given["scalars"], given["scalars_slope"])
    signs = quantizers.LookupFree(BITS, sharpness=SHARPNESS)
    noted("LookupFree", lambda z: signs.apply({}, z), given["signs"], given["signs_slope"])
    plain = quantizers.VQ(len(codes))
    loss = lambda z, codes: plain.apply({"params": {"codes": codes}}, z).loss  # noqa: E731
    out |= {"VQ codes": plain.apply({"params": {"codes": codes}}, z).codes, "VQ loss": loss(z, codes)}
    out |= dict(zip(("VQ gradient", "VQ codebook gradient"), jax.grad(loss, (0, 1))(z, codes), strict=True))

    made = lambda last: jnp.tanh(given["h"] @ given["first"]) @ last  # noqa: E731
    nll = lambda last: jg.losses.absolute_error(made(last), given["x"])  # noqa: E731
    fools = lambda last: -jnp.mean(jax.nn.leaky_relu(made(last) @ given["judge"], 0.2) @ given["verdict"])  # noqa: E731
    out["adaptive weight"] = SHARE * jg.losses.adaptive_weight(nll, fools, jnp.asarray(given["last"]))
    out["hinge"] = jg.losses.hinge.discriminator(given["real"], given["fake"])
    means = [np.mean(given[side], axis=(1, 2)) for side in ("real", "fake")]  # Open-MAGVIT2's logit of an image
    out["non-saturating"] = jg.losses.non_saturating.generator(*means)
    memory = jg.penalties.LeCamState(jnp.zeros(()), jnp.zeros(()))
    memory = jg.penalties.lecam_update(memory, given["real"], given["fake"], DECAY)
    out["LeCam"] = jg.penalties.lecam(memory, given["real"], given["fake"])
    return {name: np.asarray(value) for name, value in out.items()}


def main() -> None:
    """Prints the table."""
    import jax

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", required=True, help="Python with torch and vector-quantize-pytorch")
    parser.add_argument("--taming", default="", help="clone of CompVis/taming-transformers")
    parser.add_argument("--voken", default="", help="clone of TencentARC/SEED-Voken")
    arguments = parser.parse_args()
    given = drawn()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.savez(folder / "given.npz", **given)
        words = [arguments.peers_python, __file__, "--peer", temporary, arguments.taming, arguments.voken]
        subprocess.run(words, check=True)
        with np.load(folder / "peer.npz") as file:
            theirs = dict(file)
    mine = ours(given)
    print(f"JAX {jax.__version__}, torch {theirs.pop('version')}; largest difference / largest value")
    for name, value in theirs.items():
        error = np.abs(mine[name] - value).max() / max(float(np.abs(value).max()), 1e-30)
        print(f"{name:24} {error:8.1e}")
    print(f"not compared: {sorted(set(mine) - set(theirs)) or 'nothing'}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(Path(sys.argv[2]), *sys.argv[3:5])
    else:
        main()
