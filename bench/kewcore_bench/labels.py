"""What the classifiers of one variant are called where they stand side by side: in tables, charts and galleries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

REFERENCE = "TensorFlow"
REFERENCE_SUBJECT = "TensorFlow reference"
"""What engines run that run the run's own network, converted or not, and no package."""


class Package(Protocol):
    """Anything that tells which package it is about."""

    @property
    def mode(self) -> str:
        """Such as `int8`."""

    @property
    def path(self) -> Path:
        """The package."""


def package_labels(packages: Sequence[Package]) -> list[str]:
    """Names packages of one run: by modes where these tell them apart, else by names, else by paths."""
    for names in ([one.mode for one in packages], [one.path.stem for one in packages]):
        if len(set(names)) == len(names):
            return names
    return [str(one.path) for one in packages]
