"""Core ML's own compute plan for a package, asked through coremltools on a Mac. The only file here that imports it.

Source: coremltools 9.0, `models/compute_plan.py` and `models/compute_device.py`.
"""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kewcore.ane.compute_plan import ENGINE, ComputePlan, PlannedOp
from kewcore.console import say
from kewcore.quiet import silenced_stderr

_UNITS = {"MLCPUComputeDevice": "cpu", "MLGPUComputeDevice": "gpu", "MLNeuralEngineComputeDevice": ENGINE}


def core_ml_plan(package: Path, function_name: str) -> ComputePlan | None:
    """Asks Core ML where it would run a package; None off a Mac, and where coremltools is not installed or refuses."""
    if sys.platform != "darwin":
        return None
    try:
        with silenced_stderr():
            from coremltools import ComputeUnit
            from coremltools.models.compute_plan import MLComputePlan
            from coremltools.models.utils import compile_model

            import_module("coremltools.libcoremlpython")  # without this bridge, compile_model raises a bare Exception
    except ImportError:
        say("Core ML's own compute plan is left out: coremltools, or its bridge to Core ML, is not installed")
        return None
    try:
        # Not by MLModel, which answers a package that is too new for this system with a bare Exception. It is compiled
        # into a folder of its own, so that nothing is left behind.
        with TemporaryDirectory(prefix="kewcore-plan-") as folder:
            compiled = compile_model(str(package), f"{folder}/compiled.mlmodelc")
            plan = MLComputePlan.load_from_path(compiled, compute_units=ComputeUnit.ALL)
            ops = tuple(planned_ops(plan, function_name))
    except (RuntimeError, ValueError) as error:  # what the bridge to Core ML raises, also for a package that is too new
        say(f"Core ML's own compute plan is left out: {' '.join(str(error).split())}")
        return None
    if not ops:
        say("Core ML's own compute plan is left out: it does not show the parts of a pipeline")
        return None
    device = _brand()
    return ComputePlan(device, device.removeprefix("Apple "), ops)


def planned_ops(plan: Any, function_name: str) -> Iterator[PlannedOp]:
    """Reads an `MLComputePlan` of coremltools; yields nothing for a pipeline, whose parts it does not show.

    Args:
        plan: The plan.
        function_name: Which function of the program.
    """
    program = plan.model_structure.program
    function = program.functions.get(function_name) if program is not None else None
    for operation in _operations(function.block) if function is not None else ():
        kind = operation.operator_name.rpartition(".")[2]
        if kind == "const" or kind.startswith("constexpr_") or not operation.outputs:
            continue
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        yield PlannedOp(
            name=operation.outputs[0].name,
            type=kind,
            preferred=None if usage is None else _unit(usage.preferred_compute_device),
            supported=() if usage is None else tuple(filter(None, map(_unit, usage.supported_compute_devices))),
            cost_weight=None if cost is None else float(cost.weight),
        )


def _operations(block: Any) -> Iterator[Any]:
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _operations(inner)


def _unit(device: Any) -> str | None:
    return _UNITS.get(type(device).__name__)


def _brand() -> str:
    """Returns the chip's name, such as `Apple M2 Pro`."""
    asked = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()
