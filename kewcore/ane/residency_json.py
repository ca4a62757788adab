"""The residency report as JSON, for gates and other programs."""

from collections.abc import Sequence
from typing import Any

from kewcore.ane.activation_ranges import ValueRange, largest_sliced
from kewcore.ane.compute_plan import Comparison, ComputePlan
from kewcore.ane.residency import ChipReport, Judgement, Residency
from kewcore.ane.rules import Finding
from kewcore.runtime.program import TensorType


def residency_json(report: Residency) -> dict[str, Any]:
    """Returns operations, and for each chip shares, segments and judgements in the order of the operations."""
    return {
        "multiply_adds": report.multiply_adds,
        "operations": [
            {
                "number": call.number,
                "name": call.operation.name,
                "type": call.type,
                "results": [
                    {
                        "name": output.name,
                        "dtype": output.type.dtype.value if isinstance(output.type, TensorType) else None,
                        "shape": list(output.type.shape or ()) if isinstance(output.type, TensorType) else None,
                    }
                    for output in call.operation.outputs
                ],
                "multiply_adds": call.multiply_adds,
                "rounds": call.rounds,
            }
            for call in report.calls
        ],
        "chips": [_chip(one) for one in report.chips],
    }


def ranges_json(report: Residency, rows: Sequence[ValueRange], inputs: Sequence[str]) -> dict[str, Any]:
    """Returns what fp16 does to activations, and the inputs that they were measured on."""
    return {
        "inputs": list(inputs),
        "largest_sliced": largest_sliced(report, rows),
        "values": [
            {
                "name": row.name,
                "made_by": row.made_by,
                "dtype": row.dtype,
                "elements": row.elements,
                "largest": row.largest,
                "overflow": row.overflow,
                "underflow": row.underflow,
                "subnormal": row.subnormal,
                "saturated": row.saturated,
                "imprecise": row.imprecise,
            }
            for row in rows
        ],
    }


def comparison_json(plan: ComputePlan, chip: str, rows: Sequence[Comparison]) -> dict[str, Any]:
    """Returns Core ML's plan beside the verdicts on one chip."""
    return {
        "device": plan.device,
        "plan_chip": plan.chip,
        "compared_chip": chip,
        "differences": sum(row.differs for row in rows),
        "operations": [
            {
                "name": row.call.operation.name,
                "verdict": row.verdict.value,
                "preferred": row.planned.preferred if row.planned else None,
                "supported": list(row.planned.supported) if row.planned else [],
                "cost_weight": row.planned.cost_weight if row.planned else None,
                "in_plan": row.planned is not None,
                "differs": row.differs,
            }
            for row in rows
        ],
    }


def _chip(one: ChipReport) -> dict[str, Any]:
    return {
        "chip": one.chip.name,
        "resident_ops": one.resident_ops,
        "resident_multiply_adds": one.resident_multiply_adds,
        "switches": one.switches,
        "segments": [
            {
                "on_engine": segment.on_engine,
                "operations": [call.number for call in segment.calls],
                "multiply_adds": segment.multiply_adds,
                "received_bytes": segment.received_bytes,
                "received": dict(segment.received),
            }
            for segment in one.segments
        ],
        "judgements": [_judgement(judgement) for judgement in one.judgements],
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "rule": judgement.rule,
        "mark": judgement.mark.value if judgement.mark else None,
        "source": judgement.source.title if judgement.source else None,
        "url": judgement.source.url if judgement.source else None,
        "findings": [_finding(finding) for finding in judgement.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "rule": rule.number,
        "title": rule.title,
        "effect": rule.effect.value,
        "mark": rule.mark.value,
        "source": rule.source.title,
        "url": rule.source.url,
        "text": finding.text,
    }
