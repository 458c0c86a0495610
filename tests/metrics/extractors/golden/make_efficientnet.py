"""Makes golden/efficientnet.npz: what another EfficientNet-Lite0 says of random images under random weights.

Command, in an environment with torch and efficientnet-lite-pytorch 0.1.0 (JAX is not needed):
    python tests/metrics/extractors/golden/make_efficientnet.py
The weights are those of ../random_weights.py, so the file holds outputs alone. Made with torch 2.13.0 (CPU).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_weights import random_image, random_state_dict


def main():
    net = EfficientNet.from_name("efficientnet-lite0").eval()
    shapes = {name: tuple(v.shape) for name, v in net.state_dict().items() if "num_batches" not in name}
    state = {name: torch.from_numpy(v) for name, v in random_state_dict(shapes).items()}
    assert not net.load_state_dict(state, strict=False).unexpected_keys
    images = np.stack([random_image(224, 224, number) for number in range(2)]).astype(np.float32)
    with torch.no_grad():
        x = torch.from_numpy((images - 127) / 128).permute(0, 3, 1, 2)
        features, logits = net.extract_features(x).mean((2, 3)), net(x)
    names = np.array(sorted(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()))
    path = Path(__file__).with_name("efficientnet.npz")
    np.savez_compressed(path, features=features.numpy(), logits=logits.numpy(), names=names)
    print(features.shape, logits.shape, features.mean(), features.std(0).mean(), logits.std(0).mean())


if __name__ == "__main__":
    main()
