"""Operations that ONNX has, but that mean something else there; each with the reason that `inspect` shows."""

from kewcore.runtime.lowering.graph import Lowering, NoLoweringError
from kewcore.runtime.lowering.registry import lowers


@lowers("non_maximum_suppression")
def _non_maximum_suppression(lowering: Lowering) -> None:
    raise NoLoweringError("ONNX suppresses every class by itself and does not fill the results up")


@lowers("random_bernoulli", "random_categorical", "random_normal", "random_uniform")
def _random(lowering: Lowering) -> None:
    raise NoLoweringError("ONNX Runtime draws other numbers from the same seed")
