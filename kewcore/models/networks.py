"""Which networks a recipe can name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

from kewcore.errors import UsageError
from kewcore.models.kewcnn import BLOCKS, build_kewcnn, kewcnn_logits


@dataclass(frozen=True)
class Network:
    """One network, as it is saved and as it is trained.

    Attributes:
        build: `(height, width, classes) -> keras.Model`, from `[N, H, W, 1]`, 0…255, to probabilities `[N, classes]`.
        logits: `(weights, image, dropout_seed) -> logits`: the same function over `model.trainable_variables`, in the
            order of operations that trains fastest; without dropout where the seed is None.
        smallest_side: Fewest rows and columns that an image may have, so that pooling leaves something.
    """

    build: Callable[[int, int, int], Any]
    logits: Callable[[Any, Any, Any], Any]
    smallest_side: int

    def check_size(self, height: int, width: int) -> None:
        """Refuses images that are too small for the network.

        Raises:
            UsageError: Height or width is below `smallest_side`.
        """
        if min(height, width) < self.smallest_side:
            raise UsageError(
                f"the network needs images of at least {self.smallest_side}x{self.smallest_side} pixels, "
                f"got height {height}, width {width}"
            )


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {"kewcnn": Network(build_kewcnn, kewcnn_logits, smallest_side=prod(pool for _, _, pool in BLOCKS))}
)


def find_network(name: str) -> Network:
    """Looks a network up by the name that recipes use.

    Raises:
        UsageError: There is no network of that name.
    """
    if name not in NETWORKS:
        raise UsageError(f"no network '{name}'; there are: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]
