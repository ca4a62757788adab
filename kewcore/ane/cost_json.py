"""The cost estimate as JSON; whatever is estimated says so in its key."""

from collections.abc import Sequence
from typing import Any

from kewcore.ane.cost import Estimate, OperationCost
from kewcore.ane.published import Accuracy
from kewcore.ane.roofline import Constant, Roofline, rooflines


def estimates_json(estimates: Sequence[Estimate]) -> list[dict[str, Any]]:
    """Returns totals, segments and operations for each chip, and what the figures rest on."""
    return [
        {
            "chip": one.chip,
            "estimated_ms": one.estimated_ms if one.segments else None,
            "is_complete": one.is_complete,
            "segments_elsewhere": one.elsewhere,
            "bound": one.bound.value,
            "estimated_ms_by_bound": {bound.value: waited for bound, waited in one.by_bound.items()},
            "segments": [
                {
                    "operations": list(segment.numbers),
                    "estimated_dispatch_ms": segment.dispatch_ms,
                    "estimated_work_ms": segment.work_ms,
                }
                for segment in one.segments
            ],
            "operations": [_operation(row, one) for row in one.operations],
            "accuracy": _accuracy(one.accuracy),
            "constants": _constants(rooflines()[one.chip]),
        }
        for one in estimates
    ]


def _operation(row: OperationCost, estimate: Estimate) -> dict[str, Any]:
    own = row.estimated_ms
    return {
        "number": row.number,
        "estimated_ms": own,
        "estimated_share": None if own is None else own / estimate.estimated_ms,
        "bound": row.bound.value if row.bound else None,
        "part_of": row.part_of,
        "estimated_compute_ms": row.time.compute_ms if row.time else None,
        "estimated_activation_ms": row.time.activation_ms if row.time else None,
        "estimated_weight_ms": row.time.weight_ms if row.time else None,
        "activation_bytes": row.work.activation_bytes if row.work else None,
        "weight_bytes": row.work.weight_bytes if row.work else None,
    }


def _accuracy(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "text": accuracy.text,
        "subject": accuracy.subject,
        "chips": list(accuracy.chips),
        "networks": accuracy.networks,
        "figures": accuracy.figures,
        "typical_factor": accuracy.typical_factor,
        "worst_factor": accuracy.worst_factor,
        "bias": accuracy.bias,
    }


def _constants(roofline: Roofline) -> dict[str, Any]:
    named = {
        "peak_tops": roofline.peak_tops,
        "fp16_tflops": roofline.fp16_tflops,
        "int8_speedup": roofline.int8_speedup,
        "weight_gb_per_s": roofline.weight_gb_per_s,
        "activation_gb_per_s": roofline.activation_gb_per_s,
        "on_chip_bytes": roofline.on_chip_bytes,
        "dispatch_floor_ms": roofline.dispatch_floor_ms,
        "channels_at_a_time": roofline.channels_at_a_time,
        **{f"most_gain_{kind}": constant for kind, constant in roofline.most_gain.items()},
    }
    return {name: None if constant is None else _constant(constant) for name, constant in named.items()}


def _constant(constant: Constant) -> dict[str, Any]:
    return {
        "value": constant.value,
        "mark": constant.mark.value,
        "source": constant.source.title,
        "url": constant.source.url,
        "how": constant.how,
    }
