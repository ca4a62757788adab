"""`kewcore export`: what quantised activations cost, operation by operation."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kewcore_export.activations.record import ActivationRecord


def print_activations(title: str, record: "ActivationRecord") -> None:
    """Prints one package's table: input, range and costs of every operation that could take bytes.

    Args:
        title: Name of the package.
        record: What its sidecar says.
    """
    from kewcore.cli.output import print_table

    tensors = {tensor.name: tensor for tensor in record.tensors}
    rows = []
    for one in record.operations:
        # Of an operation that takes floats, another one may take the same value as bytes.
        tensor = tensors.get(one.input) if one.takes != "float" else None
        rows.append(
            [
                one.name,
                one.type,
                one.takes if tensor is None else tensor.dtype,
                "" if tensor is None else f"{tensor.low:.3g} … {tensor.high:.3g}",
                "" if tensor is None or tensor.clipped is None else f"{tensor.clipped:.3%}",
                "" if one.alone_db is None and one.takes == "float" else _decibels(one.alone_db),
                _decibels(one.together_db),
                one.reason,
            ]
        )
    columns = ["operation", "type", "takes", "range", "clipped", "logits, alone", "input, together", "note"]
    print_table(
        f"{title}: {record.images} calibration images, {record.method}; "
        f"logits together {_decibels(record.logits_snr_db)}",
        columns,
        rows,
        left=4,
    )


def _decibels(ratio_db: float | None) -> str:
    return "exact" if ratio_db is None else f"{ratio_db:.1f} dB"
