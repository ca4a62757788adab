"""Labelled files in, arrays out: decoded in parallel, kept in a cache file that is mapped, not loaded."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from numpy.typing import NDArray

from kewcore.artefacts import sha256_file, storage_errors, write_json
from kewcore.console import progress, warn
from kewcore.data.images import DECODER_VERSION, quiet_decoders, read_image
from kewcore.data.items import Item, Skipped, listed
from kewcore.errors import DataError, StorageError
from kewcore.recipes import DataRecipe

_BATCH = 64


@dataclass(frozen=True)
class Pixels:
    """Decoded images and their labels.

    Attributes:
        images: uint8 `[N, H, W]`, 0 black to 255 white; a read-only memory map where a cache folder was given.
        labels: int64 `[N]`.
        items: The files of the rows.
        skipped: Files left out because they could not be decoded.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]


def load_pixels(
    items: Sequence[Item], recipe_data: DataRecipe, *, cache: Path | None = None, skip_bad: bool = False
) -> Pixels:
    """Decodes images to the recipe's size, in the order of `items`.

    With `cache`, pixels are written there as they come and mapped from there, so that memory does not grow with their
    number, and the next call with the same files, size and policy reuses them. The key is the SHA-256 of the files'
    contents, so moved or renamed files keep their cache.

    Args:
        items: The files and their labels.
        recipe_data: Size and resize policy.
        cache: Folder for cached pixels, created when missing.
        skip_bad: Leave out files that cannot be decoded, and list them in `skipped`, rather than stop.

    Raises:
        DataError: Without `skip_bad`, files cannot be decoded: all of them are listed. With it, none is left.
        StorageError: The cache cannot be written.
    """
    hashed = _with_hashes(items)
    if cache is None:
        images, skipped = _in_memory(hashed, recipe_data)
    else:
        images, skipped = _cached(hashed, recipe_data, cache)
    if skipped and not skip_bad:
        lines = [f"{one.path}: {one.reason}" for one in skipped.values()]
        raise DataError(
            f"{len(skipped)} of {len(items)} images cannot be decoded:{listed(lines)}",
            hint="repair or remove them, or leave them out with --skip-bad",
        )
    if skipped:
        warn(f"left out {len(skipped)} of {len(items)} images that cannot be decoded")
    kept = tuple(item for i, item in enumerate(items) if i not in skipped)
    if not kept:
        raise DataError("no image is left to work on")
    labels = np.array([item.class_index for item in kept], dtype=np.int64)
    return Pixels(images, labels, kept, tuple(skipped.values()))


def _with_hashes(items: Sequence[Item]) -> list[Item]:
    def hashed(item: Item) -> Item:
        if item.sha256 is not None:
            return item
        try:
            return replace(item, sha256=sha256_file(item.path))
        except OSError:
            return replace(item, sha256="unreadable")  # decoding says why

    with ThreadPoolExecutor() as pool:
        return list(pool.map(hashed, items))


def decoded(items: Sequence[Item], recipe_data: DataRecipe) -> Iterator[NDArray[np.uint8] | Skipped]:
    """Decodes in order and in parallel, a batch at a time, so that only a batch is ever held.

    Args:
        items: The files; their labels do not matter.
        recipe_data: Size and resize policy.

    Yields:
        For each item its pixels, uint8 `[H, W]`, or why it cannot be decoded.
    """

    def decode(item: Item) -> NDArray[np.uint8] | Skipped:
        try:
            return read_image(item.path, height=recipe_data.height, width=recipe_data.width, policy=recipe_data.resize)
        except DataError as error:
            return Skipped(item.path, error.message.removeprefix(f"'{item.path}': "))

    with quiet_decoders(), ThreadPoolExecutor() as pool, progress("decoding", len(items)) as advance:
        for start in range(0, len(items), _BATCH):
            for one in pool.map(decode, items[start : start + _BATCH]):
                advance()
                yield one


def _in_memory(items: Sequence[Item], recipe_data: DataRecipe) -> tuple[NDArray[np.uint8], dict[int, Skipped]]:
    images = np.empty((len(items), recipe_data.height, recipe_data.width), dtype=np.uint8)
    skipped: dict[int, Skipped] = {}
    row = 0
    for index, one in enumerate(decoded(items, recipe_data)):
        if isinstance(one, Skipped):
            skipped[index] = one
        else:
            images[row] = one
            row += 1
    return images[:row], skipped


def _cached(
    items: Sequence[Item], recipe_data: DataRecipe, cache: Path
) -> tuple[NDArray[np.uint8], dict[int, Skipped]]:
    key = _key(items, recipe_data)
    path, note = cache / f"{key}.npy", cache / f"{key}.json"
    found = _mapped(path, note, items, recipe_data)
    if found is None:
        _fill(path, note, items, recipe_data)
        found = _mapped(path, note, items, recipe_data)
    if found is None:
        raise StorageError(f"cached pixels '{path}' cannot be read back", hint="check the disk that they lie on")
    return found


def _mapped(
    path: Path, note: Path, items: Sequence[Item], recipe_data: DataRecipe
) -> tuple[NDArray[np.uint8], dict[int, Skipped]] | None:
    """Maps pixels from the cache; None where they are missing or cut, as after a crash of the machine."""
    try:
        reasons = json.loads(note.read_text(encoding="utf-8"))["skipped"]
        skipped = {int(index): Skipped(items[int(index)].path, str(reason)) for index, reason in reasons.items()}
        shape = (len(items) - len(skipped), recipe_data.height, recipe_data.width)
        if shape[0] == 0:
            return np.empty(shape, dtype=np.uint8), skipped
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
    return (images, skipped) if images.shape == shape and images.dtype == np.uint8 else None


def _key(items: Sequence[Item], recipe_data: DataRecipe) -> str:
    digest = hashlib.sha256(
        f"decoder {DECODER_VERSION}, Pillow {PIL.__version__}, {recipe_data.height}x{recipe_data.width}, "
        f"{recipe_data.resize}\n".encode()
    )
    for item in items:
        digest.update(f"{item.sha256}\n".encode())
    return digest.hexdigest()[:32]


def _fill(path: Path, note: Path, items: Sequence[Item], recipe_data: DataRecipe) -> None:
    """Writes pixels as they come behind a header that is corrected at the end, then renames."""
    skipped: dict[str, str] = {}
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                _write_header(stream, len(items), recipe_data)
                for index, one in enumerate(decoded(items, recipe_data)):
                    if isinstance(one, Skipped):
                        skipped[str(index)] = one.reason
                    else:
                        stream.write(one.tobytes())
                stream.seek(0)
                _write_header(stream, len(items) - len(skipped), recipe_data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    write_json(note, {"images": len(items) - len(skipped), "skipped": skipped})


def _write_header(stream: BinaryIO, count: int, recipe_data: DataRecipe) -> None:
    # NumPy pads the header so that the first axis may grow in place; both headers have the same length.
    shape = (count, recipe_data.height, recipe_data.width)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
