"""Constants that equalisation changed, in a compressed program: those that stay floating point are written anew."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kewcore_export.compressed_program import CompressedProgram
from kewcore_export.quantizers.compressed import RoundedWeight


def with_changed_constants(program: CompressedProgram, changed: Mapping[str, NDArray[np.float32]]) -> CompressedProgram:
    """Returns a compressed program whose floating-point constants have the changed values.

    Args:
        program: Compressed from the changed values, but for constants that stay as converted.
        changed: Values before rounding, by the name of the constant.
    """
    return replace(
        program,
        plans=tuple(
            replace(plan, compressed=RoundedWeight(changed[plan.constant.name].astype(np.float16)))
            if plan.compressed is None and plan.constant.name in changed
            else plan
            for plan in program.plans
        ),
    )
