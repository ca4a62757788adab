"""Sampling of images at given coordinates: resample and affine."""

import numpy as np

from kewcore.runtime.ops.resizing import check_resized
from kewcore.runtime.program import DataType
from kewcore.runtime.registry import FLOATS, Array, StaticArguments, op
from kewcore.runtime.shapes import Shapes

_SOURCE = "iOS15/image_resizing.py"
_COORDINATES = FLOATS | {DataType.INT8, DataType.UINT8, DataType.INT16, DataType.UINT16, DataType.INT32}
_POSITION_CHANNELS = 16
"""Channels of a result whose memory is that of its samples' positions."""
PADDING_MODES = ("constant", "border", "reflection", "symmetric")
COORDINATES_MODES = ("unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one")


def _check_modes(sampling: str, padding: str, coordinates: str) -> None:
    for parameter, value, known in (
        ("sampling_mode", sampling, ("bilinear", "nearest")),
        ("padding_mode", padding, PADDING_MODES),
        ("coordinates_mode", coordinates, COORDINATES_MODES),
    ):
        if value.lower() not in known:
            raise ValueError(f"{parameter} must be one of {', '.join(known)}, got '{value}'")


def _modes(arguments: StaticArguments) -> None:
    names = ("sampling_mode", "padding_mode", "coordinates_mode")
    _check_modes(*(str(arguments.constant(name)) for name in names))


def _resampled(arguments: StaticArguments) -> Shapes:
    _modes(arguments)
    x, coordinates = arguments.shape("x"), arguments.shape("coordinates")
    if x is None or coordinates is None:
        return None
    if len(x) != 4 or len(coordinates) != 4:
        raise ValueError(f"x and coordinates must have rank 4, got {len(x)} and {len(coordinates)}")
    if coordinates[3] not in {2, None} or (None not in {x[0], coordinates[0]} and x[0] != coordinates[0]):
        raise ValueError(f"coordinates must have shape [{x[0]}, height, width, 2], got {list(coordinates)}")
    return ((x[0] or coordinates[0], x[1], coordinates[1], coordinates[2]),)


def _transformed(arguments: StaticArguments) -> Shapes:
    _modes(arguments)
    height, width = int(arguments.constant("output_height")), int(arguments.constant("output_width"))
    if min(height, width) < 1:
        raise ValueError(f"output sizes must be at least 1, got {height} and {width}")
    x, matrix = arguments.shape("x"), arguments.shape("transform_matrix")
    if x is None or matrix is None:
        return None
    if len(x) != 4:
        raise ValueError(f"x must have rank 4, got {len(x)}")
    if len(matrix) != 2 or matrix[1] not in {6, None} or (None not in {x[0], matrix[0]} and matrix[0] not in {1, x[0]}):
        raise ValueError(f"transform_matrix must have shape [1 or {x[0]}, 6], got {list(matrix)}")
    return ((x[0], x[1], height, width),)


def pixel_positions(coordinates: Array, size: int, mode: str, align_corners: bool) -> Array:
    """Brings coordinates along an axis of `size` pixels to positions where 0 is the centre of the first pixel.

    Source: the documentation of `resample` in coremltools.
    """
    if mode == "unnormalized":
        return coordinates
    share = (coordinates + 1) / 2 if mode == "normalized_minus_one_to_one" else coordinates
    return np.asarray(share * (size - 1) if align_corners else share * size - 0.5)


def _inside(positions: Array, size: int, mode: str) -> Array:
    """Brings positions beyond an axis back to it, as far as its padding repeats it; what is no number goes to 0."""
    largest = float(np.finfo(np.float32).max)
    positions = np.asarray(np.nan_to_num(positions, posinf=largest, neginf=-largest))
    if mode == "border":
        return np.clip(positions, 0, size - 1)
    if mode == "constant":
        # Two pixels beyond the end nothing but padding is seen; further away, indices would overflow.
        return np.clip(positions, -2, size + 1)
    edge = 0.0 if mode == "reflection" else -0.5
    span = size - 1 - 2 * edge
    if span <= 0:
        return np.zeros_like(positions)
    distance = np.abs(positions - edge)
    flips, rest = np.floor(distance / span), np.fmod(distance, span)
    return np.clip(np.where(flips % 2 == 0, rest, span - rest) + edge, 0, size - 1)


