"""Lowerings of elementwise arithmetic, comparisons, functions and casts."""

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError, element_type
from kewcore.runtime.lowering.registry import lowers
from kewcore.runtime.program import DataType, TensorType

_BINARY = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "maximum": "Max",
    "minimum": "Min",
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
}
_FLOAT_BINARY = {"real_div": "Div", "pow": "Pow"}
_UNARY = {
    "abs": "Abs",
    "acos": "Acos",
    "asin": "Asin",
    "atan": "Atan",
    "atanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "round": "Round",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "sqrt": "Sqrt",
    "tan": "Tan",
    "tanh": "Tanh",
}


@lowers(*_BINARY)
def _binary(lowering: Lowering) -> None:
    lowering.finish(lowering.node(_BINARY[lowering.operation.type], lowering.value("x"), lowering.value("y")))


@lowers(*_FLOAT_BINARY)
def _float_binary(lowering: Lowering) -> None:
    lowering.require_floats("x", "y")
    lowering.finish(lowering.node(_FLOAT_BINARY[lowering.operation.type], lowering.value("x"), lowering.value("y")))


@lowers("floor_div")
def _floor_div(lowering: Lowering) -> None:
    lowering.require_floats("x", "y")
    lowering.finish(lowering.node("Floor", lowering.node("Div", lowering.value("x"), lowering.value("y"))))


@lowers("mod")
def _mod(lowering: Lowering) -> None:
    """The remainder has the sign of `y`; ONNX's has that of `x`. Whole numbers divided by 0 would end the process."""
    lowering.require_floats("x", "y")
    x, y, zero = lowering.value("x"), lowering.value("y"), lowering.floats(0.0)
    remainder = lowering.node("Mod", x, y, fmod=1)
    differs = lowering.node("Xor", lowering.node("Less", remainder, zero), lowering.node("Less", y, zero))
    moves = lowering.node("And", differs, lowering.node("Not", lowering.node("Equal", remainder, zero)))
    lowering.finish(lowering.node("Where", moves, lowering.node("Add", remainder, y), remainder))


@lowers("not_equal")
def _not_equal(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Not", lowering.node("Equal", lowering.value("x"), lowering.value("y"))))


@lowers(*_UNARY)
def _unary(lowering: Lowering) -> None:
    if lowering.operation.type not in {"abs", "sign"}:
        lowering.require_floats("x")
    lowering.finish(lowering.node(_UNARY[lowering.operation.type], lowering.value("x")))


@lowers("square")
def _square(lowering: Lowering) -> None:
    x = lowering.value("x")
    lowering.finish(lowering.node("Mul", x, x))


@lowers("exp2")
def _exp2(lowering: Lowering) -> None:
    lowering.require_floats("x")
    lowering.finish(lowering.node("Pow", lowering.floats(2), lowering.value("x")))


@lowers("logical_not")
def _logical_not(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Not", lowering.value("x")))


@lowers("clip")
def _clip(lowering: Lowering) -> None:
    lowering.require_floats("x")
    bounds = [lowering.floats(lowering.constant(name)) for name in ("alpha", "beta")]
    lowering.finish(lowering.node("Clip", lowering.value("x"), *bounds))


@lowers("threshold")
def _threshold(lowering: Lowering) -> None:
    lowering.require_floats("x")
    lowering.finish(lowering.node("Max", lowering.value("x"), lowering.floats(lowering.constant("alpha"))))


def _shifted(lowering: Lowering, default: float) -> str:
    epsilon = float(lowering.constant("epsilon", default))
    return lowering.node("Add", lowering.value("x"), lowering.floats(epsilon))


@lowers("inverse")
def _inverse(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Reciprocal", _shifted(lowering, 1e-4)))


@lowers("log")
def _log(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Log", _shifted(lowering, 1e-45)))


@lowers("rsqrt")
def _rsqrt(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Reciprocal", lowering.node("Sqrt", _shifted(lowering, 1e-12))))


@lowers("select")
def _select(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Where", lowering.value("cond"), lowering.value("a"), lowering.value("b")))


@lowers("identity")
def _identity(lowering: Lowering) -> None:
    lowering.finish(lowering.node("Identity", lowering.value("x")))


@lowers("cast")
def _cast(lowering: Lowering) -> None:
    result, source = lowering.operation.outputs[0].type, lowering.type("x")
    if not isinstance(result, TensorType):
        raise NoLoweringError(f"the result is a {result}")
    target = element_type(result.dtype)
    if target == element_type(source.dtype):
        # Widening fp16 to fp32 changes nothing; the other way, `finish` has the value rounded.
        lowering.finish(lowering.node("Identity", lowering.value("x")), rounded=source.dtype is DataType.FLOAT16)
        return
    lowering.finish(lowering.node("Cast", lowering.value("x"), to=target))
