"""From a Keras classifier to one TensorFlow function of fixed shape that turns an image into probabilities."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kewcore.errors import ExportError, UnsupportedError
from kewcore.models.tensorflow import import_tensorflow

_CHANNELS = (1, 3)
_RANDOM_OPS = ("Random", "Multinomial", "TruncatedNormal", "ParameterizedTruncatedNormal")


@dataclass(frozen=True)
class ClassifierGraph:
    """A classifier ready for conversion.

    Attributes:
        function: TensorFlow concrete function of one image, float32 `[1, H, W, C]`, pixel values 0…255.
        height: Rows of an image.
        width: Columns of an image.
        channels: 1 for greyscale, 3 for RGB.
        classes: Number of classes.
        softmax_added: True where the model ended in logits.
        model: The Keras model. The function holds its variables by weak references alone, so it must live as long.
    """

    function: Any
    height: int
    width: int
    channels: int
    classes: int
    softmax_added: bool
    model: Any


def classifier_graph(model: Any) -> ClassifierGraph:
    """Traces a Functional or Sequential Keras classifier for one image.

    Args:
        model: Keras model from images, `[N, H, W, 1 or 3]` with pixel values 0…255, to probabilities or logits.

    Raises:
        UnsupportedError: It has several inputs or outputs, no fixed image size, a random op that is active at
            inference, or an activation at its end that is neither softmax nor none.
    """
    tf = import_tensorflow()
    height, width, channels = _image_shape(model)
    classes = _class_count(model)

    def traced(wrap: bool) -> Any:
        def probabilities(image: Any) -> Any:
            output = model(image, training=False)
            return tf.nn.softmax(output) if wrap else output

        image = tf.TensorSpec((1, height, width, channels), tf.float32, name="image")
        return tf.function(probabilities, input_signature=[image], autograph=False).get_concrete_function()

    function = traced(wrap=False)
    _refuse_random_ops(function.graph)
    last = _last_op_type(function.graph)
    if last == "Sigmoid":
        raise UnsupportedError(
            "the model ends in a sigmoid: its outputs are independent, not the probabilities of one class",
            hint="end the model in a softmax, or in plain logits",
        )
    softmax_added = last != "Softmax"
    if softmax_added:
        function = traced(wrap=True)
    return ClassifierGraph(function, height, width, channels, classes, softmax_added, model)


def check_class_names(graph: ClassifierGraph, class_names: tuple[str, ...]) -> None:
    """Compares the number of labels with the model's outputs.

    Raises:
        ExportError: They differ, or a label occurs twice.
    """
    if len(class_names) != graph.classes:
        raise ExportError(f"the model has {graph.classes} outputs, but the run names {len(class_names)} classes")
    if len(set(class_names)) != len(class_names):
        raise ExportError(f"class names must differ from each other, got {', '.join(class_names)}")


def check_finite(model: Any) -> None:
    """Makes sure that a trained Keras model holds numbers alone.

    Raises:
        ExportError: A weight holds NaN or infinity, as a training that diverged leaves them.
    """
    for variable in model.weights:
        values = np.asarray(variable)
        if np.issubdtype(values.dtype, np.floating) and (count := int((~np.isfinite(values)).sum())):
            raise ExportError(
                f"weight '{variable.path}' {list(values.shape)} holds {count} values that are NaN or infinite",
                hint="the training has diverged: look at its history.csv, and train again at a lower learning rate",
            )


def _image_shape(model: Any) -> tuple[int, int, int]:
    inputs = model.inputs or []
    if len(inputs) != 1:
        raise UnsupportedError(f"a classifier must have one input, the image; this model has {len(inputs)}")
    shape = tuple(inputs[0].shape)
    if len(shape) != 4 or None in shape[1:] or shape[3] not in _CHANNELS:
        raise UnsupportedError(
            f"the model's input must be images [N, H, W, 1 or 3] of fixed size, got shape {list(shape)}",
            hint="build the model with a fixed input size and channels last",
        )
    return int(shape[1]), int(shape[2]), int(shape[3])


def _class_count(model: Any) -> int:
    outputs = model.outputs or []
    shape = tuple(outputs[0].shape) if len(outputs) == 1 else ()
    if len(shape) != 2 or shape[1] is None or shape[1] < 2:
        shapes = ", ".join(str(list(output.shape)) for output in outputs)
        raise UnsupportedError(f"a classifier must have one output [N, classes], with two or more; got {shapes}")
    return int(shape[1])


def _refuse_random_ops(graph: Any) -> None:
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    offenders = sorted({node.name for node in nodes if any(word in node.op for word in _RANDOM_OPS)})
    if offenders:
        layers = sorted({"/".join(name.split("/")[1:-1]) or name for name in offenders})
        raise UnsupportedError(
            f"the model draws random numbers at inference, in {', '.join(layers)}: its answers would change every time",
            hint="move augmentation out of the model, or do not call its layers with training=True",
        )


def _last_op_type(graph: Any) -> str:
    op = graph.outputs[0].op
    while op.type == "Identity":
        op = op.inputs[0].op
    return str(op.type)
