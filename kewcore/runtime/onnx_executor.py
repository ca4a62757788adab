"""The fast executor: ONNX Runtime on lowered graphs, the reference executor for what has no lowering."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import PackageError, UnsupportedError
from kewcore.runtime.evaluation import Context, endless_loop, evaluate, narrow, traced, widen
from kewcore.runtime.executor import ExecutorName, Placement, Precision, Values
from kewcore.runtime.integer_kernels import integer_products
from kewcore.runtime.lowering.batching import take_batches
from kewcore.runtime.lowering.graph import UNFINISHED_LOOP
from kewcore.runtime.lowering.native_nodes import use_native_kernels
from kewcore.runtime.lowering.plan import GraphSegment, Plan, ReferenceSegment, large_initializers, model_proto, plan
from kewcore.runtime.lowering.pruning import prune
from kewcore.runtime.lowering.quantized_pools import pool_before_quantization
from kewcore.runtime.lowering.rewrites import pool_before_activation
from kewcore.runtime.native import kernel_library, kernels
from kewcore.runtime.program import Function
from kewcore.runtime.state import StateCell

BATCH = 4
"""Images that go through together at most: with KewCNN, 8 and 16 were no faster than 4, and take more memory."""
_DISABLED_OPTIMIZERS = ["TransposeOptimizer", "TransposeOptimizer_CPUExecutionProvider"]
"""It moves a transposition past a `Resize` of two axes as if that had four (seen in 1.31)."""


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
        self._schedule = self._started(
            plan(pool_before_activation(pool_before_quantization(function)), precision, integers=integer_products())
        )

    def run(self, inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        """Computes the outputs; safe to call from several threads at a time, unless they share states."""
        return self._outputs(self._computed(self._schedule, inputs, states))

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> list[Values]:
        """Computes the outputs for several inputs, without states; together, if the program treats images apart."""
        first, *rest = self._schedule.steps or (None,)
        if not isinstance(first, _SessionStep) or not first.batches:
            return [self.run(one, {}) for one in inputs]
        computed: list[Values] = []
        for start in range(0, len(inputs), BATCH):
            given = [self._given(one, {}) for one in inputs[start : start + BATCH]]
            feed = {name: np.concatenate([values[name] for values in given]) for name in first.inputs}
            results = run_session(first.session, feed)
            for index, values in enumerate(given):
                values |= self._schedule.constants
                values |= {name: result[[index]] for name, result in zip(first.outputs, results, strict=True)}
                computed.append(self._outputs(self._continued(rest, values)))
        return computed

    def trace(self, inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        """Computes every value outside blocks as the program stands, without rewrites; slower, needs a session more."""
        schedule = self._full_schedule
        values = self._computed(schedule, inputs, states)
        names = (name for name in schedule.types if name not in states)
        return {name: traced(values[name], schedule.types[name], self.precision) for name in names}

    def placements(self) -> tuple[Placement, ...]:
        """Which executor takes each operation."""
        return self._schedule.placements

    @cached_property
    def _full_schedule(self) -> "_Schedule":
        return self._started(plan(self.function, self.precision, keep_all=True), own_kernels=False)

    def _started(self, planned: Plan, *, own_kernels: bool = True) -> "_Schedule":
        """Starts a session for every graph, and lets go of the graphs, which hold all weights."""
        steps = tuple(
            self._step(segment, planned, own_kernels=own_kernels) if isinstance(segment, GraphSegment) else segment
            for segment in planned.segments
        )
        return _Schedule(steps, planned.constants, planned.types, planned.placements)

    def _step(self, segment: GraphSegment, planned: Plan, *, own_kernels: bool) -> "_SessionStep":
        outputs = [segment.graph.value(name) for name in segment.outputs]
        if own_kernels and kernel_library() is not None:
            use_native_kernels(segment.graph, outputs, bytes_too=kernels()[0] == "vnni")
        prune(segment.graph, outputs)
        batches = take_batches(segment.graph, outputs)
        apart = large_initializers(segment)
        model = model_proto(segment, planned.types, self.function.name, apart, batches=batches).SerializeToString()
        segment.graph.initializers.clear()  # the session has what it needs of them
        packs = any(node.op_type == "MatMulInteger" for node in segment.graph.nodes)
        session = session_of(model, threads=self.threads, spinning=self.spinning, weights=apart, packs=packs)
        return _SessionStep(session, segment.inputs, segment.outputs, batches)

    def _computed(self, schedule: "_Schedule", inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        values = {**schedule.constants, **states, **self._given(inputs, states)}
        return self._continued(schedule.steps, values)

    def _given(self, inputs: Mapping[str, Any], states: Mapping[str, StateCell]) -> Values:
        named = (named for named in self.function.inputs if named.name not in states)
        return {one.name: widen(np.asarray(inputs[one.name]), one.type) for one in named}

    def _continued(self, steps: Sequence["_SessionStep | ReferenceSegment"], values: Values) -> Values:
        """Takes steps, and adds what they give to the values."""
        context = Context(self.function.opset, self.precision)
        for step in steps:
            if isinstance(step, _SessionStep):
                feed = {name: np.ascontiguousarray(values[name]) for name in step.inputs}
                values.update(zip(step.outputs, run_session(step.session, feed), strict=True))
            else:
                evaluate(step.operation, context, values)
        return values

    def _outputs(self, values: Values) -> Values:
        return {name: narrow(values[name], self._schedule.types[name]) for name in self.function.body.outputs}


@dataclass(frozen=True)
class _SessionStep:
    """A session, the program's names of what it reads and gives, and whether it takes several images at once."""

    session: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    batches: bool


@dataclass(frozen=True)
class _Schedule:
    """What runs one after the other, and what is known before."""

    steps: tuple[_SessionStep | ReferenceSegment, ...]
    constants: Values
    types: Mapping[str, Any]
    placements: tuple[Placement, ...]


def session_of(
    model: bytes,
    *,
    threads: int,
    spinning: bool,
    weights: Mapping[str, NDArray[Any]] | None = None,
    packs: bool = False,
) -> Any:
    """Starts an ONNX Runtime session on the CPU.

    Args:
        model: A serialised ONNX model.
        threads: Threads of one run.
        spinning: Whether idle threads spin.
        weights: Constants that the model only describes.
        packs: Whether weights are laid out for the products in advance, in a second copy.

    Raises:
        UnsupportedError: ONNX Runtime refuses the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    # Floats packed in advance are no faster (13.6 ms for KewCNN with and without); bytes are: 1 ms instead of 6 for
    # 320 sums of 43,200 products.
    options.add_session_config_entry("session.disable_prepacking", "0" if packs else "1")
    library = kernel_library()
    if weights:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
        options.add_external_initializers(list(weights), values)
    try:
        if library is not None:
            options.register_custom_ops_library(str(library))
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=_DISABLED_OPTIMIZERS
        )
    except _onnxruntime_errors() as error:
        raise UnsupportedError(f"ONNX Runtime refuses the model: {error}") from error


def run_session(session: Any, feed: Mapping[str, Any], outputs: Sequence[str] | None = None) -> list[Any]:
    """Runs a session.

    Args:
        session: Made by `session_of`.
        feed: Arrays by name of the input.
        outputs: Names of the outputs to compute; None computes all.

    Raises:
        PackageError: It fails: shapes that are known at run time only do not fit.
    """
    try:
        results: list[Any] = session.run(None if outputs is None else list(outputs), dict(feed))
    except _onnxruntime_errors() as error:
        if UNFINISHED_LOOP in str(error):
            raise endless_loop("ONNX Runtime stopped") from error
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
