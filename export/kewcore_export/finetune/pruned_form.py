"""Weights with zeros among them: which values are zero stays as compression left it, the others are learned."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.finetune.palette_form import PaletteForm
from kewcore_export.finetune.parameters import FloatForm, Tensors, Values
from kewcore_export.quantizers.compressed import (
    PaletteWeight,
    RoundedWeight,
    SparsePaletteWeight,
    SparseWeight,
    StoredWeight,
)


@dataclass(frozen=True)
class PrunedForm:
    """A form some of whose values are zero.

    Attributes:
        kept: How the values that stay are learned.
        mask: bool, the weight's shape; which values stay.
    """

    kept: FloatForm | PaletteForm
    mask: NDArray[np.bool_]

    @property
    def initial(self) -> tuple[Values, ...]:
        """The variables of the values that stay."""
        return self.kept.initial

    @property
    def units(self) -> tuple[float, ...]:
        """Those of the values that stay."""
        return self.kept.units

    def dense(self, variables: Tensors) -> Any:
        """Zeros, and the values that stay."""
        return self.kept.dense(variables) * self.mask.astype(np.float32)

    def gradients(self, variables: Tensors, gradient: Any) -> list[Any]:
        """What is zero learns nothing."""
        return self.kept.gradients(variables, gradient * self.mask.astype(np.float32))

    def stored(self, variables: Tensors) -> StoredWeight:
        """As `SparseWeight` or `SparsePaletteWeight`."""
        match self.kept.stored(variables):
            case RoundedWeight(values):
                return SparseWeight(self.mask, values[self.mask])
            case PaletteWeight(indices, palette, bits):
                return SparsePaletteWeight(self.mask, indices[self.mask], palette, bits)
            case other:
                raise TypeError(f"no sparse form holds a {type(other).__name__}")
