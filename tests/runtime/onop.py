"""Runs one operation as a package of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mlbuilder import ARRAY_CODES, NUMPY_NAMES, Op, build

from kewcore.runtime import load

EXECUTORS = ("reference", "onnx")
Types = Mapping[str, tuple[str, tuple[int | None, ...]]]


def answers(
    folder: Path,
    kind: str,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, np.ndarray],
    outputs: Types,
    executor: Any,
    opset: str = "CoreML8",
) -> dict[str, np.ndarray]:
    """Returns every result of an operation, as the program types it.

    Args:
        folder: Where the package is written.
        kind: The operation.
        arguments: Constants, or names of inputs.
        inputs: What is predicted on; integers but int32 go in as such and are cast in the program.
        outputs: Types of the results by name.
        executor: Which executor runs it.
        opset: Which version of the operation.
    """
    declared, casts = {}, []
    for name, array in inputs.items():
        dtype = NUMPY_NAMES.get(array.dtype.name, array.dtype.name)
        if dtype in ARRAY_CODES:
            declared[name] = (dtype, array.shape)
        else:
            declared[f"{name}_wide"] = ("int32", array.shape)
            casts.append(Op("cast", {"x": f"{name}_wide", "dtype": f"'{dtype}'"}, {name: (dtype, array.shape)}))
    op = Op(kind, {key: inputs_or_constant(value) for key, value in arguments.items()}, outputs)
    path = folder / f"{kind}-{executor}-{len(list(folder.glob('*.mlpackage')))}.mlpackage"
    model = load(build(path, [*casts, op], declared, list(outputs), opset), executor)
    feed = {name if name in declared else f"{name}_wide": array for name, array in inputs.items()}
    return {name: np.asarray(value) for name, value in model.trace(feed).items() if name in outputs}


def inputs_or_constant(value: Any) -> Any:
    """Leaves names as they are, and makes arrays of lists of numbers."""
    return np.array(value, np.int32) if isinstance(value, list) else value


def answer(
    folder: Path, kind: str, arguments: Any, inputs: Any, output: Any, executor: Any, opset: str = "CoreML8"
) -> Any:
    """Returns the only result of an operation, as nested lists."""
    return answers(folder, kind, arguments, inputs, {"y": output}, executor, opset)["y"].tolist()
