"""A program with compressed weights, turned into one whose activations are bytes as well."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import UnsupportedError
from kewcore.training.run import Run
from kewcore_export.activations.images import CalibrationImages, calibration_images
from kewcore_export.activations.insertion import insert_pairs
from kewcore_export.activations.quantize import QuantizedActivations, quantize_activations
from kewcore_export.activations.settings import CalibrationSettings
from kewcore_export.compressed_program import CompressedProgram, compress_program
from kewcore_export.compression import FormChoice
from kewcore_export.conversion import ConvertedProgram
from kewcore_export.package import WEIGHTS_FILE
from kewcore_export.quantizers.compressed import RoundedWeight
from kewcore_export.targets import Target


@dataclass(frozen=True)
class Calibration:
    """What activations are calibrated on, and how.

    Attributes:
        settings: How.
        images: The images, where they have been looked for already.
    """

    settings: CalibrationSettings
    images: CalibrationImages | None = None


def calibrate_and_compress(
    run: Run,
    program: ConvertedProgram,
    float32: Mapping[str, NDArray[np.float32]],
    choices: Mapping[str, FormChoice],
    target: Target,
    calibration: Calibration,
) -> tuple[CompressedProgram, QuantizedActivations]:
    """Calibrates a converted program, compresses its weights and puts pairs in front of what takes bytes.

    Args:
        run: Where it came from.
        program: In 16 bits; its package is still on disk.
        float32: Values of its constants before rounding.
        choices: Forms of its weights.
        target: Deployment target, iOS17 or newer.
        calibration: What to calibrate on, and how.

    Raises:
        DataError: Calibration images are missing or cannot be used.
        ExportError: An activation is not finite.
        UnsupportedError: The model takes colour images.
    """
    (image,) = program.model.description.input
    if image.type.imageType.colorSpace != image.type.imageType.GRAYSCALE:
        raise UnsupportedError(
            "activations are calibrated on greyscale images only, and this model takes colour",
            hint="export it in a mode that compresses weights alone, such as int8",
        )
    images = calibration.images or calibration_images(run, calibration.settings)
    package = program.weights.parents[len(WEIGHTS_FILE.parts) - 1]
    own = {constant.name: float32[constant.name] for constant in program.constants}
    quantized = quantize_activations(package, own, images, calibration.settings)
    with_pairs = replace(program, model=insert_pairs(program.model, quantized.pairs))
    compressed = compress_program(with_pairs, {**float32, **quantized.float32}, choices, target)
    return _with_changed_constants(compressed, quantized.float32), quantized


def _with_changed_constants(
    program: CompressedProgram, changed: Mapping[str, NDArray[np.float32]]
) -> CompressedProgram:
    """Writes floating-point constants that equalisation changed anew; the others are copied as converted."""
    return replace(
        program,
        plans=tuple(
            replace(plan, compressed=RoundedWeight(changed[plan.constant.name].astype(np.float16)))
            if plan.compressed is None and plan.constant.name in changed
            else plan
            for plan in program.plans
        ),
    )
