"""TensorFlow operations that coremltools 9.0 lacks, written in MIL."""

from typing import Any


def register_missing_ops() -> None:
    """Teaches coremltools the missing operations; calling it again changes nothing.

    `Erfc`, the complementary error function, is what Keras' exact GELU becomes: `erfc(x) = 1 - erf(x)`.
    """
    from coremltools.converters.mil.frontend.tensorflow.tf_op_registry import (
        _TF_OPS_REGISTRY,
        register_tf_op,
    )
    from coremltools.converters.mil.mil import Builder

    if "Erfc" in _TF_OPS_REGISTRY:
        return

    def convert_erfc(context: Any, node: Any) -> None:
        x = context[node.inputs[0]]
        context.add(node.name, Builder.sub(x=1.0, y=Builder.erf(x=x), name=node.name))

    register_tf_op(convert_erfc, tf_alias=["Erfc"])
