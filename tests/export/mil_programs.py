"""Small MIL programs, and what kewcore's runtime answers for them before and after a rewrite."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from kewcore.ane.chips import Chip, parse_chip
from kewcore.quiet import silenced_stderr
from kewcore.runtime import load
from kewcore_export.coremltools_import import import_coremltools
from kewcore_export.rewrites.rewriting import rewritten
from kewcore_export.rewrites.settings import RewriteSettings

A13, A14 = parse_chip("A13"), parse_chip("A14")
_numbers = itertools.count()
_NAMES_ONLY = ["common::dead_code_elimination", "common::dedup_op_and_var_names"]


def program(shape: tuple[int, ...], body: Callable[[Any, Any], Any]) -> Any:
    """Builds a program of one input `x`; `body` gets coremltools' Builder and the input, and gives the result."""
    ct = import_coremltools()
    from coremltools.converters.mil.mil import Builder

    @Builder.program(input_specs=[Builder.TensorSpec(shape=shape)], opset_version=ct.target.iOS15)
    def main(x: Any) -> Any:
        return body(Builder, x)

    return main


def kinds(mil: Any) -> list[str]:
    """Lists the types of a program's operations that its result depends on."""
    needed: dict[int, str] = {}
    waiting = list(mil.functions["main"].outputs)
    while waiting:
        operation = waiting.pop().op
        if operation is None or id(operation) in needed or operation.op_type == "const":
            continue
        needed[id(operation)] = operation.op_type
        for value in operation.inputs.values():
            waiting += list(value) if isinstance(value, tuple | list) else [value] if hasattr(value, "op") else []
    order = {id(operation): number for number, operation in enumerate(mil.functions["main"].operations)}
    return [needed[key] for key in sorted(needed, key=order.__getitem__)]


def answer(mil: Any, x: np.ndarray, executor: Any = "reference", bits: int = 32) -> np.ndarray:
    """Runs a program as it is, without coremltools' optimisations, except where it is rounded to fp16."""
    import copy
    import warnings

    ct = import_coremltools()
    precision = ct.precision.FLOAT16 if bits == 16 else ct.precision.FLOAT32
    with TemporaryDirectory() as folder, silenced_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        path = Path(folder) / f"{next(_numbers)}.mlpackage"
        ct.convert(
            copy.deepcopy(mil),
            source="milinternal",
            convert_to="mlprogram",
            compute_precision=precision,
            minimum_deployment_target=ct.target.iOS15,
            pass_pipeline=ct.PassPipeline.DEFAULT if bits == 16 else ct.PassPipeline(_NAMES_ONLY, "names"),
            skip_model_load=True,
            package_dir=str(path),
        )
        model = load(path, executor)
        result: np.ndarray = model.predict({model.inputs[0].name: x})[model.outputs[0].name]
    return result


def applied(mil: Any, *names: str, chip: Chip = A14) -> tuple[Any, dict[str, tuple[str, ...]]]:
    """Applies the named rewrites; returns the new program and the places by name."""
    result, changes = rewritten(mil, RewriteSettings("ane", chip, names))
    return result, {change.name: change.places for change in changes}


def limited(chip: Chip, **limits: int) -> Chip:
    """Returns a chip with other limits, such as `on_chip_bytes=4096`."""
    changed: dict[str, Any] = {name: replace(getattr(chip, name), value=value) for name, value in limits.items()}
    return replace(chip, **changed)


def random_input(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Draws an input, float32, normal."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    """Draws weights, float32, normal, of a size that keeps sums near one."""
    fan_in = int(np.prod(shape[1:])) or 1
    return (np.random.default_rng(seed).standard_normal(shape) / fan_in**0.5).astype(np.float32)


def assert_same_answers(before: Any, after: Any, shape: tuple[int, ...], atol: float = 1e-5) -> None:
    """Compares two programs on a random input."""
    x = random_input(shape)
    np.testing.assert_allclose(answer(after, x), answer(before, x), atol=atol, rtol=0)
