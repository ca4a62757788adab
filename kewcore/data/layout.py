"""The layouts of a folder: which files there are, and what class each is said to be.

Hidden files and the droppings of file managers are passed over; every other file is meant as an image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from kewcore.data.items import SPLITS, Item, Split, listed
from kewcore.data.labels import read_label_file
from kewcore.errors import DataError
from kewcore.recipes import DataRecipe

_DROPPINGS = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Found:
    """What a folder holds by its names alone.

    Attributes:
        root: The folder.
        synthetic: The folder of extra training images, or None.
        class_names: Labels in order.
        items: Files of the parts that the folder has; of a plain folder, all under `train`.
        carve: Parts that are still to be taken out of `train`, in this order.
    """

    root: Path
    synthetic: Path | None
    class_names: tuple[str, ...]
    items: Mapping[Split, tuple[Item, ...]]
    carve: tuple[Split, ...]

    def relative(self, path: Path) -> PurePath:
        """Returns a file's path below the dataset, as if `synthetic` lay inside."""
        if self.synthetic is not None and path.is_relative_to(self.synthetic):
            return PurePath("synthetic") / path.relative_to(self.synthetic)
        return path.relative_to(self.root)


def find_images(root: Path, recipe_data: DataRecipe, synthetic: Path | None = None) -> Found:
    """Finds the files of a dataset, of any layout, without opening images.

    Args:
        root: The folder.
        recipe_data: The classes, if the recipe names them.
        synthetic: Takes the place of `root/synthetic`: a folder of `<class>/*`, or one with such a `synthetic/` in it.

    Raises:
        DataError: A folder is missing, cannot be listed or is of another layout; a class is missing, unknown or empty;
            label file and folder disagree. Every offender is listed.
    """
    if root.is_file():
        raise DataError(f"'{root}' is a file; expected a folder of images")
    if not root.is_dir():
        raise DataError(f"no dataset at '{root}': the folder does not exist", hint="make one: kewcore data sample")
    if synthetic is not None and not synthetic.is_dir():
        raise DataError(f"no folder of synthetic images at '{synthetic}'")
    try:
        return _find(root, recipe_data, synthetic)
    except OSError as error:
        raise DataError(f"cannot list '{error.filename or root}': {error.strerror}") from error


def _find(root: Path, recipe_data: DataRecipe, synthetic: Path | None) -> Found:
    children = _folders(root)
    items: dict[Split, tuple[Item, ...]] = {}
    carve: tuple[Split, ...]
    if not children & {"train", "test", "val"}:
        names = _class_names(root, recipe_data, None)
        items["train"] = _class_items(root, names, required=True, ignore=frozenset({"synthetic"}))
        carve = ("test", "val")
    else:
        _check_parts(root, children)
        names = _class_names(root / "train", recipe_data, root / "train_labels.csv")
        parts: tuple[Split, ...] = ("train", "val", "test")
        items |= {part: _part_items(root, part, names) for part in parts if part in children}
        carve = () if "val" in children else ("val",)
    if synthetic is not None:
        inner = synthetic / "synthetic"
        extra: Path | None = inner if inner.is_dir() else synthetic
    else:
        extra = root / "synthetic" if "synthetic" in children else None
    if extra is not None:
        items["synthetic"] = _class_items(extra, names, required=False)
    return Found(root, extra, names, items, carve)


def _folders(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}


def visible_files(folder: Path) -> list[Path]:
    """Lists the files of a folder that are meant as images, sorted by name."""
    return sorted(
        p
        for p in folder.iterdir()
        if (p.is_file() or p.is_symlink())
        and not p.is_dir()
        and not p.name.startswith(".")
        and p.name.lower() not in _DROPPINGS
    )


def _check_parts(root: Path, children: set[str]) -> None:
    if missing := sorted({"train", "test"} - children):
        raise DataError(
            f"dataset '{root}' has no folder {' and no folder '.join(missing)}; expected train/, test/ and maybe val/",
            hint="to split a plain folder: kewcore data prepare",
        )
    if unknown := sorted(children - {*SPLITS}):
        raise DataError(f"dataset '{root}' has unknown folders {', '.join(unknown)}; known: {', '.join(SPLITS)}")


def _class_names(folder: Path, recipe_data: DataRecipe, labels: Path | None) -> tuple[str, ...]:
    """Names the classes: as the recipe says, else as the label file does, else the folders, sorted."""
    if recipe_data.classes is not None:
        return recipe_data.classes
    if labels is not None and labels.is_file():
        return read_label_file(labels, None).class_names
    names = sorted(_folders(folder) - {"synthetic"})
    if not names:
        raise DataError(f"no class folders in '{folder}'; expected a folder of images for each class")
    return tuple(names)


def _part_items(root: Path, part: str, names: tuple[str, ...]) -> tuple[Item, ...]:
    labels = root / f"{part}_labels.csv"
    if labels.is_file():
        return _labelled(root / part, labels, names)
    return _class_items(root / part, names, required=True)


def _class_items(
    folder: Path, names: tuple[str, ...], *, required: bool, ignore: frozenset[str] = frozenset()
) -> tuple[Item, ...]:
    """Lists `folder/<class>/*`; every class must have a folder with a file in it where `required`."""
    present = {p.name: visible_files(p) for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")}
    problems = [f"unknown class folder '{name}'" for name in present if name not in names and name not in ignore]
    if required:
        problems += [f"no folder for class '{name}'" for name in names if name not in present]
        problems += [f"class folder '{name}' is empty" for name in names if name in present and not present[name]]
    if problems:
        raise DataError(f"'{folder}' does not hold the classes {', '.join(names)}:{listed(problems)}")
    return tuple(Item(path, index) for index, name in enumerate(names) for path in present.get(name, []))


def _labelled(folder: Path, labels: Path, names: tuple[str, ...]) -> tuple[Item, ...]:
    """Lists what a label file names, in `folder/<filename>` or `folder/<class_name>/<filename>`."""
    rows = read_label_file(labels, names).rows
    items, problems = [], []
    for filename, index in rows:
        candidates = [folder / filename, folder / names[index] / filename]
        path = next((c for c in candidates if c.is_file()), None)
        if path is None:
            problems.append(f"'{filename}' is missing below '{folder}'")
        elif path.parent != folder and path.parent.name in names and path.parent.name != names[index]:
            problems.append(f"'{filename}' lies in folder '{path.parent.name}' but is labelled '{names[index]}'")
        else:
            items.append(Item(path, index))
    named = {item.path for item in items}
    if not problems:
        present = [*visible_files(folder), *(f for d in folder.iterdir() if d.is_dir() for f in visible_files(d))]
        problems = [f"'{path.relative_to(folder)}' has no label" for path in present if path not in named]
    problems += [
        f"class '{name}' has no image" for i, name in enumerate(names) if i not in {it.class_index for it in items}
    ]
    if problems:
        raise DataError(f"label file '{labels}' and folder '{folder}' disagree:{listed(problems)}")
    return tuple(items)
