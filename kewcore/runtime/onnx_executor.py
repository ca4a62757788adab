"""The fast executor: ONNX Runtime on lowered graphs, the reference executor for what has no lowering."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from kewcore.errors import PackageError, UnsupportedError
from kewcore.runtime.executor import ExecutorName, Placement, Precision, Values
from kewcore.runtime.lowering.plan import GraphSegment, Plan, model_proto, plan
from kewcore.runtime.lowering.rewrites import pool_before_activation
from kewcore.runtime.program import Function
from kewcore.runtime.reference import evaluate, narrow, widen


class OnnxExecutor:
    """Runs a function with ONNX Runtime.

    Args:
        function: A verified function.
        threads: Threads of one prediction.
        precision: Whether fp16-typed values are rounded to fp16 between operations.
        spinning: Whether idle threads spin.

    Raises:
        UnsupportedError: ONNX Runtime refuses a graph.
    """

    name: ExecutorName = "onnx"

    def __init__(self, function: Function, *, threads: int, precision: Precision, spinning: bool = False) -> None:
        self.function = function
        self.threads = threads
        self.precision: Precision = precision
        self.spinning = spinning
        self._plan = plan(pool_before_activation(function), precision)
        self._sessions = self._start(self._plan)

    def run(self, inputs: Mapping[str, Any]) -> Values:
        """Computes the outputs; safe to call from several threads at a time."""
        return self._run(self._plan, self._sessions, inputs, self.function.body.outputs)

    def trace(self, inputs: Mapping[str, Any]) -> Values:
        """Computes every value of the program as it stands, without rewrites; slower, and needs a session more."""
        full, sessions = self._full
        return self._run(full, sessions, inputs, tuple(full.types))

    def placements(self) -> tuple[Placement, ...]:
        """Which executor takes each operation."""
        return self._plan.placements

    @cached_property
    def _full(self) -> tuple[Plan, dict[int, Any]]:
        full = plan(self.function, self.precision, keep_all=True)
        return full, self._start(full)

    def _start(self, planned: Plan) -> dict[int, Any]:
        """Starts a session a graph, by the segment's position."""
        return {
            index: session_of(
                model_proto(segment, planned.types, self.function.name).SerializeToString(),
                threads=self.threads,
                spinning=self.spinning,
            )
            for index, segment in enumerate(planned.segments)
            if isinstance(segment, GraphSegment)
        }

    def _run(
        self, planned: Plan, sessions: dict[int, Any], inputs: Mapping[str, Any], names: tuple[str, ...]
    ) -> Values:
        types = planned.types
        values: Values = dict(planned.constants)
        for named in self.function.inputs:
            values[named.name] = widen(np.asarray(inputs[named.name]), named.type)
        for index, segment in enumerate(planned.segments):
            if isinstance(segment, GraphSegment):
                feed = {name: np.ascontiguousarray(values[name]) for name in segment.inputs}
                results = run_session(sessions[index], feed)
                values.update(zip(segment.outputs, results, strict=True))
            else:
                evaluate(segment.operation, self.function.opset, values, self.precision)
        return {name: narrow(values[name], types[name]) for name in names}


def session_of(model: bytes, *, threads: int, spinning: bool) -> Any:
    """Starts an ONNX Runtime session on the CPU.

    Args:
        model: A serialised ONNX model.
        threads: Threads of one run.
        spinning: Whether idle threads spin.

    Raises:
        UnsupportedError: ONNX Runtime refuses the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _onnxruntime_errors() as error:
        raise UnsupportedError(f"ONNX Runtime refuses the model: {error}") from error


def run_session(session: Any, feed: Mapping[str, Any]) -> list[Any]:
    """Runs a session.

    Raises:
        PackageError: It fails: shapes that are known at run time only do not fit.
    """
    try:
        results: list[Any] = session.run(None, dict(feed))
    except _onnxruntime_errors() as error:
        raise PackageError(f"ONNX Runtime stopped: {error}", hint="executor='reference' may say more") from error
    return results


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    return (
        states.Fail,
        states.InvalidArgument,
        states.InvalidGraph,
        states.InvalidProtobuf,
        states.NotImplemented,
        states.RuntimeException,
    )
