"""Networks: one file for each family, all of them Linen modules called `net(inputs, *conditions, train=...)`."""

from jaxgan.networks import dcgan, layers, mlp, remedies, virtual

__all__ = ["dcgan", "layers", "mlp", "remedies", "virtual"]
