"""What the series of a variant's charts are called: the reference first, then the packages."""

import re
import zlib

from kewcore.console import printable
from kewcore.parity.classification import ClassificationMetrics
from kewcore_bench.labels import REFERENCE, package_labels
from kewcore_bench.result import VariantResult


def shown_labels(variant: VariantResult) -> list[str]:
    """Names the variant's packages as `kewcore_bench.labels` does, with nothing in them that a page would act on."""
    return [printable(label) for label in package_labels(variant.packages)]


def classifiers(variant: VariantResult) -> list[tuple[str, ClassificationMetrics]]:
    """Lists the reference and the packages with their figures, in the order of colours."""
    packages = zip(shown_labels(variant), variant.packages, strict=True)
    return [(REFERENCE, variant.metrics), *((label, one.metrics) for label, one in packages)]


def plain(name: str) -> str:
    """Writes the name of a class as words."""
    return printable(name).replace("_", " ")


def slug(variant: VariantResult) -> str:
    """Names a variant for identifiers on the page: two runs of one recipe and variant have two names."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{variant.recipe}-{variant.variant}".lower()).strip("-")
    return f"{name}-{zlib.crc32(str(variant.run).encode()):08x}"
