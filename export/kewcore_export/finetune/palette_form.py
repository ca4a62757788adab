"""Palettes whose entries are learned, with indices that follow the latent values or stay as they are.

Source: S. Han, H. Mao and W. J. Dally, "Deep Compression", ICLR 2016: the gradient of an entry is the sum of the
gradients of all values that it stands for. Here values also move from one entry to another, by a straight-through
gradient.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.models.tensorflow import import_tensorflow
from kewcore_export.finetune.parameters import Tensors, Values, half, step_unit
from kewcore_export.quantizers.blocks import from_rows, to_rows
from kewcore_export.quantizers.compressed import PaletteWeight, StoredWeight, VectorPaletteWeight

_INSIDE = 0.98
"""How far from its entry, in parts of the way to the border, a value may start."""


@dataclass(frozen=True)
class PaletteForm:
    """Latent values that take the nearest entry of their block's palette.

    The latent values are kept in rows, one a block, as `to_rows` has them.

    Attributes:
        weight: As stored before training.
        float32: The values before compression.
    """

    weight: PaletteWeight
    float32: NDArray[np.float32]

    @property
    def initial(self) -> tuple[Values, ...]:
        """The values before compression, where they take the entries that are stored; and the palettes."""
        rows, indices = (to_rows(one, self._blocks) for one in (self.float32, self.weight.indices))
        palette = self.weight.palette.astype(np.float32).reshape(len(rows), -1)
        order = np.argsort(palette, axis=1, kind="stable")
        ladder = np.take_along_axis(palette, order, axis=1)
        places = np.take_along_axis(np.argsort(order, axis=1, kind="stable"), indices.astype(np.intp), axis=1)
        edge = np.full((len(rows), 1), np.inf, np.float32)
        borders = np.concatenate([-edge, (ladder[:, 1:] + ladder[:, :-1]) / 2, edge], axis=1)
        entry = np.take_along_axis(ladder, places, axis=1)
        below, above = (np.take_along_axis(borders, places + step, axis=1) for step in (0, 1))
        latent = np.clip(rows, entry + _INSIDE * (below - entry), entry + _INSIDE * (above - entry))
        return latent.astype(np.float32), palette

    @property
    def units(self) -> tuple[float, ...]:
        """The values', and the magnitude of the palettes."""
        return step_unit(self.float32), _magnitude(self.weight.palette)

    def dense(self, variables: Tensors) -> Any:
        """The nearest entries."""
        tf = import_tensorflow()
        palette, indices, _ = self._parts(variables)
        return _from_rows(tf.gather(palette, indices, batch_dims=1), self.float32.shape, self._blocks)

    def gradients(self, variables: Tensors, gradient: Any) -> list[Any]:
        """Straight through to the latent values, and summed up to the entries."""
        tf = import_tensorflow()
        _, indices, order = self._parts(variables)
        rows = _to_rows(gradient, self._blocks)
        count, entries = order.shape
        first = tf.range(count)[:, tf.newaxis] * entries
        entry_of = tf.gather(order, indices, batch_dims=1) + first
        sums = tf.math.unsorted_segment_sum(tf.reshape(rows, [-1]), tf.reshape(entry_of, [-1]), count * entries)
        return [rows, tf.reshape(sums, [count, entries])]

    def stored(self, variables: Tensors) -> StoredWeight:
        """As `PaletteWeight`, its palettes ascending."""
        palette, indices, _ = self._parts([import_tensorflow().constant(one) for one in variables])
        return PaletteWeight(
            from_rows(indices.numpy().astype(np.uint8), self.float32.shape, self._blocks),
            palette.numpy().astype(np.float16).reshape(self.weight.palette.shape),
            self.weight.bits,
        )

    @property
    def _blocks(self) -> tuple[int, ...]:
        return self.weight.palette.shape[:-1]

    def _parts(self, variables: Tensors) -> tuple[Any, Any, Any]:
        """Gives ascending palettes, indices into these, and where each entry came from."""
        tf = import_tensorflow()
        latent, learned = variables
        learned = half(learned)
        order = tf.argsort(learned, axis=1, stable=True)
        palette = tf.gather(learned, order, batch_dims=1)
        borders = (palette[:, 1:] + palette[:, :-1]) / 2
        return palette, tf.searchsorted(borders, latent), order


@dataclass(frozen=True)
class VectorPaletteForm:
    """Entries that are short vectors; which one a place takes is not learned.

    Attributes:
        weight: As stored before training.
    """

    weight: VectorPaletteWeight

    @property
    def initial(self) -> tuple[Values, ...]:
        """The entries, `[entries, vector]`."""
        return (self.weight.palette.astype(np.float32).reshape(self.weight.palette.shape[-2:]),)

    @property
    def units(self) -> tuple[float, ...]:
        """The magnitude of the palette."""
        return (_magnitude(self.weight.palette),)

    def dense(self, variables: Tensors) -> Any:
        """The entry of each place, its elements side by side along the axis of vectors."""
        tf = import_tensorflow()
        axis, rank = self.weight.axis, self.weight.indices.ndim
        vectors = tf.gather(half(variables[0]), self._indices())
        order = [*range(axis + 1), rank, *range(axis + 1, rank)]
        return tf.reshape(tf.transpose(vectors, order), self.weight.shape)

    def gradients(self, variables: Tensors, gradient: Any) -> list[Any]:
        """Summed up to the entries."""
        tf = import_tensorflow()
        axis, indices = self.weight.axis, self._indices()
        entries, vector = self.weight.palette.shape[-2:]
        split = (*self.weight.shape[:axis], self.weight.shape[axis] // vector, vector, *self.weight.shape[axis + 1 :])
        order = [*range(axis + 1), *range(axis + 2, len(split)), axis + 1]
        rows = tf.reshape(tf.transpose(tf.reshape(gradient, split), order), [-1, vector])
        return [tf.math.unsorted_segment_sum(rows, tf.reshape(indices, [-1]), entries)]

    def stored(self, variables: Tensors) -> StoredWeight:
        """As `VectorPaletteWeight`."""
        palette = np.asarray(variables[0]).astype(np.float16).reshape(self.weight.palette.shape)
        return VectorPaletteWeight(self.weight.indices, palette, self.weight.bits, self.weight.axis)

    def _indices(self) -> Any:
        tf = import_tensorflow()
        return tf.cast(tf.constant(self.weight.indices), tf.int32)


def _magnitude(palette: NDArray[np.float16]) -> float:
    return float(np.sqrt(np.mean(np.square(palette.astype(np.float64))))) or 1.0


def _to_rows(weight: Any, blocks: tuple[int, ...]) -> Any:
    """`kewcore_export.quantizers.blocks.to_rows` on tensors."""
    tf = import_tensorflow()
    if prod(blocks) == 1:
        return tf.reshape(weight, [1, -1])
    rank = len(blocks)
    split = [part for n, b in zip(weight.shape, blocks, strict=True) for part in (b, n // b)]
    order = [*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)]
    return tf.reshape(tf.transpose(tf.reshape(weight, split), order), [prod(blocks), -1])


def _from_rows(rows: Any, shape: tuple[int, ...], blocks: tuple[int, ...]) -> Any:
    """`kewcore_export.quantizers.blocks.from_rows` on tensors."""
    tf = import_tensorflow()
    if prod(blocks) == 1:
        return tf.reshape(rows, shape)
    rank = len(shape)
    sizes = [n // b for n, b in zip(shape, blocks, strict=True)]
    order = [axis for i in range(rank) for axis in (i, rank + i)]
    return tf.reshape(tf.transpose(tf.reshape(rows, [*blocks, *sizes]), order), shape)
