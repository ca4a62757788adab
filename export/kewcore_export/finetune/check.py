"""Whether a written package holds exactly what training saw, and answers as the student does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import ExportError
from kewcore.runtime import PackageClassifier, load
from kewcore_export.finetune.examples import compiled, over_batches
from kewcore_export.finetune.opened import decoded_weights
from kewcore_export.finetune.record import FinetuneRecord
from kewcore_export.finetune.tuning import Tuned

MOST_DIFFERENCE = 1e-2
"""Of a probability. The student does not round what passes between operations to fp16, the package does; for KewCNN
that makes 2e-3 (ADR 0024), and a wrong weight makes far more."""


def checked(tuned: Tuned, package: Path, golden: NDArray[np.uint8]) -> FinetuneRecord:
    """Compares a package with the student that it came from.

    Args:
        tuned: The student after training.
        package: As written.
        golden: Images to compare on, besides those of the validation part; uint8 `[N, H, W]`.

    Returns:
        What is to be said of the training, with the comparison.

    Raises:
        ExportError: They differ.
    """
    decoded = decoded_weights(load(package, executor="reference").function, tuned.opened.student.weights)
    for name, values in tuned.opened.weights.items():
        if not np.array_equal(decoded[name], values):
            raise ExportError(
                f"weight '{name}' of '{package.name}' does not decode to the values that training ended with; they "
                f"differ by up to {np.abs(decoded[name] - values).max():.3g}",
                hint="this is a fault of kewcore; export without --finetune",
            )
    pixels = np.concatenate([golden, tuned.images])
    student = tuned.opened.student
    given = over_batches(compiled(lambda part: student.probabilities(tuned.opened.weights, part)), pixels)
    difference = float(np.abs(PackageClassifier(package).probabilities(pixels) - given).max())
    if not difference <= MOST_DIFFERENCE:
        raise ExportError(
            f"'{package.name}' answers otherwise than the network that was trained: probabilities differ by up to "
            f"{difference:.3g}, at most {MOST_DIFFERENCE:g} was expected of fp16",
            hint="this is a fault of kewcore, or activations leave the range of fp16; export without --finetune",
        )
    return replace(tuned.record, max_probability_difference=round(difference, 7))
