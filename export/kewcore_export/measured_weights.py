"""What compression did to each weight, measured on the written package: decoded again and compared with float32."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import ExportError
from kewcore.parity.snr import LEAST_SNR_DB, snr_db
from kewcore_export.compression import ConstantPlan
from kewcore_export.forms import WeightForm
from kewcore_export.modes import Mode
from kewcore_export.program import StoredConstant, read_constants
from kewcore_export.quantizers.sparse import magnitude_mask
from kewcore_export.sidecar import WeightRecord

# Least signal-to-noise ratio in dB by bits of a linear or palette weight. Lloyd-Max quantisation of Gaussian values
# gives 4.4, 9.3, 14.6, 20.2, 31.9 and 43.9 dB for 1, 2, 3, 4, 6 and 8 bits (Max, "Quantizing for minimum
# distortion", IRE Trans. Inf. Theory 6(1), 1960); heavy tails cost a few dB, per-tensor scales more. What falls below
# these floors is not coarse, it is broken.
SNR_FLOORS_DB = {1: 1.0, 2: 3.0, 3: 6.0, 4: 10.0, 6: 18.0, 8: 20.0, 16: 40.0, 32: 100.0}


def check_range(constants: tuple[StoredConstant, ...], float32: Mapping[str, NDArray[np.float32]], mode: Mode) -> None:
    """Makes sure that a program's constants can be held in fp16, in which all modes but fp32 compute.

    Args:
        constants: Of the program.
        float32: Their values before any rounding.
        mode: The mode to export in.

    Raises:
        ExportError: A value is too large.
    """
    limit = 65504.0  # Largest finite number of IEEE 754 binary16.
    for constant in constants if mode.float_bits == 16 else ():
        values = float32[constant.name]
        largest = float(np.abs(values).max(initial=0))
        if largest > limit:
            raise ExportError(
                f"weight '{constant.name}' {list(values.shape)} holds {largest:g}, but mode {mode.name} computes in "
                f"fp16, which ends at {limit:g}",
                hint="export this run as fp32",
            )


def measured_weights(
    plans: tuple[ConstantPlan, ...],
    float32: Mapping[str, NDArray[np.float32]],
    model: Any,
    weights: Path,
    mode: Mode,
    *,
    trained: bool = False,
) -> tuple[WeightRecord, ...]:
    """Measures every constant of a written package.

    Args:
        plans: What was to become of each.
        float32: Values before any rounding.
        model: The package's protobuf `Model`, as read back.
        weights: The package's weights file.
        mode: The mode it was written in.
        trained: Whether weights have learned since: then they may be as far from `float32` as they like.

    Raises:
        ExportError: A weight came back with less signal than the floor of its form (of a pruned one: in the values that
            were to stay), or less sparse than asked.
    """
    stored = read_constants(model, weights)
    return tuple(
        _measured(plan, float32[plan.constant.name], stored[plan.constant.name], mode.name, trained) for plan in plans
    )


def _floor_db(form: WeightForm) -> float:
    """The least signal-to-noise ratio of a usable weight; vectors share their bits."""
    bits = form.bits // form.vector
    return SNR_FLOORS_DB[max(known for known in SNR_FLOORS_DB if known <= bits)] if bits else 0.0


def _measured(
    plan: ConstantPlan, reference: NDArray[np.float32], stored: NDArray[Any], mode: str, trained: bool
) -> WeightRecord:
    name, form = plan.constant.name, plan.form
    ratio_db = snr_db(reference, stored)
    sparsity = float(np.mean(stored == 0))
    pruned = form.sparsity > 0
    # What pruning takes away is wanted; what it was to leave must still be there.
    stays = magnitude_mask(reference, form.sparsity) if pruned else np.ones(reference.shape, bool)
    kept_db = snr_db(reference[stays], stored[stays])
    floor_db = LEAST_SNR_DB if trained else _floor_db(form)
    if kept_db < floor_db:
        raise ExportError(
            f"weight '{name}' {list(reference.shape)} keeps only {kept_db:.1f} dB of signal in mode {mode}, "
            f"less than the {floor_db:.0f} dB of a usable {form.bits}-bit {form.kind} weight",
            hint="its values may be too small or too widely spread for the mode; export this run with more bits",
        )
    if pruned and sparsity < form.sparsity - 1 / reference.size:
        raise ExportError(
            f"weight '{name}' {list(reference.shape)} came out {sparsity:.1%} sparse, mode {mode} "
            f"asks for {form.sparsity:.0%}"
        )
    return WeightRecord(
        name=name,
        op=plan.constant.consumer,
        op_type=plan.constant.op_type,
        parameter=plan.constant.parameter,
        shape=plan.constant.shape,
        form=form.kind,
        bits=form.bits,
        granularity=plan.granularity,
        size_bytes=plan.size_bytes,
        snr_db=None if ratio_db == math.inf else round(ratio_db, 3),
        sparsity=round(sparsity, 6),
        reason=plan.reason,
    )
