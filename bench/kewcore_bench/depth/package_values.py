"""What of a package can stand for layers: the values that depend on its input, and what is known of their channels."""

from collections.abc import Mapping
from dataclasses import dataclass

from kewcore.runtime.model import Model
from kewcore.runtime.program import Operation


@dataclass(frozen=True)
class PackageValues:
    """Values of a package by name.

    Attributes:
        order: Those that depend on the input, in order of computation, the input first; without what `dequantize`
            gives, which is another value once more.
        origins: For each of them, the value of the last operation with weights, or with several operands, that it was
            made of by operations without.
        biases: Names of the biases, by name of the value that they are added in.
        equalized: Values whose channels were multiplied with factors that the next weights are divided by.
    """

    order: tuple[str, ...]
    origins: Mapping[str, str]
    biases: Mapping[str, str]
    equalized: frozenset[str]


def package_values(model: Model, equalized: frozenset[str] = frozenset()) -> PackageValues:
    """Lists what a loaded package computes; weights and settings are left out.

    Args:
        model: The package.
        equalized: Of its values, those whose channels were scaled, as its sidecar says.
    """
    function = model.function
    origins = {named.name: named.name for named in function.inputs}
    order = list(origins)
    biases: dict[str, str] = {}
    for operation in function.body.operations:
        operands = operation.reads & origins.keys()
        if not operands:
            continue
        passes_on = len(operands) == 1 and "weight" not in operation.inputs
        for output in operation.outputs:
            origins[output.name] = origins[next(iter(operands))] if passes_on else output.name
        if operation.type != "dequantize":
            order += [output.name for output in operation.outputs]
        biases |= _bias(operation)
    return PackageValues(tuple(order), origins, biases, equalized)


def _bias(operation: Operation) -> dict[str, str]:
    names = [name for name in operation.inputs.get("bias", ()) if isinstance(name, str)]
    return {operation.outputs[0].name: names[0]} if names else {}
