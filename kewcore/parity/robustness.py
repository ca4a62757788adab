"""Parity under corruptions: do reference and package still agree where images are blurred, noisy, bright or turned?"""

from dataclasses import dataclass

from kewcore.errors import DataError
from kewcore.parity.agreement import compare
from kewcore.parity.arrays import Floats, Integers
from kewcore.parity.intervals import Interval
from kewcore.parity.paired import PairedAccuracy


@dataclass(frozen=True)
class CorruptionParity:
    """A package beside its reference on images that were all corrupted in one way.

    Attributes:
        corruption: Such as `blur`.
        strength: 1 (slight) to 5 (strong).
        amount: The same with its unit, such as `sigma 2.2 px`.
        accuracy: Of both on the corrupted images, the reference first, with intervals and their paired difference.
        top1_agreement: Part of the images on which both give the same class, 0…1.
        top1_agreement_interval: Its 95 % Wilson interval.
        max_abs_dp: Largest `|p_reference - p_package|`.
        mean_abs_dp: Mean of it.
    """

    corruption: str
    strength: int
    amount: str
    accuracy: PairedAccuracy
    top1_agreement: float
    top1_agreement_interval: Interval
    max_abs_dp: float
    mean_abs_dp: float


def compare_corrupted(
    corruption: str, strength: int, amount: str, reference: Floats, package: Floats, labels: Integers, *, seed: int = 0
) -> CorruptionParity:
    """Compares a package with its reference on images that were corrupted in one way.

    Args:
        corruption: Its name.
        strength: 1 to 5.
        amount: What that strength is, with its unit.
        reference: Probabilities of the reference on the corrupted images, float `[N, C]`.
        package: Probabilities of the package on the same ones, float `[N, C]`.
        labels: True classes, integer `[N]`.
        seed: Of the bootstrap.

    Raises:
        DataError: As `kewcore.parity.agreement.compare`.
    """
    parity = compare(reference, package, labels, seed=seed)
    if parity.accuracy is None:
        raise DataError(f"corruption '{corruption}' cannot be judged without labels")
    return CorruptionParity(
        corruption=corruption,
        strength=strength,
        amount=amount,
        accuracy=parity.accuracy,
        top1_agreement=parity.top1_agreement,
        top1_agreement_interval=parity.top1_agreement_interval,
        max_abs_dp=parity.max_abs_dp,
        mean_abs_dp=parity.mean_abs_dp,
    )
