"""Makes golden/inception.npz: what torch-fidelity's own InceptionV3 says of random images under random weights.

Command, in an environment with torch, torch-fidelity and numpy (JAX is not needed):
    python tests/metrics/extractors/golden/make_inception.py
The weights are those of ../random_weights.py, so the file holds outputs alone. Made with torch 2.13.0 (CPU) and
torch-fidelity 0.4.0.
"""

import importlib
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_weights import EVERY, RESIZES, SIZES, random_image, random_state_dict


def peers(*names):
    """Modules of torch-fidelity alone: the package itself would import torchvision, for its other networks."""
    package = types.ModuleType("torch_fidelity")
    package.__path__ = list(importlib.util.find_spec("torch_fidelity").submodule_search_locations)
    sys.modules["torch_fidelity"] = package
    return [importlib.import_module(f"torch_fidelity.{name}") for name in names]


peer, interpolate = peers("feature_extractor_inceptionv3", "interpolate_compat_tensorflow")
TAPS = ("64", "192", "768", "2048", "logits_unbiased", "logits")


def network():
    """torch-fidelity's network, without its weight file."""
    peer.load_state_dict_from_url = lambda *args, **kwargs: {}
    load = torch.nn.Module.load_state_dict
    torch.nn.Module.load_state_dict = lambda *args, **kwargs: None
    net = peer.FeatureExtractorInceptionV3("peer", list(TAPS))
    torch.nn.Module.load_state_dict = load
    shapes = {name: tuple(v.shape) for name, v in net.state_dict().items() if "num_batches" not in name}
    state = {name: torch.from_numpy(v) for name, v in random_state_dict(shapes).items()}
    missing = net.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    assert all("num_batches" in name for name in missing.missing_keys)
    return net, shapes


def resized(image, size):
    x = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    y = interpolate.interpolate_bilinear_2d_like_tensorflow1x(x, size, align_corners=False)
    return y[0].permute(1, 2, 0).numpy()


def main():
    net, shapes = network()
    spatial = []
    net.Mixed_6d.branch1x1.register_forward_hook(lambda module, inputs, output: spatial.append(output))
    out = {name: [] for name in TAPS}
    for height, width in SIZES:
        image = random_image(height, width, 0)
        with torch.no_grad():
            features = net(torch.from_numpy(image).permute(2, 0, 1)[None])
        for name, value in zip(TAPS, features, strict=True):
            out[name].append(value.numpy()[0])
    golden = {f"tap {name}": np.stack(values) for name, values in out.items()}
    golden["tap mixed_6"] = np.stack([x[0].permute(1, 2, 0)[..., :7].reshape(-1).numpy() for x in spatial])
    for (height, width), size in RESIZES:
        golden[f"resize {height} {width} {size[0]} {size[1]}"] = resized(random_image(height, width, 1), size)
    for height, width in SIZES:
        golden[f"corner {height} {width}"] = resized(random_image(height, width, 0), (299, 299))[::EVERY, ::EVERY]
    golden["names"] = np.array(sorted(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()))
    np.savez_compressed(Path(__file__).with_name("inception.npz"), **golden)
    print({name: value.shape for name, value in golden.items()})
    print({name: float(np.abs(value).mean()) for name, value in golden.items() if name.startswith("tap")})


if __name__ == "__main__":
    main()
