"""Loading a package: read, verify, choose an executor."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from kewcore.console import say
from kewcore.errors import DependencyError, UnsupportedError, UsageError
from kewcore.runtime.executor import Executor, Precision
from kewcore.runtime.model import Model
from kewcore.runtime.program import Function
from kewcore.runtime.reference import ReferenceExecutor
from kewcore.runtime.spec.package import read_package
from kewcore.runtime.verifier import verify

ExecutorChoice = Literal["auto", "reference", "onnx"]


def load(
    path: str | Path,
    executor: ExecutorChoice = "auto",
    threads: int | None = None,
    *,
    precision: Precision = "typed",
    function_name: str | None = None,
    spinning: bool = False,
) -> Model:
    """Opens an `.mlpackage` for prediction on any machine.

    Args:
        path: The package folder.
        executor: `reference` (NumPy), `onnx` (ONNX Runtime, with the reference for what has no lowering), or `auto`:
            `onnx` where ONNX Runtime is installed and takes the program.
        threads: Threads of one prediction in the fast executor; None takes the processors that this process may use.
        precision: `typed` rounds fp16-typed values to fp16 between operations, `fp32` does not.
        function_name: Which function to run, where the package has several.
        spinning: Whether idle threads wait by spinning: the next prediction starts sooner, everything else suffers.

    Raises:
        PackageError: The package is missing or malformed; all problems of its program are listed.
        UnsupportedError: It holds something that kewcore does not run.
        UsageError: An argument makes no sense.
        DependencyError: `executor="onnx"`, and ONNX Runtime is not installed.
    """
    if executor not in get_args(ExecutorChoice):
        raise UsageError(f"executor must be one of {', '.join(get_args(ExecutorChoice))}, got {executor!r}")
    if precision not in get_args(Precision):
        raise UsageError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    package = read_package(Path(path))
    name = function_name or package.default_function
    verify(package, name)
    function = package.program.functions[name]
    runner = _executor(function, executor, threads or available_threads(), precision, spinning)
    return Model(package, function, package.interfaces[name], runner)


def available_threads() -> int:
    """Returns how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it, macOS and Windows do not
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _executor(
    function: Function, choice: ExecutorChoice, threads: int, precision: Precision, spinning: bool
) -> Executor:
    installed = find_spec("onnx") is not None and find_spec("onnxruntime") is not None
    if choice == "onnx" and not installed:
        raise DependencyError("the fast executor needs onnx and onnxruntime", hint="pip install onnx onnxruntime")
    if choice == "reference" or not installed:
        return ReferenceExecutor(function, precision)
    from kewcore.runtime.onnx_executor import OnnxExecutor

    try:
        return OnnxExecutor(function, threads=threads, precision=precision, spinning=spinning)
    except UnsupportedError as refused:
        if choice == "onnx":
            raise
        say(f"the reference executor runs this program: {refused.message}")
        return ReferenceExecutor(function, precision)
