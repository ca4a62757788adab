"""Compressed weights in every form, written by coremltools and expanded by both; and by hand where that is short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlbuilder import Const, Op, build

from kewcore.runtime import load
from kewcore.runtime.inspection import weight_reports

F32 = "fp32"


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def expand(tmp_path: Path, kind: str, arguments: Any, shape: tuple[int, ...], opset: str) -> np.ndarray:
    where = {"attributes": arguments, "inputs": {}} if opset == "CoreML6" else {"inputs": arguments}
    ops = [Op(kind, outputs={"w": (F32, shape)}, **where), Op("add", {"x": "x", "y": "w"}, {"y": (F32, shape)})]
    package = build(tmp_path / "p.mlpackage", ops, {"x": (F32, shape)}, ["y"], opset)
    results = [load(package, executor).predict({"x": np.zeros(shape)})["y"] for executor in ("reference", "onnx")]
    assert np.array_equal(*results)
    return results[0]


def pack(values: Any, bits: int) -> Any:
    """Packs unsigned elements as one long number, the first in its lowest bits."""
    number = sum(int(value) << (bits * position) for position, value in enumerate(np.ravel(values)))
    return np.frombuffer(number.to_bytes(-(-np.size(values) * bits // 8), "little"), np.uint8)


def packed(values: Any, bits: int) -> Const:
    array = np.asarray(values, np.int64)
    return Const(pack(array & (2**bits - 1), bits).tobytes(), f"uint{bits}", array.shape)


@pytest.mark.unit
def test_linear_by_hand(tmp_path: Path) -> None:
    arguments = {
        "quantized_data": Const(np.array([[1, -2], [3, 4]], np.int8)),
        "zero_point": Const(np.array([1, -1], np.int8)),
        "scale": np.array([0.5, 2], np.float32),
        "axis": 1,
    }
    assert expand(tmp_path, "constexpr_affine_dequantize", arguments, (2, 2), "CoreML6").tolist() == [[0, -2], [1, 10]]


@pytest.mark.unit
def test_palette_by_hand(tmp_path: Path) -> None:
    indices = pack(np.array([3, 0, 1, 2, 3]), 2)
    arguments = {
        "indices": Const(indices),
        "lut": np.array([10, 20, 30, 40], np.float32),
        "shape": Const(np.array([5], np.uint32)),
    }
    result = expand(tmp_path, "constexpr_lut_to_dense", arguments, (5,), "CoreML6")
    assert result.tolist() == [40, 10, 20, 30, 40]


@pytest.mark.unit
def test_sparse_by_hand(tmp_path: Path) -> None:
    arguments = {
        "nonzero_data": np.array([7, 8], np.float32),
        "mask": Const(np.array([0b01100], np.uint8)),
        "shape": Const(np.array([5], np.uint32)),
    }
    assert expand(tmp_path, "constexpr_sparse_to_dense", arguments, (5,), "CoreML6").tolist() == [0, 0, 7, 8, 0]


@pytest.mark.unit
def test_grouped_palettes_as_in_the_documentation(tmp_path: Path) -> None:
    # Case 1 at coremltools' constexpr_lut_to_dense (iOS 18).
    arguments = {
        "indices": packed([[2, 3], [3, 0], [1, 0], [3, 0], [2, 1], [0, 3]], 2),
        "lut": np.array([1, 5, 9, 13, 2, 10, 18, 26], np.float32).reshape(2, 1, 4, 1),
    }
    result = expand(tmp_path, "constexpr_lut_to_dense", arguments, (6, 2), "CoreML8")
    assert result.tolist() == [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (1, [[[1, 1], [2, 2], [3, 3], [4, 1], [5, 2], [6, 3]], [[4, 4], [5, 5], [6, 6], [1, 1], [2, 2], [3, 3]]]),
        (2, [[[1, 2, 3, 1, 2, 3], [4, 5, 6, 1, 2, 3]], [[4, 5, 6, 4, 5, 6], [1, 2, 3, 1, 2, 3]]]),
    ],
)
def test_vector_palettes_as_in_the_documentation(tmp_path: Path, axis: int, expected: Any) -> None:
    arguments = {
        "indices": packed([[[0, 0], [1, 0]], [[1, 1], [0, 0]]], 1),
        "lut": np.arange(1, 7, dtype=np.float32).reshape(1, 1, 1, 2, 3),
        "vector_axis": axis,
    }
    wanted = np.array(expected)
    result = expand(tmp_path, "constexpr_lut_to_dense", arguments, wanted.shape, "CoreML8")
    assert np.array_equal(result, wanted)


@pytest.mark.unit
def test_blocks_by_hand(tmp_path: Path) -> None:
    arguments = {
        "data": Const(bytes([0x21, 0x8F]), "int4", (2, 2)),
        "scale": np.array([[1, 10]], np.float32),
        "offset": Const(bytes([0x01]), "int4", (1, 2)),
    }
    # data 1, 2, -1, -8; offsets 1, 0 by column.
    result = expand(tmp_path, "constexpr_blockwise_shift_scale", arguments, (2, 2), "CoreML8")
    assert result.tolist() == [[0, 20], [-2, -80]]


@pytest.mark.unit
def test_sparse_palette_and_sparse_blocks_as_in_the_documentation(tmp_path: Path) -> None:
    mask = [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 1], [0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]]
    palette = {
        "indices_mask": packed(mask, 1),
        "indices_nonzero_data": packed([0, 1, 1, 0, 1, 1, 0, 0, 1], 1),
        "lut": np.array([2, 3], np.float32).reshape(1, 1, 2, 1),
    }
    blocks = {
        "data_mask": packed([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], 1),
        "nonzero_data": Const(np.array([10, 11, 3, 4, 5, 6, 7, 8, 9], np.int8)),
        "scale": np.array([[0.1, 0.2, 0.3, 0.4]], np.float32),
        "offset": Const(np.array([[1, 2, 3, 4]], np.int8)),
    }
    ops = [
        Op("constexpr_lut_to_sparse", palette, {"m": ("uint1", (4, 6)), "d": (F32, (9,))}),
        Op("constexpr_sparse_to_dense", {"mask": "m", "nonzero_data": "d"}, {"p": (F32, (4, 6))}),
        Op("constexpr_sparse_blockwise_shift_scale", blocks, {"n": ("uint1", (4, 4)), "e": (F32, (9,))}),
        Op("constexpr_sparse_to_dense", {"mask": "n", "nonzero_data": "e"}, {"q": (F32, (4, 4))}),
        Op("matmul", {"x": "q", "y": "p"}, {"y": (F32, (4, 6))}),
    ]
    model = load(build(tmp_path / "p.mlpackage", ops, {"x": (F32, (1,))}, ["y", "p", "q"]))
    out = model.predict({"x": [0]})
    assert out["p"].tolist() == [[2, 3, 0, 0, 0, 0], [3, 2, 0, 0, 0, 3], [0, 3, 2, 0, 2, 0], [0, 0, 0, 3, 0, 0]]
    expected = [[0.9, 1.8, 0, 0], [0.2, 0.4, 0.6, 0], [0, 0, 0.9, 1.2], [0.7, 1.4, 0, 0]]
    np.testing.assert_allclose(out["q"], expected, rtol=1e-6)
    reports = weight_reports(model.function)
    assert [r.form for r in reports] == [
        "palette-1, per tensor + sparse",
        "int8 linear, per channel, with offsets + sparse",
    ]
    assert [round(r.sparsity or 0, 4) for r in reports] == [0.625, 0.4375]
    # 24 mask bits, 9 index bits and two fp32 palette entries; 16 mask bits, 9 bytes, four scales, four offsets.
    assert [r.stored_bytes for r in reports] == [3 + 2 + 8, 2 + 9 + 16 + 4]


Compress = Callable[[Any], Any]


def modes() -> dict[str, tuple[str, Compress]]:
    import coremltools.optimize.coreml as cto

    def linear(**options: Any) -> Compress:
        config = cto.OptimizationConfig(global_config=cto.OpLinearQuantizerConfig(weight_threshold=0, **options))
        return lambda model: cto.linear_quantize_weights(model, config)

    def palette(**options: Any) -> Compress:
        config = cto.OptimizationConfig(global_config=cto.OpPalettizerConfig(weight_threshold=0, **options))
        return lambda model: cto.palettize_weights(model, config)

    def prune(**options: Any) -> Compress:
        config = cto.OptimizationConfig(global_config=cto.OpMagnitudePrunerConfig(weight_threshold=0, **options))
        return lambda model: cto.prune_weights(model, config)

    def joint(first: Compress, second: Callable[..., Any], config: Any) -> Compress:
        wrapped = cto.OptimizationConfig(global_config=config)
        return lambda model: second(first(model), wrapped, joint_compression=True)

    half = prune(target_sparsity=0.5)
    uniform = {"mode": "uniform"}
    return {
        "int8": ("iOS16", linear(mode="linear_symmetric")),
        "uint8-asymmetric": ("iOS16", linear(mode="linear", dtype="uint8")),
        "palette-1": ("iOS16", palette(nbits=1, **uniform)),
        "palette-2": ("iOS16", palette(nbits=2, **uniform)),
        "palette-4": ("iOS16", palette(nbits=4, **uniform)),
        "palette-6": ("iOS16", palette(nbits=6, **uniform)),
        "palette-8": ("iOS16", palette(nbits=8, **uniform)),
        "prune": ("iOS16", half),
        "int8-ios18": ("iOS18", linear(mode="linear_symmetric")),
        "int4-blocks": ("iOS18", linear(mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=4)),
        "uint4-blocks": ("iOS18", linear(mode="linear", dtype="uint4", granularity="per_block", block_size=4)),
        "palette-3": ("iOS18", palette(nbits=3, **uniform)),
        "palette-4-groups": (
            "iOS18",
            palette(nbits=4, granularity="per_grouped_channel", group_size=4, **uniform),
        ),
        "palette-2-scaled": (
            "iOS18",
            palette(nbits=2, granularity="per_grouped_channel", group_size=4, enable_per_channel_scale=True, **uniform),
        ),
        "prune-palette": (
            "iOS18",
            joint(half, cto.palettize_weights, cto.OpPalettizerConfig(nbits=4, weight_threshold=0, **uniform)),
        ),
        "prune-int8": (
            "iOS18",
            joint(
                half,
                cto.linear_quantize_weights,
                cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0),
            ),
        ),
    }


MODES = [
    "int8",
    "uint8-asymmetric",
    "palette-1",
    "palette-2",
    "palette-4",
    "palette-6",
    "palette-8",
    "prune",
    "int8-ios18",
    "int4-blocks",
    "uint4-blocks",
    "palette-3",
    "palette-4-groups",
    "palette-2-scaled",
    "prune-palette",
    "prune-int8",
]


def materialized(operation: Any, expanded: dict[str, Any]) -> Any:
    """Expands by coremltools; its own method misses a palette that is itself expanded from scales."""
    if operation.op_type == "constexpr_lut_to_dense" and operation.lut.val is None:
        return operation.decompress(operation.indices.val, expanded[operation.lut.name], None)
    return operation.materialized_val_inference()


@pytest.fixture(scope="module")
def dense() -> dict[str, Any]:
    ct = pytest.importorskip("coremltools")
    from coremltools.converters.mil.mil import Builder

    rng = np.random.default_rng(8)
    weights = {
        "conv": rng.standard_normal((16, 8, 3, 3)).astype(np.float32),
        "linear": rng.standard_normal((12, 16)).astype(np.float32),
    }

    def convert(target: Any) -> Any:
        @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 8, 6, 6))], opset_version=target)
        def program(x: Any) -> Any:
            y = Builder.relu(x=Builder.conv(x=x, weight=weights["conv"], pad_type="valid"))
            return Builder.linear(x=Builder.reduce_mean(x=y, axes=[2, 3]), weight=weights["linear"], name="y")

        return ct.convert(program, minimum_deployment_target=target)

    return {"iOS16": convert(ct.target.iOS16), "iOS18": convert(ct.target.iOS18)}


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", MODES)
def test_expansion_equals_coremltools(mode: str, dense: dict[str, Any], tmp_path: Path) -> None:
    from coremltools.converters.mil.frontend.milproto.load import load as load_mil

    target, compress = modes()[mode]
    model = compress(dense[target])
    path = tmp_path / "m.mlpackage"
    model.save(str(path))
    spec = model.get_spec()
    program = load_mil(spec, spec.specificationVersion, model.weights_dir)
    expected = {}
    for operation in program.functions["main"].operations:
        if operation.op_type.startswith("constexpr_"):
            values = materialized(operation, expected)
            rows = values if isinstance(values, tuple) else (values,)
            expected.update(zip((output.name for output in operation.outputs), rows, strict=True))
    assert expected
    x = np.random.default_rng(9).standard_normal((1, 8, 6, 6)).astype(np.float32)
    reference, fast = load(path, "reference"), load(path, "onnx")
    values = reference.trace({"x": x})
    for name, wanted in expected.items():
        assert values[name].dtype == np.asarray(wanted).dtype or wanted.dtype.kind == "u", name
        np.testing.assert_array_equal(values[name], wanted, err_msg=f"{mode}: {name}")
    # fp16: 11 significant bits; sums of some 70 products differ by little more than one step.
    np.testing.assert_allclose(fast.predict({"x": x})["y"], reference.predict({"x": x})["y"], rtol=2e-3, atol=2e-3)
