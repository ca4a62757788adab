"""The program of a package as a TensorFlow function of a batch of images: what is trained is what will be packaged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import UnsupportedError
from kewcore.models.tensorflow import import_tensorflow
from kewcore.runtime.program import Binding, Function, Operation, TensorType
from kewcore_export.dependencies import needed_for
from kewcore_export.finetune.layout import held, plain
from kewcore_export.finetune.student_ops import operation as known_operation

_WEIGHTED = ("conv", "linear")


@dataclass(frozen=True)
class Split:
    """Where a program is cut in two: what comes first stays as it is, what comes behind is trained.

    Attributes:
        given: Names of the values that the second part reads of the first.
        weights: Names of the weights that the second part reads.
        whole: Whether these are all, so that there is nothing in front that would be worth keeping.
    """

    given: tuple[str, ...]
    weights: tuple[str, ...]
    whole: bool


class Student:
    """A classifier's program, computed in float32 from weights that are given.

    Args:
        function: A verified function of one image, `[1, C, H, W]`, that ends in `classify` behind a softmax.

    Raises:
        UnsupportedError: It ends otherwise.
    """

    def __init__(self, function: Function) -> None:
        self._image = function.inputs[0].name
        self._size = _image_size(function)
        makers = {output.name: one for one in function.body.operations for output in one.outputs}
        softmax = _softmax_before_classify(function, makers)
        self._logits = _name(softmax, "x")
        needed = needed_for([self._logits], function.body.operations)
        computed = [one for one in needed if one.type != "const" and not one.type.startswith("constexpr_")]
        read = frozenset[str]().union(*(one.reads for one in computed))
        decoded = {one.outputs[0].name for one in needed if one.type.startswith("constexpr_")} & read
        biases = {_name(one, "bias") for one in needed if one.type in _WEIGHTED and "bias" in one.inputs}
        weights = {_name(one, "weight") for one in needed if one.type in _WEIGHTED}
        self._constants = {
            one.outputs[0].name: _constant(one.attributes["val"]) for one in needed if one.type == "const"
        }
        self.weights = tuple(
            name for name in makers if name in decoded or (name in weights | biases and name in self._constants)
        )
        """Names of the values that are given: all that is compressed, and weights and biases that are not."""
        self._operations = tuple(computed)

    def split(self, trained: Collection[str]) -> "Split":
        """Cuts the program in front of the first operations that depend on certain weights.

        Args:
            trained: Names of these weights.
        """
        behind: set[str] = set(trained)
        later, before = [], {self._image}
        for one in self._operations:
            outputs = {output.name for output in one.outputs}
            if one.reads & behind:
                later.append(one)
                behind |= outputs
            else:
                before |= outputs
        read = frozenset[str]().union(*(one.reads for one in later))
        given = tuple(sorted(read & before))
        weights = tuple(name for name in self.weights if name in read)
        return Split(given, weights, whole=weights == self.weights)

    def values(self, weights: Mapping[str, Any], pixels: Any, wanted: Sequence[str]) -> list[Any]:
        """Computes values of the program.

        Args:
            weights: float32 in the program's shapes, for all names of `weights`.
            pixels: uint8 `[N, H, W]`.
            wanted: Names.

        Returns:
            float32; values of rank 4 as `[N, H, W, C]`.

        Raises:
            UnsupportedError: The program holds an operation that cannot be trained.
        """
        tf = import_tensorflow()
        image = tf.cast(tf.ensure_shape(pixels, [None, *self._size]), tf.float32)[..., tf.newaxis]
        return self._values({**weights, self._image: image}, wanted)

    def features(self, weights: Mapping[str, Any], pixels: Any, name: str) -> Any:
        """Computes a value of the program, float32 `[N, elements]`; see `values`."""
        return _flat(self.values(weights, pixels, [name])[0])

    def probabilities(self, weights: Mapping[str, Any], pixels: Any) -> Any:
        """Computes probabilities, float32 `[N, classes]`; see `values`."""
        return import_tensorflow().nn.softmax(self.features(weights, pixels, self._logits))

    def logits(self, weights: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
        """Computes logits from values in between.

        Args:
            weights: float32 in the program's shapes, for all names of `Split.weights`.
            given: For all names of `Split.given`, as `values` gives them.

        Returns:
            float32 `[N, classes]`.
        """
        return _flat(self._values({**weights, **given}, [self._logits])[0])

    def _values(self, known: Mapping[str, Any], wanted: Sequence[str]) -> list[Any]:
        needed, left = [], set(wanted) - set(known)
        for one in reversed(self._operations):
            if any(output.name in left for output in one.outputs):
                needed.append(one)
                left |= one.reads - set(known)
        values: dict[str, Any] = {**self._constants, **known}
        for one in reversed(needed):
            values[one.outputs[0].name] = self._computed(one, values)
        return [values[name] for name in wanted]

    def _computed(self, one: Operation, values: Mapping[str, Any]) -> Any:
        compute = known_operation(one.type)
        if compute is None or len(one.outputs) != 1:
            raise UnsupportedError(f"{one} cannot be trained", hint="export without --finetune")
        arguments = {name: _argument(name, bindings, values) for name, bindings in one.inputs.items()}
        try:
            result = compute(arguments)
        except UnsupportedError as error:
            error.add_note(f"at {one}")
            raise
        declared = one.outputs[0].type
        came = list(_program_shape(result))
        if not isinstance(declared, TensorType) or came[1:] != list(declared.shape or ())[1:]:
            raise UnsupportedError(
                f"{one} cannot be trained: for a batch of images it gives {came}, where the program has {declared}",
                hint="export without --finetune",
            )
        return result


def _flat(value: Any) -> Any:
    value = plain(value)
    return import_tensorflow().reshape(value, [-1, int(np.prod(value.shape[1:]))])


def _image_size(function: Function) -> tuple[int, int]:
    type_ = function.inputs[0].type
    shape = type_.static_shape if isinstance(type_, TensorType) and len(function.inputs) == 1 else None
    if shape is None or len(shape) != 4 or shape[:2] != (1, 1):
        raise UnsupportedError(
            f"only classifiers of one greyscale image can be trained; this program takes {type_}",
            hint="export without --finetune",
        )
    return shape[2], shape[3]


def _softmax_before_classify(function: Function, makers: Mapping[str, Operation]) -> Operation:
    last = next((one for one in function.body.operations if one.type == "classify"), None)
    found = None if last is None else makers.get(_name(last, "probabilities"))
    while found is not None and found.type in ("cast", "squeeze", "reshape", "identity"):
        found = makers.get(_name(found, "x"))
    if found is None or found.type != "softmax":
        raise UnsupportedError(
            "only classifiers that end in a softmax can be trained; this program does not",
            hint="export without --finetune",
        )
    return found


def _name(one: Operation, parameter: str) -> str:
    binding = one.inputs[parameter][0]
    return binding if isinstance(binding, str) else ""


def _constant(value: Any) -> NDArray[Any]:
    """Reads a constant; floats as float32, as everything is computed."""
    array = np.asarray(value.numpy())
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _argument(name: str, bindings: tuple[Binding, ...], values: Mapping[str, Any]) -> Any:
    found = [values[one] if isinstance(one, str) else _constant(one) for one in bindings]
    if name == "values":
        return [held(import_tensorflow().constant(one)) if isinstance(one, np.ndarray) else one for one in found]
    one = found[0]
    return one.item() if isinstance(one, np.ndarray) and one.ndim == 0 and one.dtype.kind in "OUb" else one


def _program_shape(value: Any) -> tuple[Any, ...]:
    shape = tuple(value.shape)
    return (shape[0], shape[3], shape[1], shape[2]) if len(shape) == 4 else shape
