"""What the series of a variant's charts are called: the reference first, then the packages."""

import re
import zlib

from kewcore.console import printable
from kewcore.parity.classification import ClassificationMetrics
from kewcore_bench.result import VariantResult

REFERENCE = "TensorFlow"


def package_labels(variant: VariantResult) -> list[str]:
    """Names packages by their modes where these tell them apart, else by their names, else by their paths."""
    for names in ([one.mode for one in variant.packages], [one.name for one in variant.packages]):
        if len(set(names)) == len(names):
            return [printable(name) for name in names]
    return [printable(str(one.path)) for one in variant.packages]


def classifiers(variant: VariantResult) -> list[tuple[str, ClassificationMetrics]]:
    """Lists the reference and the packages with their figures, in the order of colours."""
    packages = zip(package_labels(variant), variant.packages, strict=True)
    return [(REFERENCE, variant.metrics), *((label, one.metrics) for label, one in packages)]


def plain(name: str) -> str:
    """Writes the name of a class as words."""
    return printable(name).replace("_", " ")


def slug(variant: VariantResult) -> str:
    """Names a variant for identifiers on the page: two runs of one recipe and variant have two names."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{variant.recipe}-{variant.variant}".lower()).strip("-")
    return f"{name}-{zlib.crc32(str(variant.run).encode()):08x}"
