"""Label files: `filename,class_index,class_name`, one image a row."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath

from kewcore.artefacts import Artefact, write_text
from kewcore.errors import DataError
from kewcore.recipes import is_file_name

COLUMNS = ("filename", "class_index", "class_name")


@dataclass(frozen=True)
class LabelFile:
    """What a label file says.

    Attributes:
        class_names: Labels in the order of their index.
        rows: File name below the part's folder, with `/` between folders, and class index.
    """

    class_names: tuple[str, ...]
    rows: tuple[tuple[str, int], ...]


def read_label_file(path: Path, class_names: tuple[str, ...] | None) -> LabelFile:
    """Reads a label file.

    Args:
        path: The file.
        class_names: Labels that indices must point into, or None to take them from the file.

    Raises:
        DataError: Not UTF-8 or CSV, other columns, a name and an index that do not belong together, a file named
            twice, or a file name that leaves the folder. Every offending row is listed.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise DataError(
                    f"label file '{path}' has columns {reader.fieldnames}; expected {', '.join(COLUMNS)} in this order"
                )
            table = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"label file '{path}' cannot be read: {error}") from error
    names = dict(enumerate(class_names)) if class_names is not None else _names_in(table)
    problems, rows, seen = [], [], set()
    for line, row in table:
        filename, index, name = row["filename"], row["class_index"], row["class_name"]
        if not filename or index is None or name is None or None in row:
            problems.append(f"line {line}: expected 3 fields")
        elif PurePosixPath(filename).is_absolute() or ".." in PurePosixPath(filename).parts or "\\" in filename:
            problems.append(f"line {line}: file name '{filename}' leaves the folder")
        elif not index.isdecimal() or names.get(int(index)) != name:
            problems.append(f"line {line}: class {index} is not '{name}'")
        elif filename in seen:
            problems.append(f"line {line}: '{filename}' is named twice")
        else:
            seen.add(filename)
            rows.append((filename, int(index)))
    unfit = [(index, name) for index, name in names.items() if not is_file_name(name or "")]
    problems += [f"class {index} is '{name}', which no folder can be called" for index, name in unfit]
    if sorted(names) != list(range(len(names))) or not names:
        problems.append(f"class indices are {sorted(names)}; expected 0, 1, 2 and so on")
    if problems:
        known = ", ".join(f"{i} {name}" for i, name in sorted(names.items()))
        raise DataError(
            f"label file '{path}' (classes {known or 'none'}) has wrong rows:"
            + "".join(f"\n  {problem}" for problem in problems)
        )
    return LabelFile(tuple(names[i] for i in sorted(names)), tuple(rows))


def write_label_file(path: Path, class_names: Sequence[str], rows: Sequence[tuple[str, int]]) -> Artefact:
    """Writes a label file: rows of file name and class index, in the order given."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((filename, index, class_names[index]) for filename, index in rows)
    return write_text(path, stream.getvalue())


def _names_in(table: list[tuple[int, dict[str, str]]]) -> dict[int, str]:
    names: dict[int, str] = {}
    for _, row in table:
        if (row["class_index"] or "").isdecimal():
            names.setdefault(int(row["class_index"]), row["class_name"])
    return names
