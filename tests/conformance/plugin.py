"""A pytest plugin for coremltools' own operator tests: predictions are switched on, and done by kewcore's runtime.

The tests compare results only on a Mac (`_IS_MACOS`), with the newest system's version of what an operation does. Both
are said to them here, before they are imported; their code is not changed. Cases are sorted by what came of them.
"""

import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NEURAL_NETWORK = "for the neuralnetwork backend, which is not an ML Program"
NO_PREDICTION = "converts, but asks for no prediction"
NO_TORCH = "computes what it expects with PyTorch, which is not installed"
GIVEN_UP = "given up by the test itself"
CLOCK = "measures how long coremltools itself takes"
_MACOS = (26, 0)
_predictions = 0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that `run.py` sets."""
    group = parser.getgroup("conformance")
    group.addoption("--executor", default="reference", help="kewcore's executor: reference, onnx or auto")
    group.addoption("--every", type=int, default=1, help="run every n-th case")
    group.addoption("--results", default="conformance.json", help="the file to write")


def pytest_configure(config: pytest.Config) -> None:
    """Switches predictions on in every process that runs tests."""
    import coremltools.converters.mil.testing_utils as testing_utils
    import coremltools.models.utils as model_utils

    from kewcore.runtime import coremltools_patch

    model_utils._macos_version = lambda: _MACOS
    model_utils._is_macos = lambda: True
    testing_utils._IS_MACOS = True
    coremltools_patch.patch_coremltools(config.getoption("--executor"), threads=1)
    original = coremltools_patch._Proxy.predict

    def counted(proxy: Any, data: Any, state: Any = None) -> Any:
        global _predictions
        if proxy.path.suffix == ".mlmodel":  # a test that names the other backend in its body
            pytest.skip(NEURAL_NETWORK)
        _predictions += 1
        return original(proxy, data, state)

    setattr(coremltools_patch._Proxy, "predict", counted)  # noqa: B010
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(Path(config.getoption("--results"))), "conformance-results")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes every n-th case, and leaves out those for the other backend."""
    items[:] = items[:: config.getoption("--every")]
    for item in items:
        if _is_neural_network(item):
            item.add_marker(pytest.mark.skip(reason=NEURAL_NETWORK))
        elif "test_efficient_type_inference" in item.name:
            item.add_marker(pytest.mark.skip(reason=CLOCK))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seeds each case by its name: most draw their inputs at random, and a case is to be the same in every run."""
    seed = zlib.crc32(item.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Notes how many predictions a case asked for."""
    global _predictions
    _predictions = 0
    try:
        yield
    finally:
        item.user_properties.append(("predictions", _predictions))


class _Collector:
    """Gathers what came of every case, and writes it at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cases: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes the report of a call, or of a setup that skips or fails."""
        if report.when != "call" and report.outcome == "passed":
            return
        self.cases[report.nodeid] = {"outcome": _outcome(report), "reason": _reason(report)}

    def pytest_sessionfinish(self) -> None:
        """Writes all cases by their id."""
        self.path.write_text(json.dumps(dict(sorted(self.cases.items())), indent=1), encoding="utf-8")


def _outcome(report: pytest.TestReport) -> str:
    if report.outcome == "skipped" or _reason(report) in {NO_PREDICTION, NO_TORCH}:
        return "left out"
    return str(report.outcome)


def _reason(report: pytest.TestReport) -> str:
    """Says why a case was left out, or how it failed; empty for one that passed."""
    if report.outcome == "passed":
        return "" if dict(report.user_properties).get("predictions", 0) else NO_PREDICTION
    crash = getattr(report.longrepr, "reprcrash", None)
    text = (
        report.longrepr[2] if isinstance(report.longrepr, tuple) else str(crash.message if crash else report.longrepr)
    )
    text = " ".join(text.split()).removeprefix("Skipped: ")
    if text in {"PyTorch not found.", "NameError: name 'torch' is not defined"}:
        return NO_TORCH
    if (given_up := text.removeprefix("_pytest.outcomes.XFailed: ")) != text:
        return f"{GIVEN_UP}: {given_up}"[:300]
    return text[:300]


def _is_neural_network(item: pytest.Item) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    backend = parameters.get("backend")
    name = backend[0] if isinstance(backend, tuple) else getattr(backend, "backend", None)
    return name == "neuralnetwork"
