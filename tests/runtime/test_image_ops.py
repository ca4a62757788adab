"""Resizing, cropping and sampling of images in both executors, sample by sample from the documented formulas."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.errors import PackageError
from kewcore.runtime import load
from kewcore.runtime.ops.sampling import resample

pytestmark = pytest.mark.runtime
EXECUTORS = ("reference", "onnx")
MODES = ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS")
IMAGE = np.random.default_rng(4).standard_normal((2, 3, 4, 5)).astype(np.float32)


def run(
    folder: Path,
    kind: str,
    arguments: Any,
    x: np.ndarray,
    shape: Any,
    executor: Any,
    opset: str = "CoreML8",
    **more: Any,
) -> tuple[np.ndarray, str]:
    """Returns the result, and which executor gave it."""
    op = Op(kind, {"x": "x", **arguments}, {"y": ("fp32", shape)})
    inputs = {"x": ("fp32", x.shape), **{name: ("fp32", value.shape) for name, value in more.items()}}
    model = load(build(folder / "p.mlpackage", [op], inputs, ["y"], opset), executor)
    result: np.ndarray = model.predict({"x": x, **more})["y"]
    return result, next((p.executor for p in model.placements), executor)


def points(size: float, target: int, mode: str) -> list[float]:
    """Sample positions, as the notes at `resize_bilinear` have them."""
    if mode == "ALIGN_CORNERS" and target == 1:
        return [(size - 1) / 2]
    spacing = {
        "STRICT_ALIGN_CORNERS": (size - 1) / max(target - 1, 1),
        "ALIGN_CORNERS": (size - 1) / max(target - 1, 1),
        "DEFAULT": (size - size / target) / max(target - 1, 1),
        "OFFSET_CORNERS": max(1, size - 1) / target,
        "UNALIGN_CORNERS": size / target,
    }[mode]
    start = {"OFFSET_CORNERS": 0.5 * spacing, "UNALIGN_CORNERS": 0.5 * spacing - 0.5}.get(mode, 0)
    return [min(size - 1, max(0, start + i * spacing)) for i in range(target)]


def pixel(image: Any, row: int, column: int, padding: float | None) -> float:
    """One pixel; beyond the image padding, or the nearest pixel if there is none."""
    height, width = image.shape
    if padding is not None and not (0 <= row < height and 0 <= column < width):
        return padding
    return float(image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])


def bilinear(image: Any, row: float, column: float, padding: float | None = None) -> float:
    top, left = math.floor(row), math.floor(column)
    return sum(
        pixel(image, top + i, left + j, padding) * (1 - abs(row - top - i)) * (1 - abs(column - left - j))
        for i, j in itertools.product((0, 1), repeat=2)
    )


def each(images: Any, rows: Any, columns: Any) -> np.ndarray:
    flat = images.reshape(-1, *images.shape[-2:])
    result = [[[bilinear(image, r, c) for c in columns] for r in rows] for image in flat]
    return np.array(result).reshape(*images.shape[:-2], len(rows), len(columns))


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", [(7, 3), (1, 10), (4, 1)])
def test_linear_resizing(tmp_path: Path, mode: str, target: tuple[int, int], executor: Any) -> None:
    expected = each(IMAGE, points(4, target[0], mode), points(5, target[1], mode))
    arguments = {"target_size_height": target[0], "target_size_width": target[1], "sampling_mode": f"'{mode}'"}
    result, by = run(tmp_path, "resize_bilinear", arguments, IMAGE, expected.shape, executor)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)
    # ONNX Runtime leaves an axis that keeps its size alone, where this grid moves it.
    lowered = mode != "OFFSET_CORNERS" or target != (4, 1)
    assert by == (executor if lowered else "reference")
    arguments = {"shape": np.array([9, *target], np.int32), "sampling_mode": f"'{mode}'"}
    arguments["resized_dims"] = Const(np.uint32(2).tobytes(), "uint32")
    result, by = run(tmp_path / "any", "resize", arguments, IMAGE, expected.shape, executor)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)
    assert by == (executor if lowered else "reference")


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("shape", "count"), [((2, 3), 2), ((1, 2, 3), 2), ((2, 1, 3, 2, 3), 2), ((2, 3), 1), ((2, 2, 3), 3)]
)
def test_resizing_of_every_rank(tmp_path: Path, shape: Any, count: int, executor: Any) -> None:
    x = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    targets = (3, 4, 5)[-count:]
    expected = x.astype(np.float64)
    for axis, target in zip(range(-count, 0), targets, strict=True):
        at = points(x.shape[axis], target, "UNALIGN_CORNERS")
        lines = np.moveaxis(expected, axis, -1)
        taken = [np.interp(at, range(x.shape[axis]), line) for line in lines.reshape(-1, x.shape[axis])]
        expected = np.moveaxis(np.array(taken).reshape(*lines.shape[:-1], target), -1, axis)
    arguments = {"shape": np.array(targets, np.int32), "sampling_mode": "'UNALIGN_CORNERS'"}
    arguments["resized_dims"] = Const(np.uint32(count).tobytes(), "uint32")
    result, by = run(tmp_path, "resize", arguments, x, expected.shape, executor)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)
    assert by == (executor if count == 2 else "reference")


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", [(8, 15), (12, 10), (3, 7), (1, 9)])
def test_the_nearest_element(tmp_path: Path, mode: str, target: tuple[int, int], executor: Any) -> None:
    rows, columns = (
        [math.ceil(round(at, 9) - 0.5) for at in points(size, n, mode)] for size, n in zip((4, 5), target, strict=True)
    )
    arguments = {"shape": np.array(target, np.int32), "interpolation_mode": "'NEAREST_NEIGHBOR'"}
    arguments |= {"sampling_mode": f"'{mode}'", "resized_dims": Const(np.uint32(2).tobytes(), "uint32")}
    result, by = run(tmp_path, "resize", arguments, IMAGE, (2, 3, *target), executor)
    np.testing.assert_array_equal(result, IMAGE[:, :, rows][..., columns])
    whole = target in {(8, 15), (12, 10)}
    lowered = mode == "STRICT_ALIGN_CORNERS" or (whole and mode in {"DEFAULT", "UNALIGN_CORNERS"})
    assert by == (executor if lowered else "reference")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_size_that_is_kept_or_known_at_run_time_only(tmp_path: Path, executor: Any) -> None:
    count = Const(np.uint32(2).tobytes(), "uint32")
    arguments = {"shape": np.array([0, 10], np.int32), "resized_dims": count, "sampling_mode": "'UNALIGN_CORNERS'"}
    expected = each(IMAGE, range(4), points(5, 10, "UNALIGN_CORNERS"))
    result, by = run(tmp_path, "resize", arguments, IMAGE, expected.shape, executor)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)
    assert by == executor
    ops = [
        Op("cast", {"x": "s", "dtype": "'int32'"}, {"i": ("int32", (3,))}),
        Op("resize", {"x": "x", "shape": "i", "resized_dims": count}, {"y": ("fp32", (2, 3, None, None))}),
    ]
    inputs = {"x": ("fp32", IMAGE.shape), "s": ("fp32", (3,))}
    model = load(build(tmp_path / "r.mlpackage", ops, inputs, ["y"]), executor)
    expected = each(IMAGE, points(4, 2, "DEFAULT"), points(5, 6, "DEFAULT"))
    result = model.predict({"x": IMAGE, "s": np.array([9, 2, 6], np.float32)})["y"]
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)
    with pytest.raises(PackageError, match=r"would take \d+ bytes, more than the limit of 4294967296"):
        model.predict({"x": IMAGE, "s": np.array([0, 1 << 20, 1 << 20], np.float32)})
    with pytest.raises(PackageError, match=r"shape must not be negative, got \[1, -1, 2\]"):
        model.predict({"x": IMAGE, "s": np.array([1, -1, 2], np.float32)})


@pytest.mark.parametrize("executor", EXECUTORS)
def test_crop(tmp_path: Path, executor: Any) -> None:
    arguments = {"crop_height": np.array([1, 0], np.int32), "crop_width": np.array([2, 1], np.int32)}
    result, by = run(tmp_path, "crop", arguments, IMAGE, (2, 3, 3, 2), executor)
    np.testing.assert_array_equal(result, IMAGE[:, :, 1:4, 2:4])
    assert by == executor


BOXES = np.array([[0.5, 1, 2.25, 3.5], [2, 3.5, 0.5, 1.25], [1, 1, 1, 1], [-0.5, 0, 3.75, 4]], np.float32)


def boxed(image: Any, box: Any, target: Any, mode: str, pad: float) -> list[list[float]]:
    """Samples of one box of one channel; a box that runs backwards is read backwards."""
    axes = []
    for start, end, n in zip(box[:2], box[2:], target, strict=True):
        steps = points(abs(end - start) + 1, n, mode)
        axes.append([float(start) + (step if end >= start else -step) for step in steps])
    height, width = image.shape
    return [
        [bilinear(image, r, c) if 0 <= r <= height - 1 and 0 <= c <= width - 1 else pad for c in axes[1]]
        for r in axes[0]
    ]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("mode", ["STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS"])
@pytest.mark.parametrize("target", [(2, 3), (1, 4)])
def test_boxes_are_cut_out_and_resized(tmp_path: Path, mode: str, target: Any, executor: Any) -> None:
    indices = (0, 1, 1, 0)
    expected = np.array(
        [[boxed(c, box, target, mode, 7) for c in IMAGE[i]] for box, i in zip(BOXES, indices, strict=True)]
    )
    arguments = {"target_height": target[0], "target_width": target[1], "sampling_mode": f"'{mode}'", "pad_value": 7.0}
    given = {**arguments, "boxes": BOXES, "box_indices": np.array(indices, np.int32)}
    result, _ = run(tmp_path / "17", "crop_resize", given, IMAGE, expected.shape, executor, "CoreML7")
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)
    numbered = np.concatenate([np.array(indices, np.float32)[:, None], BOXES], axis=1).reshape(4, 1, 5, 1, 1)
    shape = (4, 1, 3, *target)
    result, _ = run(tmp_path / "5", "crop_resize", {**arguments, "roi": numbered}, IMAGE, shape, executor, "CoreML6")
    np.testing.assert_allclose(result[:, 0], expected, rtol=1e-5, atol=2e-6)
    every = np.array([[[boxed(c, box, target, mode, 7) for c in image] for image in IMAGE] for box in BOXES])
    roi = {**arguments, "roi": BOXES.reshape(4, 1, 4, 1, 1)}
    result, _ = run(tmp_path / "4", "crop_resize", roi, IMAGE, every.shape, executor, "CoreML6")
    np.testing.assert_allclose(result, every, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_boxes_in_every_notation_give_the_same(tmp_path: Path, executor: Any) -> None:
    top, left, bottom, right = 0.5, 1, 2.5, 3
    boxes = {
        "CORNERS_HEIGHT_FIRST": (top, left, bottom, right),
        "CORNERS_WIDTH_FIRST": (left, top, right, bottom),
        "CENTER_SIZE_HEIGHT_FIRST": ((top + bottom) / 2, (left + right) / 2, bottom - top, right - left),
        "CENTER_SIZE_WIDTH_FIRST": ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top),
    }
    common = {"target_height": 2, "target_width": 2, "sampling_mode": "'ALIGN_CORNERS'"}
    expected = [[boxed(c, (top, left, bottom, right), (2, 2), "ALIGN_CORNERS", 0) for c in IMAGE[0]]]
    for mode, box in boxes.items():
        # Half the box under twice the scale; and, last, shares of height - 1 and width - 1.
        given = {**common, "boxes": np.array([box], np.float32) / 2, "spatial_scale": 2.0}
        given["box_coordinate_mode"] = f"'{mode}'"
        result, _ = run(tmp_path / mode, "crop_resize", given, IMAGE, (1, 3, 2, 2), executor)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)
    shares = np.array([[top / 3, left / 4, bottom / 3, right / 4]], np.float32)
    given = {**common, "boxes": shares, "normalized_coordinates": True}
    result, _ = run(tmp_path / "shares", "crop_resize", given, IMAGE, (1, 3, 2, 2), executor)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)


def position(coordinate: float, size: int, coordinates: str, aligned: bool) -> float:
    """Where a coordinate lies, in pixels."""
    if coordinates == "unnormalized":
        return coordinate
    share = (coordinate + 1) / 2 if coordinates == "normalized_minus_one_to_one" else coordinate
    return share * (size - 1) if aligned else share * size - 0.5


def folded(at: float, size: int, padding: str) -> float:
    """Walks a position back into the image, one reflection at a time."""
    low, high = (0, size - 1) if padding == "reflection" else (-0.5, size - 0.5)
    while padding in {"reflection", "symmetric"} and not low <= at <= high:
        at = 2 * low - at if at < low else 2 * high - at
    return at if padding == "constant" else min(max(at, 0), size - 1)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", ["constant", "border", "reflection", "symmetric"])
@pytest.mark.parametrize("coordinates", ["unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one"])
@pytest.mark.parametrize("aligned", [False, True])
def test_resample(tmp_path: Path, sampling: str, padding: str, coordinates: str, aligned: bool, executor: Any) -> None:
    span = {"unnormalized": (-9, 12), "normalized_minus_one_to_one": (-3, 3), "normalized_zero_to_one": (-1, 2)}
    grid = np.random.default_rng(6).uniform(*span[coordinates], (2, 3, 4, 2)).astype(np.float32)
    value = 0.0 if sampling == "bilinear" else 2.5
    expected = np.zeros((2, 3, 3, 4))
    for n, c, i, j in np.ndindex(expected.shape):
        row, column = (
            folded(position(float(grid[n, i, j, axis]), size, coordinates, aligned), size, padding)
            for axis, size in ((1, 4), (0, 5))
        )
        if sampling == "nearest":
            row, column = round(row), round(column)
        expected[n, c, i, j] = bilinear(IMAGE[n, c], row, column, value if padding == "constant" else None)
    arguments = {
        "coordinates": "grid",
        "sampling_mode": f"'{sampling}'",
        "padding_mode": f"'{padding}'",
        "padding_value": value,
        "coordinates_mode": f"'{coordinates}'",
        "align_corners": aligned,
    }
    result, by = run(tmp_path, "resample", arguments, IMAGE, expected.shape, executor, grid=grid)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=2e-5)
    lowered = sampling == "bilinear" and padding in {"constant", "border"} and "minus" in coordinates
    assert by == (executor if lowered else "reference")


def test_coordinates_that_are_no_numbers_or_far_away() -> None:
    strange = np.array([np.nan, np.inf, -np.inf, 3e38], np.float32)
    grid = np.stack(np.meshgrid(strange, strange), axis=-1)[None]
    for sampling, padding in itertools.product(
        ("bilinear", "nearest"), ("constant", "border", "reflection", "symmetric")
    ):
        result = resample(
            x=IMAGE[:1],
            coordinates=grid,
            sampling_mode=sampling,
            padding_mode=padding,
            padding_value=1,
            coordinates_mode="unnormalized",
            align_corners=False,
        )
        assert np.isfinite(result).all()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("matrices", [1, 2])
@pytest.mark.parametrize("aligned", [False, True])
def test_affine(tmp_path: Path, matrices: int, aligned: bool, executor: Any) -> None:
    matrix = np.random.default_rng(7).uniform(-1, 1, (matrices, 6)).astype(np.float32)
    expected = np.zeros((2, 3, 4, 3))
    for n, c, i, j in np.ndindex(expected.shape):
        y, x = ((2 * k / (size - 1) - 1) if aligned else ((2 * k + 1) / size - 1) for k, size in ((i, 4), (j, 3)))
        a, b = np.split(matrix[n % matrices].astype(np.float64), 2)
        column, row = (
            position(float(m[0] * x + m[1] * y + m[2]), size, "normalized_minus_one_to_one", aligned)
            for m, size in ((a, 5), (b, 4))
        )
        expected[n, c, i, j] = bilinear(IMAGE[n, c], row, column, 0)
    arguments = {
        "transform_matrix": "m",
        "output_height": 4,
        "output_width": 3,
        "sampling_mode": "'bilinear'",
        "padding_mode": "'constant'",
        "padding_value": 0.0,
        "coordinates_mode": "'normalized_minus_one_to_one'",
        "align_corners": aligned,
    }
    result, by = run(tmp_path, "affine", arguments, IMAGE, expected.shape, executor, m=matrix)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert by == executor


SAMPLED = {
    "sampling_mode": "'bilinear'",
    "padding_mode": "'constant'",
    "padding_value": 0.0,
    "coordinates_mode": "'unnormalized'",
    "align_corners": True,
}
TWO = Const(np.uint32(2).tobytes(), "uint32")


@pytest.mark.parametrize(
    ("kind", "arguments", "problem"),
    [
        ("resize_bilinear", {"sampling_mode": "'NEAR'"}, "sampling_mode must be one of STRICT_ALIGN_CORNERS, .*'NEAR'"),
        ("resize_bilinear", {"target_size_height": 0}, "target sizes must be at least 1, got 0 and 1"),
        ("upsample_bilinear", {"scale_factor_width": 0.1}, "nothing is left of 5 elements scaled by 0.1"),
        ("upsample_bilinear", {"scale_factor_width": -1.0}, "scale factors must be above 0, got -1.0"),
        (
            "resize",
            {"shape": np.array([1], np.int32), "resized_dims": TWO},
            "shape must have from 2 to 4 elements, got 1",
        ),
        (
            "resize",
            {"shape": np.array([1, 1], np.int32), "resized_dims": TWO, "interpolation_mode": "'CUBIC'"},
            "interpolation_mode must be LINEAR or NEAREST_NEIGHBOR, got 'CUBIC'",
        ),
        (
            "crop",
            {"crop_height": np.array([2, 2], np.int32), "crop_width": np.array([0, 0], np.int32)},
            r"crop_height leaves nothing of 4 elements, got \[2, 2\]",
        ),
        ("crop_resize", {"boxes": np.ones((1, 3), np.float32)}, r"boxes must have shape \[boxes, 4\], got \[1, 3\]"),
        (
            "crop_resize",
            {"boxes": np.ones((1, 4), np.float32), "box_indices": np.zeros(2, np.int32)},
            r"box_indices must have shape \[1\], got \[2\]",
        ),
        (
            "crop_resize",
            {"boxes": np.ones((1, 4), np.float32), "box_coordinate_mode": "'POLAR'"},
            "box_coordinate_mode must be one of CORNERS_HEIGHT_FIRST, .* got 'POLAR'",
        ),
        (
            "resample",
            {**SAMPLED, "coordinates": np.ones((1, 1, 1, 2), np.float32)},
            r"coordinates must have shape \[2, height, width, 2\], got \[1, 1, 1, 2\]",
        ),
        (
            "resample",
            {**SAMPLED, "coordinates": np.ones((2, 1, 1, 2), np.float32), "padding_mode": "'wrap'"},
            "padding_mode must be one of constant, border, reflection, symmetric, got 'wrap'",
        ),
        (
            "affine",
            {**SAMPLED, "transform_matrix": np.ones((3, 6), np.float32), "output_height": 1, "output_width": 1},
            r"transform_matrix must have shape \[1 or 2, 6\], got \[3, 6\]",
        ),
    ],
)
def test_arguments_that_do_not_fit(tmp_path: Path, kind: str, arguments: Any, problem: str) -> None:
    with pytest.raises(PackageError, match=problem):
        run(tmp_path, kind, arguments, IMAGE, (2, 3, 1, 1), "reference")


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("resize_bilinear", {}),
        ("resize_bilinear", {"sampling_mode": "'OFFSET_CORNERS'"}),
        ("resize_nearest_neighbor", {}),
        ("crop_resize", {"boxes": np.ones((1, 4), np.float32)}),
    ],
)
def test_an_axis_of_more_samples_than_memory(tmp_path: Path, kind: str, more: Any, executor: Any) -> None:
    sides = ("height", "width")
    names = [f"target_{side}" if kind == "crop_resize" else f"target_size_{side}" for side in sides]
    targets = {names[0]: 1, names[1]: 1 << 29}
    with pytest.raises(PackageError, match="an axis may have 67108864 samples, got 536870912"):
        run(tmp_path, kind, {**targets, **more}, IMAGE[:1, :1], (1, 1, 1, 1 << 29), executor)


def test_samples_whose_positions_are_larger_than_memory() -> None:
    grid = np.broadcast_to(np.float32(0), (1, 1 << 14, 1 << 13, 2))
    modes: dict[str, Any] = {"sampling_mode": "nearest", "padding_mode": "border", "coordinates_mode": "unnormalized"}
    with pytest.raises(ValueError, match="its result would take 8589934592 bytes, more than the limit of 4294967296"):
        resample(x=IMAGE[:1, :1], coordinates=grid, padding_value=0, align_corners=True, **modes)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_box_of_an_image_that_is_not_there(tmp_path: Path, executor: Any) -> None:
    given = {"boxes": np.ones((1, 4), np.float32), "box_indices": np.array([2], np.int32)}
    with pytest.raises(PackageError, match=r"boxes must belong to images 0 to 1, got \[2\]"):
        run(tmp_path, "crop_resize", given, IMAGE, (1, 3, 1, 1), executor)
