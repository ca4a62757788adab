"""Activations of a float package as bytes: calibrated, judged operation by operation, and recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.console import detail
from kewcore.runtime.package import Interface
from kewcore.runtime.program import Function, Operation
from kewcore.runtime.spec.package import read_package
from kewcore.runtime.verifier import verify
from kewcore_export.activations.calibration import CalibratedRanges, calibrated_ranges, distributions
from kewcore_export.activations.chains import chains
from kewcore_export.activations.cost import COST_IMAGES, costs_alone, costs_together, logits_snr_db
from kewcore_export.activations.equalization import channel_sizes, multipliers, with_constants
from kewcore_export.activations.histogram import Distribution
from kewcore_export.activations.images import CalibrationImages
from kewcore_export.activations.pairs import Pair, pairs_for
from kewcore_export.activations.placement import Placement, placement
from kewcore_export.activations.ranges import clipped_part, signal_to_noise_db
from kewcore_export.activations.record import ActivationRecord, OperationRecord, TensorRecord, recorded_db
from kewcore_export.activations.settings import CalibrationSettings
from kewcore_export.activations.small_layers import small_layers

EXCLUDED_BELOW_DB = 20.0
"""An operation whose bytes alone disturb the logits by more than a tenth of their own size takes floats."""


@dataclass(frozen=True)
class QuantizedActivations:
    """What becomes of a float package's activations.

    Attributes:
        pairs: Where they become bytes.
        float32: Values of the constants that equalisation changed, by name.
        record: All that is known before the package is written.
        original: The float package's function.
        equalized: The same with those constants.
        interface: Inputs of both.
        images: What was calibrated on.
    """

    pairs: tuple[Pair, ...]
    float32: Mapping[str, NDArray[np.float32]]
    record: ActivationRecord
    original: Function
    equalized: Function
    interface: Interface
    images: CalibrationImages


def quantize_activations(
    package: Path, float32: Mapping[str, NDArray[np.float32]], images: CalibrationImages, settings: CalibrationSettings
) -> QuantizedActivations:
    """Calibrates a float package and decides which operations take bytes.

    Args:
        package: A 16-bit package of a classifier of greyscale images.
        float32: Its stored constants before rounding, by name.
        images: What to calibrate on.
        settings: How.

    Raises:
        ExportError: An activation is not finite.
        DataError: An image cannot be decoded.
        UnsupportedError: The package is no classifier.
    """
    function, interface = _function(package)
    count = len(images.items)
    found = chains(function, frozenset(float32))
    sizes = channel_sizes(function, interface, found, images.pixels(), count)
    changed = _scaled(float32, multipliers(function, found, sizes))
    found = found if changed else ()
    equalized = with_constants(function, changed)
    calibration = _Calibration(equalized, interface, images, settings)

    done = calibration.calibrated(small_layers(function), {})
    judged = tuple(operation for operation in done.placed.operations if operation.decides)
    few = list(images.some(COST_IMAGES).pixels())
    alone = costs_alone(equalized, interface, judged, pairs_for(done.placed, done.ranges.ranges), few)
    if too_costly := _too_costly(alone, settings.keep_float):
        done = calibration.calibrated({**done.reasons, **too_costly}, done.measured)
    for name, reason in done.reasons.items():
        detail(f"'{name}' takes floats: {reason}")
    record = ActivationRecord(
        method=settings.method,
        symmetric=settings.symmetric,
        folder=str(images.folder),
        images=count,
        images_sha256=images.fingerprint,
        seed=settings.seed,
        keep_float=settings.keep_float,
        excluded_below_db=EXCLUDED_BELOW_DB,
        equalized=tuple(chain.layer.outputs[0].name for chain in found),
        cost_images=len(few),
        logits_snr_db=None,
        operations=_operations(equalized, done.placed, alone, done.reasons),
        tensors=_tensors(done.placed, done.ranges, done.measured),
    )
    pairs = pairs_for(done.placed, done.ranges.ranges)
    return QuantizedActivations(pairs, changed, record, function, equalized, interface, images)


def with_costs_together(quantized: QuantizedActivations, package: Path) -> ActivationRecord:
    """Completes a record by what the finished package gives, in integer arithmetic where the fast executor has it.

    Args:
        quantized: What the package was made from.
        package: The finished package.
    """
    function, _ = _function(package)
    few = list(quantized.images.some(quantized.record.cost_images).pixels())
    behind = {pair.value: pair.dequantized for pair in quantized.pairs}
    values = {one.input: behind.get(one.input, one.input) for one in quantized.record.operations}
    together = costs_together(quantized.equalized, function, quantized.interface, values, few)
    return replace(
        quantized.record,
        logits_snr_db=recorded_db(logits_snr_db(quantized.original, function, quantized.interface, few)),
        operations=tuple(
            replace(one, together_db=recorded_db(together[one.input])) for one in quantized.record.operations
        ),
    )


@dataclass(frozen=True)
class _Calibrated:
    """Operations that take bytes, all of whose operands have ranges.

    Attributes:
        placed: The operations.
        ranges: Of their operands.
        measured: Distributions of activations, also of some that take floats.
        reasons: Why other operations take floats, by name.
    """

    placed: Placement
    ranges: CalibratedRanges
    measured: Mapping[str, Distribution]
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class _Calibration:
    """What stays the same when a placement is calibrated again."""

    function: Function
    interface: Interface
    images: CalibrationImages
    settings: CalibrationSettings

    def calibrated(self, reasons: Mapping[str, str], measured: Mapping[str, Distribution]) -> _Calibrated:
        """Calibrates with some operations left out, and with those that then have no range.

        What is left out may have shared a range with others, which are looked at anew without it.

        Args:
            reasons: Why operations are left out, by name.
            measured: Distributions that are known already.
        """
        while True:
            placed = placement(self.function, frozenset(reasons))
            measured = self._measured(placed, measured)
            ranges = calibrated_ranges(placed, measured, self.settings.method, symmetric=self.settings.symmetric)
            unusable = _without_range(placed, ranges)
            if not unusable:
                return _Calibrated(placed, ranges, measured, reasons)
            reasons = {**reasons, **unusable}

    def _measured(self, placed: Placement, known: Mapping[str, Distribution]) -> dict[str, Distribution]:
        """Measures what is not known yet."""
        missing = placed.measured - set(known)
        new = distributions(self.function, self.interface, missing, self.images.pixels(), len(self.images.items))
        return {**known, **new}


def _scaled(
    float32: Mapping[str, NDArray[np.float32]], factors: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float32]]:
    """Returns the scaled constants; none where one of them would leave fp16."""
    changed = {name: (float32[name] * factor).astype(np.float32) for name, factor in factors.items()}
    largest = max((float(np.abs(values).max(initial=0)) for values in changed.values()), default=0.0)
    return changed if largest < float(np.finfo(np.float16).max) else {}


def _function(package: Path) -> tuple[Function, Interface]:
    content = read_package(package)
    verify(content, content.default_function)
    return content.program.functions[content.default_function], content.interfaces[content.default_function]


def _without_range(placed: Placement, ranges: CalibratedRanges) -> dict[str, str]:
    """Says which operations cannot take bytes, and why."""
    return {
        operation.name: f"its input '{operand.value}' is {ranges.unusable[operand.value]}"
        for operation in placed.operations
        for operand in operation.operands
        if operand.value in ranges.unusable
    }


def _too_costly(alone: Mapping[str, float], keep_float: int) -> dict[str, str]:
    """Says which operations cost too much, or most."""
    worst = sorted(alone, key=lambda name: alone[name])[:keep_float]
    asked = dict.fromkeys(worst, f"one of the {keep_float} that cost most, as asked")
    below = {
        name: f"{ratio_db:.1f} dB alone, less than {EXCLUDED_BELOW_DB:.0f} dB"
        for name, ratio_db in alone.items()
        if not ratio_db >= EXCLUDED_BELOW_DB
    }
    return asked | below


def _operations(
    function: Function, placed: Placement, alone: Mapping[str, float], reasons: Mapping[str, str]
) -> tuple[OperationRecord, ...]:
    taking = {operation.name for operation in placed.operations}
    return tuple(
        OperationRecord(
            name=name,
            type=operation.type,
            input=_first_operand(operation),
            takes="int8" if name in taking else "float",
            alone_db=recorded_db(alone[name]) if name in alone else None,
            together_db=None,
            reason=reasons.get(name, ""),
        )
        for operation in function.body.operations
        if operation.outputs and ((name := operation.outputs[0].name) in taking or name in reasons)
    )


def _first_operand(operation: Operation) -> str:
    binding = operation.inputs["values" if operation.type == "concat" else "x"][0]
    return str(binding)


def _tensors(
    placed: Placement, ranges: CalibratedRanges, measured: Mapping[str, Distribution]
) -> tuple[TensorRecord, ...]:
    values = dict.fromkeys(operand.value for one in placed.operations for operand in one.operands)
    return tuple(
        TensorRecord(
            name=value,
            dtype=chosen.dtype,
            scale=chosen.scale,
            zero_point=chosen.zero_point,
            low=round(chosen.low, 6),
            high=round(chosen.high, 6),
            clipped=round(clipped_part(measured[value], chosen), 8) if value in measured else None,
            snr_db=recorded_db(signal_to_noise_db(measured[value], chosen)) if value in measured else None,
        )
        for value in values
        for chosen in (ranges.ranges[value],)
    )
