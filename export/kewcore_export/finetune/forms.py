"""The trainable form of each stored form."""

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from kewcore_export.finetune.linear_form import LinearForm
from kewcore_export.finetune.palette_form import PaletteForm, VectorPaletteForm
from kewcore_export.finetune.parameters import FloatForm, TrainableForm
from kewcore_export.finetune.pruned_form import PrunedForm
from kewcore_export.quantizers.blocks import from_rows, to_rows
from kewcore_export.quantizers.compressed import (
    LinearWeight,
    PaletteWeight,
    RoundedWeight,
    SparsePaletteWeight,
    SparseWeight,
    StoredWeight,
    VectorPaletteWeight,
)
from kewcore_export.quantizers.palette import nearest


def trainable(weight: StoredWeight, float32: NDArray[np.float32]) -> TrainableForm:
    """Makes a stored weight trainable.

    Args:
        weight: As stored before training.
        float32: Its values before compression.
    """
    match weight:
        case RoundedWeight(values):
            return FloatForm(values)
        case LinearWeight():
            return LinearForm(weight, float32)
        case PaletteWeight():
            return PaletteForm(weight, float32)
        case VectorPaletteWeight():
            return VectorPaletteForm(weight)
        case SparseWeight(mask, kept):
            values = float32.astype(np.float16)
            values[mask] = kept
            return PrunedForm(FloatForm(values), mask)
        case SparsePaletteWeight():
            return PrunedForm(PaletteForm(_without_mask(weight, float32), float32), weight.mask)
        case _:
            assert_never(weight)


def _without_mask(weight: SparsePaletteWeight, float32: NDArray[np.float32]) -> PaletteWeight:
    """Gives every value an index, those that are masked too: the nearest entry."""
    blocks = weight.palette.shape[:-1]
    palettes = weight.palette.reshape(-1, weight.palette.shape[-1])
    rows = [nearest(row, palette) for row, palette in zip(to_rows(float32, blocks), palettes, strict=True)]
    indices = from_rows(np.stack(rows), float32.shape, blocks)
    indices[weight.mask] = weight.indices
    return PaletteWeight(indices, weight.palette, weight.bits)
