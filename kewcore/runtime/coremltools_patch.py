"""Predictions of coremltools' own `MLModel` off a Mac: unchanged scripts run on this runtime.

coremltools reaches Core ML through a class of its compiled library, `_MLModelProxy`. Off a Mac there is none;
`patch_coremltools` puts one in its place that answers with this runtime and with the types that the original gives.
Source: `coremltools/models/model.py` and `coremlpython/CoreMLPython.mm` of github.com/apple/coremltools 9.0.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from time import perf_counter_ns
from typing import Any, ClassVar

from kewcore.errors import DependencyError, PackageError, UnsupportedError
from kewcore.quiet import silenced_stderr
from kewcore.runtime.loading import ExecutorChoice, load
from kewcore.runtime.model import Model
from kewcore.runtime.state import State

_NEWEST_SPECIFICATION_VERSION = 10
"""Of iOS 26, the newest that coremltools 9.0 writes."""


class PredictionError(PackageError, RuntimeError):
    """A prediction that a package stopped, as a script meets it that expects coremltools' `RuntimeError`."""


def patch_coremltools(executor: ExecutorChoice = "auto", threads: int | None = None) -> Callable[[], None]:
    """Makes `coremltools.models.MLModel` predict with this runtime, in this process.

    Works for models that are opened or converted after the call: `predict` with a dictionary or a list of them,
    `make_state`, and `predict(…, state=…)`. A package is opened at its first prediction.

    Args:
        executor: As for `load`.
        threads: As for `load`.

    Returns:
        A function that takes this patch back, for models opened later. Patches can be taken back in any order: what
        was there before the first is there again once all of them are.

    Raises:
        DependencyError: coremltools is not installed.
    """
    model_module = _coremltools_model()
    original_proxy, original_make_state = model_module._MLModelProxy, model_module.MLModel.make_state

    class Proxy(_Proxy):
        """A proxy that knows the choices of this patch."""

        choice = executor
        thread_count = threads
        before = (original_proxy, original_make_state)

    def make_state(model: Any) -> Any:
        if not isinstance(model.__proxy__, _Proxy):
            return original_make_state(model)
        return model_module.MLState(model.__proxy__.newState())

    model_module._MLModelProxy = Proxy
    model_module.MLModel.make_state = make_state

    def take_back() -> None:
        Proxy.taken_back = True
        while _is_taken_back(model_module._MLModelProxy):
            model_module._MLModelProxy, model_module.MLModel.make_state = model_module._MLModelProxy.before

    return take_back


def _is_taken_back(proxy: Any) -> bool:
    return isinstance(proxy, type) and issubclass(proxy, _Proxy) and proxy.taken_back


class _Proxy:
    """Stands where coremltools expects the bridge to Core ML; the method names are coremltools'."""

    choice: ClassVar[ExecutorChoice]
    thread_count: ClassVar[int | None]
    before: ClassVar[tuple[Any, Any]]
    taken_back: ClassVar[bool] = False

    def __init__(self, path: str, compute_units: str, function_name: str, hints: Any = None, asset: Any = None) -> None:
        self.path = Path(path)
        self.function_name = function_name or None
        self.load_duration_ns: int | None = None
        self.last_predict_duration_ns: int | None = None

    @staticmethod
    def maximum_supported_specification_version() -> int:
        return _NEWEST_SPECIFICATION_VERSION

    @cached_property
    def model(self) -> Model:
        """Opened when it is first needed: most models that a script converts are only saved."""
        start = perf_counter_ns()
        model = load(self.path, self.choice, self.thread_count, function_name=self.function_name)
        self.load_duration_ns = perf_counter_ns() - start
        return model

    def predict(self, data: dict[str, Any], state: State | None = None) -> dict[str, Any]:
        return self._timed([data], state)[0]

    def batchPredict(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:  # noqa: N802
        return self._timed(data, None)

    def _timed(self, rows: list[dict[str, Any]], state: State | None) -> list[dict[str, Any]]:
        model, start = self.model, perf_counter_ns()
        try:
            results = model.predict_many(rows) if state is None else [model.predict(row, state) for row in rows]
        except PackageError as error:
            raise PredictionError(
                f"Unable to compute the prediction using ML Program: {error.message}", hint=error.hint
            ) from error
        self.last_predict_duration_ns = perf_counter_ns() - start
        return results

    def newState(self) -> State:  # noqa: N802
        return self.model.make_state()

    def get_load_duration_in_nano_seconds(self) -> int | None:
        return self.load_duration_ns

    def get_last_predict_duration_in_nano_seconds(self) -> int | None:
        return self.last_predict_duration_ns

    def get_compiled_model_path(self) -> str:
        raise UnsupportedError(
            f"'{self.path}' has no compiled form off a Mac", hint="kewcore runs the package itself; open that"
        )


def _coremltools_model() -> Any:
    try:
        with silenced_stderr():
            import coremltools.models.model as model_module
    except ImportError as error:
        raise DependencyError("patch_coremltools needs coremltools", hint="pip install coremltools") from error
    return model_module
