"""Loading a package: read, verify, choose what predicts for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from kewcore.console import say
from kewcore.errors import DependencyError, KewError, UnsupportedError, UsageError
from kewcore.runtime.box_suppression import SuppressionRunner, as_function, suppression_problems, with_thresholds
from kewcore.runtime.costs import Cost, cost_problems, together
from kewcore.runtime.executor import Executor, Precision
from kewcore.runtime.model import Model
from kewcore.runtime.out_of_memory import within_memory
from kewcore.runtime.package import Package
from kewcore.runtime.pipeline import Part, PipelineRunner, joined, pipeline_problems
from kewcore.runtime.program import Function, Program
from kewcore.runtime.reference import ReferenceExecutor
from kewcore.runtime.runners import ProgramRunner
from kewcore.runtime.spec.package import read_package
from kewcore.runtime.suppression import Suppression
from kewcore.runtime.verifier import raise_problems, verify

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
    with within_memory(f"opening '{path}'"):
        return _opened(
            Path(path), function_name, _Choices(executor, threads or available_threads(), precision, spinning)
        )


def with_executor(
    model: Model, executor: ExecutorChoice = "auto", threads: int | None = None, *, precision: Precision = "typed"
) -> Model:
    """Starts another executor for a package that is open already, which is neither read nor verified again.

    Args:
        model: As `load` gave it.
        executor: As in `load`.
        threads: As in `load`.
        precision: As in `load`.

    Raises:
        UnsupportedError: `executor="onnx"`, and it does not take the program.
        DependencyError: `executor="onnx"`, and ONNX Runtime is not installed.
    """
    package = model.package
    # The programs of a pipeline together, and a suppression, have a name of their own, which the package does not know.
    name = model.function.name if model.function.name in package.interfaces else package.default_function
    with within_memory(f"starting an executor of '{package.path}'"):
        choices = _Choices(executor, threads or available_threads(), precision, spinning=False)
        part = _part(package, name, choices)
    return Model(package, part.function, part.interface, part.runner)


def _opened(path: Path, function_name: str | None, choices: "_Choices") -> Model:
    package = read_package(path)
    if function_name is not None and function_name not in package.interfaces:
        names = ", ".join(sorted(package.interfaces))
        raise UsageError(f"'{path}' has no function '{function_name}'; functions: {names}")
    name = function_name or package.default_function
    _verify(package, name)
    part = _part(package, name, choices)
    return Model(package, part.function, part.interface, part.runner)


@dataclass(frozen=True)
class _Choices:
    """What was asked for, see `load`."""

    executor: ExecutorChoice
    threads: int
    precision: Precision
    spinning: bool


def _verify(package: Package, function_name: str) -> Cost:
    """Verifies a package, or a part of a pipeline, and says what it takes: all parts together must keep the limits."""
    content = package.content
    if isinstance(content, Program):
        return verify(package, function_name)
    if isinstance(content, Suppression):
        return Cost()
    costs = []
    for name, inner in content.parts.items():
        with _in_part(name):
            costs.append(_verify(inner, inner.default_function))
    cost = together(costs)
    raise_problems(package, list(cost_problems(cost)))
    return cost


@contextmanager
def _in_part(name: str) -> Iterator[None]:
    try:
        yield
    except KewError as error:
        error.add_note(f"in part '{name}' of the pipeline")
        raise


def _part(package: Package, function_name: str, choices: _Choices) -> Part:
    """Finds what predicts for a verified package, or for a part of a pipeline."""
    interface = package.interfaces[function_name]
    content = package.content
    if isinstance(content, Program):
        function = content.functions[function_name]
        return Part(interface, function, ProgramRunner(function, interface, _executor(function, choices)))
    if isinstance(content, Suppression):
        interface = with_thresholds(content, interface)
        raise_problems(package, list(suppression_problems(content, interface)))
        function = as_function(content, package)
        return Part(interface, function, SuppressionRunner(content, interface, function))
    parts: dict[str, Part] = {}
    for name, inner in content.parts.items():
        with _in_part(name):
            parts[name] = _part(inner, inner.default_function, choices)
    raise_problems(package, list(pipeline_problems(parts, interface)))
    return Part(interface, joined(parts, interface), PipelineRunner(parts, interface))


def available_threads() -> int:
    """Returns how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it, macOS and Windows do not
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def start_executor(
    function: Function,
    executor: ExecutorChoice = "auto",
    threads: int | None = None,
    *,
    precision: Precision = "typed",
) -> Executor:
    """Starts what runs a function by itself, such as one with other outputs than its package describes.

    Args:
        function: A verified function, or one made from a verified function.
        executor: As in `load`.
        threads: As in `load`.
        precision: As in `load`.

    Raises:
        DependencyError: `executor="onnx"`, and ONNX Runtime is not installed.
    """
    with within_memory("starting an executor"):
        return _executor(function, _Choices(executor, threads or available_threads(), precision, spinning=False))


def _executor(function: Function, choices: _Choices) -> Executor:
    choice, precision = choices.executor, choices.precision
    installed = find_spec("onnx") is not None and find_spec("onnxruntime") is not None
    if choice == "onnx" and not installed:
        raise DependencyError("the fast executor needs onnx and onnxruntime", hint="pip install onnx onnxruntime")
    if choice == "reference" or not installed:
        return ReferenceExecutor(function, precision)
    from kewcore.runtime.onnx_executor import OnnxExecutor

    try:
        return OnnxExecutor(function, threads=choices.threads, precision=precision, spinning=choices.spinning)
    except UnsupportedError as refused:
        if choice == "onnx":
            raise
        say(f"the reference executor runs this program: {refused.message}")
        return ReferenceExecutor(function, precision)
