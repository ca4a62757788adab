"""Finding images and labels among R objects whose names are not documented, by type and shape."""

import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kewcore.data.rfile import Factor
from kewcore.errors import DataError

PixelOrder = Literal["column", "row"]
_FEWEST_PIXELS = 64
_MOST_CLASSES = 100
_MAPPED_BYTES = 1 << 26
_BT601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Images:
    """Images of one part, read in blocks.

    Attributes:
        name: Path of the R object, such as `train$x`.
        part: `train`, `test`, `val`, or None where the name says nothing.
        count: Number of images.
        values: The object: an array, a list of matrices, or columns of pixels.
        axis: Of an array, the axis along which images are counted.
        pixel_order: How images that are stored as rows of a matrix were flattened.
    """

    name: str
    part: str | None
    count: int
    values: Any
    axis: int
    pixel_order: PixelOrder

    def block(self, start: int, stop: int) -> list[NDArray[Any]]:
        """Reads images `[H, W]` from `start` up to `stop`, with the values that R had."""
        if isinstance(self.values, Mapping):
            flat = np.stack([np.asarray(column[start:stop]) for column in self.values.values()], axis=1)
            return [self._unflattened(row) for row in flat]
        if isinstance(self.values, Sequence):
            return [_grey(_copied(np.asarray(one))) for one in self.values[start:stop]]
        index = (slice(None),) * self.axis + (slice(start, stop),)
        block = np.moveaxis(_copied(self.values[index]), self.axis, 0)
        return [self._unflattened(one) if block.ndim == 2 else _grey(one) for one in block]

    def extremes(self) -> tuple[float, float]:
        """Returns the least and the greatest value of all images; NaN where any is missing."""
        if isinstance(self.values, np.ndarray):
            slabs: Iterator[NDArray[Any]] = _slabs(self.values)
        else:
            slabs = (one for start in range(self.count) for one in self.block(start, start + 1))
        ranges = np.array([(slab.min(), slab.max()) for slab in slabs], dtype=np.float64)
        return float(ranges[:, 0].min()), float(ranges[:, 1].max())

    def _unflattened(self, row: NDArray[Any]) -> NDArray[Any]:
        side = isqrt(row.size)
        return row.reshape(side, side, order="F" if self.pixel_order == "column" else "C")


@dataclass(frozen=True)
class Labels:
    """Labels of one part: names, or whole numbers."""

    name: str
    part: str | None
    values: NDArray[Any]

    @property
    def named(self) -> bool:
        """Whether labels are names rather than numbers."""
        return self.values.dtype.kind in "US"


def find_parts(
    objects: Mapping[str, Any], pixel_order: PixelOrder = "column"
) -> dict[str | None, tuple[Images, Labels]]:
    """Finds images and their labels, by part.

    Images may be arrays `[N, H, W]` or `[H, W, N]`, with or without an axis of 1 or 3 channels, lists of matrices,
    matrices `[N, H * W]` of square images, and data frames with a column a pixel. Labels may be factors, texts, whole
    numbers or one-hot matrices. Labels belong to the images that they are as many as and closest to by name.

    Returns:
        Images and labels of `train` and `test` (and `val`), or of None alone where no part is named.

    Raises:
        DataError: Nothing fits, or more than one thing does; the message lists what is inside.
    """
    leaves = list(_leaves(objects, ""))
    labels = [found for name, value in leaves if (found := _labels(name, value)) is not None]
    images = [one for name, value in leaves for one in _images(name, value, labels, pixel_order)]
    paired: dict[str | None, list[tuple[Images, Labels]]] = {}
    for one in images:
        fitting = [label for label in labels if len(label.values) == one.count]
        if fitting:
            ranked = sorted(fitting, key=lambda label, one=one: _closeness(one, label), reverse=True)  # type: ignore[misc]
            if len(ranked) > 1 and _closeness(one, ranked[0]) == _closeness(one, ranked[1]):
                raise _unclear(f"two sets of labels fit '{one.name}': {ranked[0].name} and {ranked[1].name}", objects)
            paired.setdefault(one.part, []).append((one, ranked[0]))
    if {"train", "test"} <= paired.keys():
        paired.pop(None, None)
    elif set(paired) != {None}:
        raise _unclear("found no images with as many labels" if not paired else "found only a part", objects)
    for part, pairs in paired.items():
        if len(pairs) > 1:
            names = ", ".join(one.name for one, _ in pairs)
            raise _unclear(f"more than one object may be the images of {part or 'the set'}: {names}", objects)
    return {part: pairs[0] for part, pairs in paired.items()}


def listing(objects: Mapping[str, Any]) -> str:
    """Lists R objects with type and shape, one a line."""
    return "".join(f"\n  {name}: {_shape(value)}" for name, value in _leaves(objects, ""))


def _unclear(problem: str, objects: Mapping[str, Any]) -> DataError:
    return DataError(f"cannot tell which R objects are images and labels: {problem}; the file holds:{listing(objects)}")


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and not _is_pixel_columns(value):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}${key}" if name else str(key))
    elif isinstance(value, list | tuple) and not _is_matrices(value):
        for number, inner in enumerate(value, start=1):
            yield from _leaves(inner, f"{name}[[{number}]]")
    elif isinstance(value, Mapping):
        pixels = _pixel_columns(value)
        yield name, pixels
        for key, inner in value.items():
            if key not in pixels:
                yield from _leaves(inner, f"{name}${key}")
    elif hasattr(value, "dims"):  # an xarray.DataArray: rdata's form of an array with names
        yield name, np.asarray(value)
    else:
        yield name, value


