"""Weights that compression has broken do not pass: each fault that is known of other tools is put into a package."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_networks import CLASS_NAMES, small_network

from kewcore.errors import ExportError
from kewcore.parity.snr import LEAST_SNR_DB
from kewcore_export.compressed_program import compress_program, write_program
from kewcore_export.compression import ConstantPlan, choose_forms
from kewcore_export.conversion import Conversion, converted
from kewcore_export.keras_graph import classifier_graph
from kewcore_export.measured_weights import measured_weights
from kewcore_export.modes import parse_mode
from kewcore_export.package import MODEL_FILE, WEIGHTS_FILE, write_package
from kewcore_export.program import with_weights
from kewcore_export.sidecar import WeightRecord
from kewcore_export.targets import TARGETS

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def conversion() -> Any:
    with converted(classifier_graph(small_network()), CLASS_NAMES, TARGETS["iOS18"]) as found:
        yield found


def measured(
    conversion: Conversion, name: str, tamper: Callable[[Any], Any], folder: Path
) -> tuple[tuple[ConstantPlan, ...], tuple[WeightRecord, ...]]:
    """Compresses, tampers with the largest weight, writes the package and measures it."""
    mode, target = parse_mode(name), TARGETS["iOS18"]
    program = conversion.by_float_bits[mode.float_bits]
    choices = choose_forms(program.constants, mode.weights)
    plans = compress_program(program, conversion.float32, choices, target).plans
    stored = {plan.constant.name: plan.compressed for plan in plans if plan.compressed is not None}
    largest = max(stored, key=lambda key: conversion.float32[key].size)
    stored[largest] = tamper(stored[largest])
    package = folder / "x.mlpackage"
    write_package(package, lambda weights: with_weights(program.model, program.weights, stored, target, weights))
    model = type(program.model).FromString((package / MODEL_FILE).read_bytes())
    return plans, measured_weights(plans, conversion.float32, model, package / WEIGHTS_FILE, mode)


def rescaled(weight: Any) -> Any:
    """As coremltools 9.0 leaves weights whose channels the group size does not divide."""
    return replace(weight, scale=(weight.scale * np.float16(30)).astype(np.float16))


def never_pruned(weight: Any) -> Any:
    """As `prune_weights` of coremltools 9.0 leaves weights of more than 65,504 elements."""
    return replace(weight, mask=np.ones_like(weight.mask), values=np.ones(weight.mask.size, np.float16))


def emptied(weight: Any) -> Any:
    return replace(weight, values=np.zeros_like(weight.values))


def wrong_palette(weight: Any) -> Any:
    return replace(weight, palette=np.zeros_like(weight.palette))


@pytest.mark.parametrize(
    ("mode", "tamper", "message"),
    [
        (
            "int8",
            rescaled,
            r"keeps only -\d+\.\d dB of signal in mode int8, less than the 20 dB of a usable 8-bit linear",
        ),
        ("palette-4", wrong_palette, r"keeps only 0\.0 dB of signal in mode palette-4, less than the 10 dB"),
        ("prune-75", never_pruned, r"keeps only -?\d+\.\d dB of signal in mode prune-75, less than the 40 dB"),
        ("prune-75", emptied, r"keeps only 0\.0 dB of signal in mode prune-75, less than the 40 dB"),
        (
            "prune-75-palette-4",
            wrong_palette,
            r"keeps only 0\.0 dB of signal in mode prune-75-palette-4, less than the 10",
        ),
    ],
)
def test_a_broken_weight_is_refused(
    mode: str, tamper: Callable[[Any], Any], message: str, conversion: Conversion, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=message):
        measured(conversion, mode, tamper, tmp_path)


def test_a_weight_less_sparse_than_asked_is_refused(conversion: Conversion, tmp_path: Path) -> None:
    def half_pruned(weight: Any) -> Any:
        exact = next(array for array in conversion.float32.values() if array.size == weight.mask.size)
        mask = np.abs(exact) > np.median(np.abs(exact))
        return replace(weight, mask=mask, values=exact[mask].astype(np.float16))

    with pytest.raises(ExportError, match=r"came out 50\.0% sparse, mode prune-75 asks for 75%"):
        measured(conversion, "prune-75", half_pruned, tmp_path)


def test_a_sound_weight_passes_with_its_figures(conversion: Conversion, tmp_path: Path) -> None:
    plans, records = measured(conversion, "prune-75", lambda weight: weight, tmp_path)
    assert [record.name for record in records] == [plan.constant.name for plan in plans]
    (pruned,) = (record for record in records if record.form == "sparse")
    assert pruned.sparsity == pytest.approx(0.75, abs=1e-4)


def test_what_a_weight_of_zeros_learned_has_a_ratio_that_json_can_hold(conversion: Conversion, tmp_path: Path) -> None:
    mode, target = parse_mode("fp16"), TARGETS["iOS18"]
    program = conversion.by_float_bits[16]
    compressed = compress_program(program, conversion.float32, choose_forms(program.constants, mode.weights), target)
    model = write_program(compressed, tmp_path / "x.mlpackage")
    zeros = {name: np.zeros_like(values) for name, values in conversion.float32.items()}
    weights = tmp_path / "x.mlpackage" / WEIGHTS_FILE
    records = measured_weights(compressed.plans, zeros, model, weights, mode, trained=True)
    assert {record.snr_db for record in records} == {LEAST_SNR_DB}
    with pytest.raises(ExportError, match=r"keeps only -200\.0 dB of signal in mode fp16"):
        measured_weights(compressed.plans, zeros, model, weights, mode)
