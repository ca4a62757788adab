"""Types of the arrays that metrics take."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Probabilities, `[N, C]` unless said otherwise; any precision."""

Integers: TypeAlias = NDArray[np.integer[Any]]
"""Labels, `[N]`: indices into class names."""