def sample(x: Array, rows: Array, columns: Array, sampling: str, padding: str, value: float) -> Array:
    """Takes samples of images.

    Args:
        x: Images `[B, C, H, W]`.
        rows: Positions of the samples down the image, in pixels, `[B, H', W']`.
        columns: Positions across.
        sampling: `bilinear` or `nearest`, which takes the even one of two pixels that are as near.
        padding: What lies beyond the image, one of `PADDING_MODES`.
        value: What `constant` padding holds.

    Returns:
        `[B, C, H', W']`.

    Raises:
        ValueError: The result would take more memory than a tensor may.
    """
    _check_samples(x, rows.shape[1:])
    height, width = x.shape[2:]
    rows, columns = _inside(rows, height, padding), _inside(columns, width, padding)
    if sampling == "nearest":
        return _pixels(x, np.rint(rows), np.rint(columns), value)
    top, left = np.floor(rows), np.floor(columns)
    down, across = ((fine - whole)[:, None].astype(np.float32) for fine, whole in ((rows, top), (columns, left)))
    upper = _pixels(x, top, left, value) * (1 - across) + _pixels(x, top, left + 1, value) * across
    lower = _pixels(x, top + 1, left, value) * (1 - across) + _pixels(x, top + 1, left + 1, value) * across
    return np.asarray(upper * (1 - down) + lower * down)


def _check_samples(x: Array, sizes: tuple[int, ...]) -> None:
    """Makes sure that samples of these sizes may be taken of `x`, and their positions computed."""
    check_resized((len(x), max(x.shape[1], _POSITION_CHANNELS), *sizes))


def _pixels(x: Array, rows: Array, columns: Array, value: float) -> Array:
    """Picks whole pixels; those beyond the image are `value`."""
    batch, channels, height, width = x.shape
    beyond = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
    index = np.clip(rows, 0, height - 1).astype(np.int64) * width + np.clip(columns, 0, width - 1).astype(np.int64)
    picked = np.take_along_axis(x.reshape(batch, channels, -1), index.reshape(batch, 1, -1), axis=2)
    return np.where(beyond[:, None], np.float32(value), picked.reshape(batch, channels, *rows.shape[1:]))


@op("resample", source=_SOURCE, accepts={"x": FLOATS, "coordinates": _COORDINATES}, shape=_resampled)
def resample(
    *,
    x: Array,
    coordinates: Array,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Array:
    """Samples `x [B, C, H, W]` at `coordinates [B, H', W', 2]`, column before row → `[B, C, H', W']`.

    Raises:
        ValueError: A mode is not known.
    """
    _check_modes(sampling_mode, padding_mode, coordinates_mode)
    _check_samples(x, coordinates.shape[1:3])
    columns, rows = (
        pixel_positions(coordinates[..., i].astype(np.float32), size, coordinates_mode.lower(), bool(align_corners))
        for i, size in ((0, x.shape[3]), (1, x.shape[2]))
    )
    return sample(x, rows, columns, sampling_mode.lower(), padding_mode.lower(), float(padding_value))


@op("affine", source=_SOURCE, accepts={"x": FLOATS, "transform_matrix": FLOATS}, shape=_transformed)
def affine(
    *,
    x: Array,
    transform_matrix: Array,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Array:
    """Samples `x [B, C, H, W]` where `transform_matrix [B or 1, 6]` takes every point of the result.

    For the matrix [a0, a1, a2, b0, b1, b2], column a0 · x + a1 · y + a2 and row b0 · x + b1 · y + b2.

    Raises:
        ValueError: A mode is not known.
    """
    _check_modes(sampling_mode, padding_mode, coordinates_mode)
    height, width, aligned, mode = int(output_height), int(output_width), bool(align_corners), coordinates_mode.lower()
    _check_samples(x, (height, width))
    down, across = (output_coordinates(size, mode, aligned)[None] for size in (height, width))
    a, b = (transform_matrix[:, i : i + 3, None, None].astype(np.float32) for i in (0, 3))
    columns, rows = (
        pixel_positions(m[:, 0] * across[:, None] + m[:, 1] * down[..., None] + m[:, 2], size, mode, aligned)
        for m, size in ((a, x.shape[3]), (b, x.shape[2]))
    )
    wanted = (x.shape[0], height, width)
    rows, columns = np.broadcast_to(rows, wanted), np.broadcast_to(columns, wanted)
    return sample(x, rows, columns, sampling_mode.lower(), padding_mode.lower(), float(padding_value))


def output_coordinates(size: int, mode: str, align_corners: bool) -> Array:
    """Returns the coordinates of an axis of the result: from end to end, or of the centres of pixels."""
    steps = np.arange(size, dtype=np.float32)
    if mode == "unnormalized":
        return steps
    share = steps / max(size - 1, 1) if align_corners else (steps + 0.5) / size
    if align_corners and size == 1:
        share = np.full(1, 0.5, np.float32)
    return np.asarray(2 * share - 1 if mode == "normalized_minus_one_to_one" else share)