def _images(name: str, value: Any, labels: list[Labels], pixel_order: PixelOrder) -> list[Images]:
    counts = {len(label.values) for label in labels}
    part = _part(name)
    if isinstance(value, Mapping):
        count = len(next(iter(value.values())))
        return [Images(name, part, count, value, 0, pixel_order)] if count in counts else []
    if isinstance(value, list | tuple):
        return [Images(name, part, len(value), value, 0, pixel_order)] if len(value) in counts else []
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iufb" or value.ndim not in {2, 3, 4}:
        return []
    for axis in (0, value.ndim - 1):
        if value.shape[axis] in counts:
            image = value.shape[:axis] + value.shape[axis + 1 :]
            flat = len(image) == 1 and image[0] >= _FEWEST_PIXELS and isqrt(image[0]) ** 2 == image[0]
            coloured = len(image) == 3 and any(size in {1, 3} for size in image)
            if flat or len(image) == 2 or coloured:
                return [Images(name, part, value.shape[axis], value, axis, pixel_order)]
    return []


def _labels(name: str, value: Any) -> Labels | None:
    if isinstance(value, Factor):
        return Labels(name, _part(name), np.array(value.names, dtype=str))
    if not isinstance(value, np.ndarray) or value.size == 0:
        return None
    if value.ndim == 2 and 2 <= value.shape[1] <= _MOST_CLASSES and value.dtype.kind in "iufb":
        one_hot = bool(np.all((value == 0) | (value == 1)) and np.all(value.sum(axis=1) == 1))
        return Labels(name, _part(name), value.argmax(axis=1)) if one_hot else None
    if value.ndim == 2 and value.shape[1] == 1:
        value = value[:, 0]
    if value.ndim != 1:
        return None
    if value.dtype.kind in "USO":
        return Labels(name, _part(name), value.astype(str))
    if value.dtype.kind in "iuf" and np.all(np.isfinite(value)) and np.all(value == np.floor(value)):
        whole = value.astype(np.int64)
        return Labels(name, _part(name), whole) if len(np.unique(whole)) <= _MOST_CLASSES else None
    return None


def _closeness(images: Images, labels: Labels) -> tuple[bool, int, bool]:
    """Ranks labels for images: of the same part, in the same list, and names before numbers."""
    ours, theirs = re.split(r"\$|\[\[", images.name)[:-1], re.split(r"\$|\[\[", labels.name)[:-1]
    shared = next(
        (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
    )
    inside = labels.name.startswith(images.name + "$")
    return images.part == labels.part, shared + inside, labels.named


def _part(name: str) -> str | None:
    lower = name.lower()
    if "train" in lower:
        return "train"
    if "test" in lower:
        return "test"
    return "val" if re.search(r"(^|[^a-z])val(id|idation)?([^a-z]|$)", lower) else None


def _grey(image: NDArray[Any]) -> NDArray[Any]:
    """Brings one image to `[H, W]`: takes a single channel away, or weighs three by ITU-R BT.601."""
    if image.ndim == 2:
        return image
    channel = next(axis for axis in (2, 0, 1) if image.shape[axis] in {1, 3})
    planes = np.moveaxis(image, channel, -1)
    return planes[..., 0] if planes.shape[-1] == 1 else planes.astype(np.float32) @ _BT601


def _copied(values: NDArray[Any]) -> NDArray[Any]:
    """Copies values into memory, in R's order."""
    copy = np.empty(values.shape, values.dtype, order="F")
    start = 0
    for slab in _slabs(values):
        copy[..., start : start + slab.shape[-1]] = slab
        start += slab.shape[-1]
    return copy


def _slabs(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Walks along the last axis, letting go of a mapped file's pages on the way.

    R keeps the first axis together, so a few images of `[N, H, W]` are spread over every page of the file: walking
    along the last axis reads the file once, in order, and at most `_MAPPED_BYTES` of it are held.
    """
    mapped: Any = values
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    if not isinstance(mapped, mmap.mmap) or not hasattr(mapped, "madvise"):
        yield values
        return
    step = max(1, _MAPPED_BYTES * values.shape[-1] // len(mapped))
    for start in range(0, values.shape[-1], step):
        yield values[..., start : start + step]
        mapped.madvise(mmap.MADV_DONTNEED)


def _is_matrices(value: Sequence[Any]) -> bool:
    return len(value) > 0 and all(
        isinstance(one, np.ndarray) and one.dtype.kind in "iufb" and one.size >= _FEWEST_PIXELS
        and (one.ndim == 2 or (one.ndim == 3 and (one.shape[2] in {1, 3} or one.shape[0] in {1, 3})))
        for one in value
    )  # fmt: skip


def _pixel_columns(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns of a data frame that are pixels: the most numeric ones that make a square."""
    columns = {
        key: one
        for key, one in value.items()
        if isinstance(one, np.ndarray) and one.ndim == 1 and one.dtype.kind in "iuf"
    }
    square = isqrt(len(columns)) ** 2
    surplus = len(columns) - square
    labels_first = [key for key in columns if not re.search(r"label|class|target|^y$", str(key), re.IGNORECASE)]
    if surplus and len(labels_first) == square:
        return {key: columns[key] for key in labels_first}
    return columns if not surplus else {}


def _is_pixel_columns(value: Mapping[str, Any]) -> bool:
    if len(value) < _FEWEST_PIXELS:
        return False
    pixels = _pixel_columns(value)
    return len(pixels) >= _FEWEST_PIXELS and len({len(column) for column in pixels.values()}) == 1


def _shape(value: Any) -> str:
    if isinstance(value, Factor):
        return f"factor of {len(value.names)} ({', '.join(sorted(set(value.names))[:8])})"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, Mapping):
        return f"data frame with {len(value)} columns of pixels"
    if isinstance(value, list | tuple):
        return f"list of {len(value)}"
    return type(value).__name__
