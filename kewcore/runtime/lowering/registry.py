"""Which operations have a lowering to ONNX; each is a function of one `Lowering`."""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError

Lower = Callable[[Lowering], None]

_lowerings: dict[str, Lower] = {}
_REASONS = {
    "classify": "its results are a label and a dictionary, which are no tensors",
    "non_maximum_suppression": "ONNX suppresses every class by itself and does not fill the results up",
    "range_1d": "its length is known at run time only, and must be checked before memory is taken",
    **dict.fromkeys(
        ("random_bernoulli", "random_categorical", "random_normal", "random_uniform"),
        "ONNX Runtime draws other numbers from the same seed",
    ),
    **dict.fromkeys(("read_state", "write_state", "coreml_update_state"), "a graph has no values that outlive a run"),
}
"""Why an operation has none."""


def lowers(*names: str) -> Callable[[Lower], Lower]:
    """Registers the decorated function as the lowering of operations, in all their versions.

    Raises:
        ValueError: An operation has one already.
    """

    def register(function: Lower) -> Lower:
        for name in names:
            if name in _lowerings:
                raise ValueError(f"operation '{name}' has a lowering already")
            _lowerings[name] = function
        return function

    return register


def lower(lowering: Lowering) -> None:
    """Adds an operation to its graph.

    Raises:
        NoLoweringError: There is no lowering for it, or not for this form; the message says why.
    """
    _import_lowerings()
    function = _lowerings.get(lowering.operation.type)
    if function is None:
        raise NoLoweringError(reason_against(lowering.operation.type))
    function(lowering)


def lowered_operations() -> frozenset[str]:
    """Returns the names of all operations that have a lowering."""
    _import_lowerings()
    return frozenset(_lowerings)


def reason_against(name: str) -> str:
    """Says why an operation has no lowering."""
    return _REASONS.get(name, "no lowering to ONNX is written")


@cache
def _import_lowerings() -> None:
    package = importlib.import_module("kewcore.runtime.lowering.ops")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
