"""Kew-MNIST: from the published .RData file to a folder of PNG images."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kewcore.artefacts import describe, replacing_folder, storage_errors
from kewcore.console import progress, say
from kewcore.data.download import download, record_path
from kewcore.data.labels import write_label_file
from kewcore.data.marker import check_replaceable, read_marker, write_marker
from kewcore.data.rfile import read_rdata
from kewcore.data.robjects import Images, Labels, PixelOrder, find_parts
from kewcore.errors import DataError, DownloadError

URL = "https://kewmniststorage.blob.core.windows.net/kew-mnist/Kew-MNIST-full-dataset.Rdata"
_BLOCK_BYTES = 1 << 28
_PNG_LEVEL = 3


@dataclass(frozen=True)
class Fetched:
    """A dataset that was unpacked.

    Attributes:
        root: Its folder.
        counts: Images by part; the one part `all` where the file names none.
        source_sha256: SHA-256 of the .RData file.
        reused: True when the folder was there already.
    """

    root: Path
    counts: dict[str, int]
    source_sha256: str
    reused: bool


def fetch_kew_mnist(
    out: Path,
    class_names: tuple[str, ...],
    *,
    url: str = URL,
    keep: bool = False,
    pixel_order: PixelOrder = "column",
) -> Fetched:
    """Downloads Kew-MNIST, or takes a file that is there, and writes the folder layout.

    The file is downloaded into `<out>.download`; an interrupted download is resumed by the next call.

    Args:
        out: Folder to write; one that kewcore did not write is refused.
        class_names: The classes, in the order of integer labels.
        url: Where the .RData file is: an http or https address, or a path on this machine.
        keep: Keep the folder with the downloaded file; a path given as `url` is always kept.
        pixel_order: How images that are rows of a matrix were flattened: by `column`, as R does, or by `row`.

    Raises:
        DownloadError: The file cannot be downloaded.
        DataError: The file is damaged, or does not hold what can be taken for images and labels.
        StorageError: The disk is full, or `out` is not ours to replace.
    """
    check_replaceable(out)
    marker = read_marker(out) if out.is_dir() else None
    if marker is not None and (found := _fetched(out, marker, url)) is not None:
        say(f"'{out}' holds this set already; remove it to fetch it again")
        return found
    here = Path(url)
    downloaded = not here.is_file()
    if downloaded and "://" not in url:
        raise DownloadError(
            f"cannot read '{url}': it is no file on this machine, and no address such as https://host/file"
        )
    folder = out.with_name(f"{out.name}.download")
    file = download(url, folder / _file_name(url)) if downloaded else describe(here)
    counts = unpack_kew_mnist(
        file.path, out, class_names, pixel_order, {"url": url, "size_bytes": file.size_bytes, "sha256": file.sha256}
    )
    if downloaded and not keep:
        file.path.unlink()
        record_path(file.path).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    return Fetched(out, counts, file.sha256, reused=False)


def _fetched(out: Path, marker: dict[str, Any], url: str) -> Fetched | None:
    """Reads from its marker what an earlier call unpacked; None where it is something else."""
    source, counts = marker.get("source"), marker.get("counts")
    if marker["kind"] != "kew-mnist" or not isinstance(source, dict) or not isinstance(counts, dict):
        return None
    if source.get("url") != url or not isinstance(source.get("sha256"), str):
        return None
    return Fetched(out, counts, source["sha256"], reused=True)


def unpack_kew_mnist(
    file: Path, out: Path, class_names: tuple[str, ...], pixel_order: PixelOrder, source: dict[str, object]
) -> dict[str, int]:
    """Writes the images of an .RData file as PNG: `out/{train,test}/<class>/*` with label files.

    Where the file names no parts, all images go to `out/<class>/*`, to be split when they are read. Images keep their
    size; values of 0 to 1 are scaled to 0 to 255, rounded.

    Returns:
        Images by part.

    Raises:
        DataError: See `fetch_kew_mnist`.
    """
    counts: dict[str, int] = {}
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.scratch-") as scratch:
            say(f"reading {file}")
            parts = find_parts(read_rdata(file, Path(scratch)), pixel_order)
            indices = _class_indices({part: labels for part, (_, labels) in parts.items()}, class_names)
            with replacing_folder(out) as staging:
                for part, (images, _) in parts.items():
                    folder = staging / part if part else staging
                    rows = _write_images(folder, images, indices[part], class_names)
                    counts[part or "all"] = len(rows)
                    if part in {"train", "test"}:
                        write_label_file(staging / f"{part}_labels.csv", class_names, rows)
                write_marker(staging, "kew-mnist", stand_in=False, content={"source": source, "counts": counts})
    return counts


def _write_images(
    folder: Path, images: Images, indices: list[int], class_names: tuple[str, ...]
) -> list[tuple[str, int]]:
    scale = _scale(images)
    rows = [(f"{class_names[index]}/{number:05d}.png", index) for number, index in enumerate(indices)]
    for name in {class_names[index] for index in indices}:
        (folder / name).mkdir(parents=True, exist_ok=True)

    def write(number: int, values: NDArray[np.float32]) -> None:
        pixels = np.floor(values.astype(np.float32) * scale + 0.5).astype(np.uint8)
        Image.fromarray(pixels).save(folder / rows[number][0], "PNG", compress_level=_PNG_LEVEL)

    with ThreadPoolExecutor() as pool, progress(f"writing {images.name}", images.count) as advance:
        for start, block in _blocks(images):
            for _ in pool.map(write, range(start, start + len(block)), block):
                advance()
            del block  # before the next one is read
    return rows


def _scale(images: Images) -> float:
    """Finds out whether values run to 1 or to 255, and that none is missing."""
    low, high = images.extremes()
    if not (low >= 0 and high <= 255):
        raise DataError(
            f"'{images.name}' has values from {low:g} to {high:g}, or missing ones; expected 0 to 1 or 0 to 255"
        )
    return 255.0 if high <= 1 else 1.0


def _blocks(images: Images) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    side_bytes = images.block(0, 1)[0].size * 4
    step = max(1, _BLOCK_BYTES // max(side_bytes, 1))
    for start in range(0, images.count, step):
        yield start, images.block(start, min(start + step, images.count))


def _class_indices(parts: dict[str | None, Labels], class_names: tuple[str, ...]) -> dict[str | None, list[int]]:
    """Turns labels into class indices; numbers count from 0 or from 1, in all parts alike."""
    names = {_plain(name): index for index, name in enumerate(class_names)}
    known = {text for labels in parts.values() for text in map(_plain, labels.values)}
    for offset in (0, 1):
        numbers = {str(index + offset): index for index in range(len(class_names))}
        edge = str(offset if offset == 0 else len(class_names))
        if known <= numbers.keys() and edge in known:
            names = numbers
            break
    if unknown := sorted(known - names.keys()):
        raise DataError(
            f"labels {', '.join(unknown[:10])} are not among the classes {', '.join(class_names)}, "
            f"nor are the labels whole numbers from 0 or from 1"
        )
    return {part: [names[_plain(value)] for value in labels.values] for part, labels in parts.items()}


def _file_name(url: str) -> str:
    try:
        name = PurePosixPath(urlsplit(url).path).name
    except ValueError:  # the download says so
        name = ""
    return name or "kew-mnist.Rdata"


def _plain(label: object) -> str:
    return str(label).strip().lower().replace(" ", "_").replace("-", "_")
