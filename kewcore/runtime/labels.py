"""The labels of a classifier, which its program holds as a constant."""

from kewcore.errors import PackageError
from kewcore.runtime.evaluation import constant
from kewcore.runtime.program import Function, Operation


def classify_operation(function: Function) -> Operation | None:
    """Finds the `classify` operation of a classifier."""
    return next((operation for operation in function.body.operations if operation.type == "classify"), None)


def class_labels(function: Function) -> tuple[str | int, ...] | None:
    """Reads a classifier's labels; None if the function is not one, or computes them.

    Raises:
        PackageError: They are neither texts nor whole numbers.
    """
    classify = classify_operation(function)
    if classify is None:
        return None
    (classes,) = classify.arguments["classes"]
    if isinstance(classes, str):
        holders = (o for o in function.body.operations if o.type == "const" and o.outputs[0].name == classes)
        holder = next(holders, None)
        classes = "" if holder is None else holder.arguments["val"][0]
    if isinstance(classes, str):
        return None
    try:
        return tuple(label if isinstance(label, str) else int(label) for label in constant(classes))
    except (TypeError, ValueError) as error:
        raise PackageError(f"{classify}: classes must be texts or whole numbers: {error}") from error
