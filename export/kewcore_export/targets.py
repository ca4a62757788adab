"""Deployment targets: which system version reads which opset.

Source: apple/coremltools `coremltools/__init__.py`, `_OPSET` and the `_SPECIFICATION_VERSION_IOS_*` constants.
"""

from dataclasses import dataclass

from kewcore.errors import UsageError


@dataclass(frozen=True, order=True)
class Target:
    """The oldest system that a package is for.

    Attributes:
        specification_version: Of the Core ML model file; targets compare by it.
        name: Of the iOS release, such as `iOS16`.
        macos: Of the macOS release of the same year.
        opset: Name of the ML Program operator set, such as `CoreML6`.
    """

    specification_version: int
    name: str
    macos: str
    opset: str


TARGETS = {
    target.name: target
    for target in (
        Target(6, "iOS15", "macOS12", "CoreML5"),
        Target(7, "iOS16", "macOS13", "CoreML6"),
        Target(8, "iOS17", "macOS14", "CoreML7"),
        Target(9, "iOS18", "macOS15", "CoreML8"),
    )
}


def parse_target(name: str) -> Target:
    """Reads a target by its iOS or macOS name, in any case.

    Raises:
        UsageError: There is no such target.
    """
    for target in TARGETS.values():
        if name.lower() in (target.name.lower(), target.macos.lower()):
            return target
    known = ", ".join(f"{target.name} (= {target.macos})" for target in TARGETS.values())
    raise UsageError(f"there is no deployment target '{name}'", hint=f"targets: {known}")
