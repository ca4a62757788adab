"""Where training starts: with a last layer that is fitted to what the compressed network makes of images.

It is the fit of a search (`kewcore_export.search.head`), on features that the student computes.
"""

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import UnsupportedError
from kewcore_export.compressed_program import CompressedProgram
from kewcore_export.finetune.examples import Reference, compiled, over_batches
from kewcore_export.finetune.opened import OpenedStudent
from kewcore_export.search.head import find_head, fitted_head, with_head


def with_fitted_head(
    opened: OpenedStudent, reference: Reference, pixels: NDArray[np.uint8], classes: int
) -> CompressedProgram | None:
    """Fits the last layer of a compressed program to the reference's answers.

    Logits are known up to a number that all classes of an image share, and the softmax takes it away again; so mean
    logits of 0 are fitted.

    Args:
        opened: The program as a student.
        reference: What to fit to.
        pixels: Images to fit on, uint8 `[N, H, W]`.
        classes: Number of classes.

    Returns:
        The program with another last layer; None where it does not end in a matrix product with a bias.
    """
    program = opened.program
    try:
        head = find_head(program.model, tuple(plan.constant for plan in program.plans), classes)
    except UnsupportedError:
        return None
    if head.bias not in opened.weights:
        return None
    student, weights = opened.student, opened.weights
    features = over_batches(compiled(lambda part: student.features(weights, part, head.features)), pixels)
    logits = over_batches(compiled(reference), pixels)
    weight = program.float32[head.weight.name].reshape(head.weight.shape[:2])
    bias = weights[head.bias]
    centred = weight - weight.mean(axis=0), bias - bias.mean(), logits - logits.mean(axis=1, keepdims=True)
    return with_head(program, head, *fitted_head(centred[0], centred[1], features, centred[2]))
