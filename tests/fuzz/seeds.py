"""The sound packages that are damaged: programs that use every kind of construct, and other people's packages."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from operations import ROWS, Row, ints

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "runtime"))

from mlbuilder import Blob, Body, Const, Op, classifier_package, model_message, weights_file, write_package  # noqa: E402

F32, I32, BOOL = "fp32", "int32", "bool"
IMAGE = {"x": (F32, (1, 2, 6, 6))}
THIRD_PARTY_SPECIFICATION_BYTES = 30_000
"""Larger ones take so long an input that fewer would be tried; their operations occur in the smaller ones."""


def seed_packages(folder: Path, *, third_party: bool) -> dict[str, Path]:
    """Writes or finds the sound packages.

    Args:
        folder: Where those that are made here are written.
        third_party: Whether to take other people's packages too, where they are (`KEWCORE_SHARED`).

    Returns:
        Packages by name.
    """
    packages = {name: write(folder / f"{name}.mlpackage") for name, write in MADE.items()}
    shared = Path(os.environ.get("KEWCORE_SHARED", CHECKOUT.parent / "shared")) / "mlpackages"
    if third_party:
        for package in sorted(shared.glob("*/*.mlpackage")):
            specification = package / "Data" / "com.apple.CoreML" / "model.mlmodel"
            if specification.is_file() and specification.stat().st_size <= THIRD_PARTY_SPECIFICATION_BYTES:
                packages[package.parent.name] = package
    return packages


def _network(path: Path) -> Path:
    """Blobs, a palette, a convolution, a pool, a reshape, a slice."""
    half = np.arange(18, dtype=np.float16)
    weights = weights_file([("fp16", half.tobytes()), ("uint4", bytes(range(8)))])
    palette = {"indices": Blob(192, "uint4", (4, 4)), "lut": half[:16].reshape(1, 1, 16, 1)}
    window = {"kernel_sizes": ints(3, 3), "strides": ints(3, 3), "pad_type": "'valid'"}
    ops = [
        Op("const", {}, {"w": ("fp16", (2, 1, 3, 3))}, {"val": Blob(64, "fp16", (2, 1, 3, 3))}),
        Op("constexpr_lut_to_dense", palette, {"p": ("fp16", (4, 4))}),
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"h": ("fp16", (1, 1, 6, 6))}),
        Op("conv", {"x": "h", "weight": "w", "pad_type": "'same'"}, {"c": ("fp16", (1, 2, 6, 6))}),
        Op("leaky_relu", {"x": "c", "alpha": np.float16(0.1)}, {"l": ("fp16", (1, 2, 6, 6))}),
        Op("max_pool", {"x": "l", **window}, {"m": ("fp16", (1, 2, 2, 2))}),
        Op("reshape", {"x": "m", "shape": ints(2, 4)}, {"r": ("fp16", (2, 4))}),
        Op("matmul", {"x": "r", "y": "p"}, {"q": ("fp16", (2, 4))}),
        Op("slice_by_index", {"x": "q", "begin": ints(0, 1), "end": ints(2, 4)}, {"s": ("fp16", (2, 3))}),
        Op("softmax", {"x": "s", "axis": -1}, {"t": ("fp16", (2, 3))}),
        Op("cast", {"x": "t", "dtype": "'fp32'"}, {"y": (F32, (2, 3))}),
    ]
    return write_package(path, model_message(ops, {"x": (F32, (1, 1, 6, 6))}, ["y"]), weights)


def _compressed(path: Path) -> Path:
    """Every way to store a weight."""
    half = np.arange(1, 17, dtype=np.float16)
    weights = weights_file([("fp16", half.tobytes()), ("int4", bytes(range(8))), ("uint1", b"\x0f\x0f")])
    scale = np.ones((4, 2), np.float16)
    mask = Blob(64 + 128 * 2, "uint1", (4, 4))
    quantized = {"quantized_data": np.ones((4, 4), np.int8), "zero_point": np.int8(1), "scale": 0.5, "axis": 0}
    ops = [
        Op("const", {}, {"a": ("fp16", (4, 4))}, {"val": Blob(64, "fp16", (4, 4))}),
        Op(
            "constexpr_blockwise_shift_scale",
            {"data": Blob(192, "int4", (4, 4)), "scale": scale},
            {"b": ("fp16", (4, 4))},
        ),
        Op("constexpr_sparse_to_dense", {"nonzero_data": half[:8], "mask": mask}, {"c": ("fp16", (4, 4))}),
        Op("constexpr_affine_dequantize", {}, {"d": (F32, (4, 4))}, quantized),
        Op("constexpr_cast", {}, {"e": (F32, (4,))}, {"source_val": half[:4], "output_dtype": "fp32"}),
        Op(
            "constexpr_lut_to_sparse",
            {
                "indices_mask": mask,
                "indices_nonzero_data": Const(bytes(4), "uint4", (8,)),
                "lut": half.reshape(1, 1, 16, 1),
            },
            {"m": ("uint1", (4, 4)), "n": ("fp16", (8,))},
        ),
        Op("constexpr_sparse_to_dense", {"nonzero_data": "n", "mask": "m"}, {"f": ("fp16", (4, 4))}),
    ]
    names = ["a", "b", "c", "d", "e", "f"]
    types = {name: op.outputs[name] for op in ops for name in names if name in op.outputs}
    ops += [Op("cast", {"x": name, "dtype": "'fp32'"}, {f"{name}_": (F32, types[name][1])}) for name in names]
    ops += [Op("add", {"x": "x", "y": f"{name}_"}, {f"y{name}": (F32, (4, 4))}) for name in names]
    message = model_message(ops, {"x": (F32, (4, 4))}, [f"y{name}" for name in names])
    return write_package(path, message, weights)


def _loops(path: Path) -> Path:
    """A loop that fills a list, a choice in it, and a loop that the input ends."""
    state = {"i": (I32, ()), "ls": ("list fp32", (2,))}
    inner = {"j": (I32, ()), "ms": ("list fp32", (2,))}
    written = [
        Op("cast", {"x": "j", "dtype": "'fp32'"}, {"jf": (F32, ())}),
        Op("less", {"x": "j", "y": np.int32(2)}, {"early": (BOOL, ())}),
        Op(
            "cond",
            {"pred": "early"},
            {"row": (F32, (2,))},
            blocks=(
                Body({}, [Op("mul", {"x": "x", "y": "jf"}, {"scaled": (F32, (2,))})], ["scaled"]),
                Body({}, [Op("add", {"x": "x", "y": "jf"}, {"shifted": (F32, (2,))})], ["shifted"]),
            ),
        ),
        Op("list_write", {"ls": "ms", "index": "j", "value": "row"}, {"longer": ("list fp32", (2,))}),
        Op("add", {"x": "j", "y": np.int32(1)}, {"next": (I32, ())}),
    ]
    goes_on = Body(
        {"k": (I32, ()), "ks": ("list fp32", (2,))},
        [Op("less", {"x": "k", "y": np.int32(4)}, {"go": (BOOL, ())})],
        ["go"],
    )
    halved = [Op("mul", {"x": "u", "y": np.float32(0.5)}, {"v": (F32, (2,))})]
    largest = [
        Op("reduce_max", {"x": "w", "axes": ints(0), "keep_dims": False}, {"most": (F32, ())}),
        Op("greater", {"x": "most", "y": np.float32(0.1)}, {"large": (BOOL, ())}),
    ]
    ops = [
        Op(
            "make_list",
            {"elem_shape": (np.int32(2),), "init_length": np.int32(4), "dynamic_length": True, "dtype": "'fp32'"},
            {"empty": ("list fp32", (2,))},
        ),
        Op(
            "while_loop",
            {"loop_vars": (np.int32(0), "empty")},
            {"count": state["i"], "full": state["ls"]},
            blocks=(goes_on, Body(inner, written, ["next", "longer"])),
        ),
        Op("list_gather", {"ls": "full", "indices": ints(0, 1, 3)}, {"rows": (F32, (3, 2))}),
        Op(
            "while_loop",
            {"loop_vars": ("x",)},
            {"small": (F32, (2,))},
            blocks=(Body({"w": (F32, (2,))}, largest, ["large"]), Body({"u": (F32, (2,))}, halved, ["v"])),
        ),
    ]
    return write_package(path, model_message(ops, {"x": (F32, (2,))}, ["count", "rows", "small"]))


def _stateful(path: Path) -> Path:
    ops = [
        Op("read_state", {"input": "total"}, {"before": ("fp16", (3,))}),
        Op("cast", {"x": "x", "dtype": "'fp16'"}, {"h": ("fp16", (3,))}),
        Op("add", {"x": "before", "y": "h"}, {"sum": ("fp16", (3,))}),
        Op("write_state", {"input": "total", "data": "sum"}, {}),
        Op("read_state", {"input": "total"}, {"after": ("fp16", (3,))}),
        Op("cast", {"x": "after", "dtype": "'fp32'"}, {"y": (F32, (3,))}),
    ]
    return write_package(path, model_message(ops, {"x": (F32, (3,)), "total": ("state fp16", (3,))}, ["y"]))


def _of_rows(rows: tuple[Row, ...]) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        ops, casts, outputs = [], [], []
        for number, (kind, arguments, results) in enumerate(rows):
            made = {f"o{number}_{i}": (dtype, (None,) * rank) for i, (dtype, rank) in enumerate(results)}
            ops.append(Op(kind, arguments, made))
            outputs += list(made)
        return write_package(path, model_message([*ops, *casts], IMAGE, outputs))

    return write


MADE: dict[str, Callable[[Path], Path]] = {
    "network": _network,
    "classifier": classifier_package,
    "compressed": _compressed,
    "loops": _loops,
    "stateful": _stateful,
    **{name: _of_rows(rows) for name, rows in ROWS.items()},
}
"""Writers of packages by name."""
