"""Makes golden/zip.pth, golden/legacy.pth and golden/pth.npz: one small state dict as torch.save writes it, and plain.

Command, in an environment with torch and numpy:
    python tests/metrics/extractors/golden/make_pth.py
Made with torch 2.13.0 (CPU).
"""

from pathlib import Path

import numpy as np
import torch


def main():
    torch.manual_seed(0)
    base = torch.randn(4, 6)
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3))
    state = net.state_dict()  # an OrderedDict with _metadata
    state["turned"] = base.t()
    state["cut"] = base[1:3, ::2]
    state["again"] = base
    state["parameter"] = torch.nn.Parameter(torch.randn(3))
    state["empty"] = torch.zeros(0, 5)
    kinds = ("float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    state |= {kind: (10 * torch.randn(5)).abs().to(getattr(torch, kind)) for kind in kinds}
    here = Path(__file__).parent
    torch.save(state, here / "zip.pth")
    torch.save(state, here / "legacy.pth", _use_new_zipfile_serialization=False)
    plain = {name: (v.float() if v.dtype == torch.bfloat16 else v).detach().numpy() for name, v in state.items()}
    np.savez_compressed(here / "pth.npz", **plain)


if __name__ == "__main__":
    main()
