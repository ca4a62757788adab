"""Choices and loops. What their blocks do is run by `kewcore.runtime.evaluation`; here is what they take."""

from typing import Any

from kewcore.runtime.registry import BOOLS, op

_SOURCE = "iOS15/control_flow.py"


@op("cond", source=_SOURCE, accepts={"pred": BOOLS}, blocks=2, variadic_results=True, result_like=None, exact=True)
def cond(*, pred: bool) -> Any:
    """What the first block gives where `pred` is true, otherwise what the second gives."""
    raise ValueError("it needs two blocks")


@op(
    "while_loop", source=_SOURCE, variadic=("loop_vars",), blocks=2, variadic_results=True, result_like=None, exact=True
)
def while_loop(*, loop_vars: tuple[Any, ...]) -> Any:
    """Runs the second block on what it gave last, at first on `loop_vars`, as long as the first gives true."""
    raise ValueError("it needs two blocks")
