"""How much of a package can run on the Neural Engine of each chip, told by rules: no figure of a device."""

from dataclasses import dataclass
from pathlib import Path

OLDEST_CHIP = "A14"
"""The oldest chip that counts: the one that `kewcore export` makes packages for."""


@dataclass(frozen=True)
class ResidentShare:
    """What rules say of one package on one chip.

    Attributes:
        chip: Such as `A17 Pro`.
        multiply_adds: Share of the multiply-adds that can run on its Neural Engine, 0…1.
    """

    chip: str
    multiply_adds: float


def resident_shares(package: Path) -> tuple[ResidentShare, ...]:
    """Judges a package for every chip from the A14 on; see `kewcore.ane.residency`.

    Raises:
        PackageError: The package cannot be loaded.
    """
    from kewcore.ane.chips import chips_from, parse_chip
    from kewcore.ane.residency import residency
    from kewcore.runtime import load

    report = residency(load(package, "reference"), chips_from(parse_chip(OLDEST_CHIP)))
    return tuple(ResidentShare(one.chip.name, one.resident_multiply_adds) for one in report.chips)
