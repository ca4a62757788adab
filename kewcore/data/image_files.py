"""The images in a folder that is no dataset: whatever lies there, without classes."""

from pathlib import Path

from PIL import Image

from kewcore.errors import DataError


def images_below(folder: Path, *, hint: str | None = None) -> tuple[Path, ...]:
    """Lists the images in a folder and the folders in it, sorted; known by their endings, not opened.

    Args:
        folder: The folder.
        hint: What to do where there is none.

    Raises:
        DataError: There is no folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}'", hint=hint)
    # Pillow writes some formats that it cannot read, such as PDF.
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file()))
    if not found:
        raise DataError(f"folder '{folder}' holds no image", hint=hint)
    return found
