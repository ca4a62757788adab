"""The pictures of a report: small copies of photographs, made from pixels or read again from their files."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kewcore.data.images import read_image
from kewcore.errors import DataError
from kewcore.recipes import ResizePolicy
from kewcore_bench.images import thumbnail
from kewcore_bench.result import BenchResult, DatasetFacts, VariantResult


@dataclass(frozen=True)
class Pictured:
    """A result with its pictures.

    Attributes:
        result: The result.
        missing: Files whose pictures could not be made again, by the reason.
    """

    result: BenchResult
    missing: Mapping[str, tuple[Path, ...]]


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Writes a greyscale picture, uint8 `[h, w]`, as a JPEG data URI."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def with_pictures(result: BenchResult) -> Pictured:
    """Reads the photographs of a stored result again, as the bench did.

    Args:
        result: Without pictures.
    """
    missing: dict[Path, str] = {}
    variants = tuple(_variant(one, result.dataset, missing) for one in result.variants)
    by_reason: dict[str, tuple[Path, ...]] = {}
    for file, reason in missing.items():
        by_reason[reason] = (*by_reason.get(reason, ()), file)
    return Pictured(replace(result, variants=variants), by_reason)


def _variant(variant: VariantResult, dataset: DatasetFacts, missing: dict[Path, str]) -> VariantResult:
    gallery = tuple(replace(one, thumbnail=_read(one.file, dataset, missing)) for one in variant.gallery)
    occlusion = tuple(replace(one, thumbnail=_read(one.file, dataset, missing)) for one in variant.occlusion)
    return replace(variant, gallery=gallery, occlusion=occlusion)


def _read(file: Path, dataset: DatasetFacts, missing: dict[Path, str]) -> NDArray[np.uint8] | None:
    if dataset.resize not in get_args(ResizePolicy) or min(dataset.height, dataset.width) < 1:
        missing[file] = "the result does not say how its photographs were brought to size"
        return None
    try:
        policy = cast(ResizePolicy, dataset.resize)
        return thumbnail(read_image(file, height=dataset.height, width=dataset.width, policy=policy))
    except DataError as error:
        missing[file] = error.message.removeprefix(f"'{file}': ")
        return None
