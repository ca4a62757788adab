"""A contact sheet of a dataset: one row a class, photographs to the left, synthetic images to the right."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from kewcore.artefacts import Artefact, write_bytes

_CELL, _GAP, _MARGIN, _HEAD = 150, 6, 110, 40


def write_contact_sheet(path: Path, rows: Mapping[str, tuple[list[Path], list[Path]]], columns: int = 6) -> Artefact:
    """Writes a PNG with thumbnails of the first images of every class.

    Args:
        path: File to write.
        rows: By class name, the files of its originals and of its synthetic images.
        columns: Thumbnails a side.
    """
    half = columns * (_CELL + _GAP)
    sheet = Image.new("L", (_MARGIN + 2 * half + 3 * _GAP, _HEAD + len(rows) * (_CELL + _GAP)), 255)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(16)
    for side, title in enumerate(("original", "synthetic")):
        pen.text((_MARGIN + side * (half + 3 * _GAP), 10), title, fill=0, font=font)
    for row, (name, sides) in enumerate(rows.items()):
        top = _HEAD + row * (_CELL + _GAP)
        pen.text((8, top + _CELL // 2), name, fill=0, font=font, anchor="lm")
        for side, files in enumerate(sides):
            for column, file in enumerate(files[:columns]):
                with Image.open(file) as image:
                    thumbnail = image.convert("L").resize((_CELL, _CELL), Image.Resampling.BOX)
                sheet.paste(thumbnail, (_MARGIN + side * (half + 3 * _GAP) + column * (_CELL + _GAP), top))
    stream = BytesIO()
    sheet.save(stream, "PNG")
    return write_bytes(path, stream.getvalue())
