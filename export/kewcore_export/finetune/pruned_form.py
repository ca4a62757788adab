"""Pruning that comes bit by bit, so that what stays can take over from what goes.

Source: M. Zhu and S. Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model compression", 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.models.tensorflow import import_tensorflow
from kewcore_export.finetune.palette_form import PaletteForm
from kewcore_export.finetune.parameters import FloatForm, Tensors, Values
from kewcore_export.quantizers.compressed import (
    PaletteWeight,
    RoundedWeight,
    SparsePaletteWeight,
    SparseWeight,
    StoredWeight,
)
from kewcore_export.quantizers.sparse import magnitude_mask

RAMP = 0.5
"""Part of the training after which a weight is as sparse as it is to be; the rest of it recovers."""


@dataclass(frozen=True)
class PrunedForm:
    """A form some of whose values are zero: those of least magnitude, more and more of them.

    Attributes:
        kept: How the values that stay are learned.
        mask: bool, the weight's shape; which values stay before training.
        sparsity: Part of zeros at the end.
    """

    kept: FloatForm | PaletteForm
    mask: NDArray[np.bool_]
    sparsity: float

    @property
    def initial(self) -> tuple[Values, ...]:
        """The variables of the values that stay, and the mask: 1 where a value stays, else 0."""
        return (*self.kept.initial, self.mask.astype(np.float32))

    @property
    def trained(self) -> tuple[bool, ...]:
        """All but the mask."""
        return (*self.kept.trained, False)

    @property
    def units(self) -> tuple[float, ...]:
        """Those of the values that stay."""
        return (*self.kept.units, 1.0)

    @property
    def gradual(self) -> bool:
        """Whether it begins without zeros; a palette was fitted to the values that stay, and has none for others."""
        return isinstance(self.kept, FloatForm)

    def dense(self, variables: Tensors) -> Any:
        """Zeros, and the values that stay."""
        return self.kept.dense(variables[:-1]) * variables[-1]

    def gradients(self, variables: Tensors, gradient: Any) -> list[Any]:
        """What is zero learns nothing."""
        tf = import_tensorflow()
        return [*self.kept.gradients(variables[:-1], gradient * variables[-1]), tf.zeros([])]

    def stored(self, variables: Tensors) -> StoredWeight:
        """As `SparseWeight` or `SparsePaletteWeight`."""
        mask = np.asarray(variables[-1]) != 0
        match self.kept.stored(variables[:-1]):
            case RoundedWeight(values):
                return SparseWeight(mask, values[mask])
            case PaletteWeight(indices, palette, bits):
                return SparsePaletteWeight(mask, indices[mask], palette, bits)
            case other:
                raise TypeError(f"no sparse form holds a {type(other).__name__}")

    def refreshed(self, variables: Sequence[Values], progress: float) -> tuple[Values, ...]:
        """Chooses anew which values stay, as many as it is time for."""
        left = max(0.0, 1 - progress / RAMP) if self.gradual else 0.0
        mask = magnitude_mask(self.kept.latent(variables[:-1]), self.sparsity * (1 - left**3))
        return (*variables[:-1], mask.astype(np.float32))
