"""Folders of images as datasets: which file is in which part and class, and the fingerprint of it all.

Three layouts are read; docs/data.md shows them. `DIR/{train,val,test}/<class>/*`, the same with label files
`DIR/{train,test}_labels.csv`, and a plain `DIR/<class>/*` that is split here. `DIR/synthetic/<class>/*` may come
with any of them. Hidden files and the droppings of file managers are passed over; every other file is an image.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from kewcore.console import say
from kewcore.data.images import check_header, read_image
from kewcore.data.labels import read_label_file
from kewcore.data.marker import is_stand_in
from kewcore.data.split import stratified_split
from kewcore.errors import DataError
from kewcore.recipes import DataRecipe

Split = Literal["train", "val", "test", "synthetic"]
SPLITS: tuple[Split, ...] = get_args(Split)
_DROPPINGS = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Item:
    """One labelled image file.

    Attributes:
        path: The file.
        class_index: Index into the dataset's `class_names`.
        sha256: Hex digest of the file's bytes where it is known, otherwise None.
    """

    path: Path
    class_index: int
    sha256: str | None = None


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Dataset:
    """The files of a folder, by split.

    Attributes:
        root: The folder.
        class_names: Labels; an item's `class_index` points into them.
        splits: Items of `train`, `val`, `test` and `synthetic` (extra training images; may be empty).
        fingerprint: SHA-256 over the lines `split, path below root, class, SHA-256 of the file`, joined by tabs.
        skipped: Files left out: bad ones under `skip_bad`, and further copies of a file in a folder that is split here.
        stand_in: True when the folder is the built-in sample set, whose figures say nothing about real photographs.
    """

    root: Path
    class_names: tuple[str, ...]
    splits: Mapping[Split, tuple[Item, ...]]
    fingerprint: str
    skipped: tuple[Skipped, ...]
    stand_in: bool


def open_dataset(root: Path, recipe_data: DataRecipe, *, skip_bad: bool = False) -> Dataset:
    """Finds, hashes and splits the images of a folder; pixels are decoded later, by `kewcore.data.pixels`.

    Where `val/` is missing it is taken from `train/`, stratified and seeded by the recipe; a plain folder is split
    into test, validation and training part in the same way. Copies of a file in a folder that is split here are left
    out but for the first, so that no copy can end up on the other side.

    Args:
        root: The folder.
        recipe_data: Classes, fractions and the seed of the split.
        skip_bad: Leave out files that are surely bad (empty, unreadable, not an image, several frames, too large), and
            training copies of validation or test images, and list them in `skipped`, rather than stop.

    Raises:
        DataError: The folder is missing or of another layout; a class is missing, unknown or empty; label file and
            folder disagree; the same image is in two parts; without `skip_bad`, any file is bad. Every offender is
            listed.
    """
    if not root.is_dir():
        raise DataError(f"no dataset at '{root}': the folder does not exist", hint="make one: kewcore data sample")
    children = {path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
    if not children & {"train", "test", "val"}:
        names = _class_names([root], children - {"synthetic"}, recipe_data)
        found = {"train": _listed(root, names, required=True, ignore=frozenset({"synthetic"}))}
        carve: tuple[Split, ...] = ("test", "val")
    else:
        _check_parts(root, children)
        folders = {p.name for p in (root / "train").iterdir() if p.is_dir() and not p.name.startswith(".")}
        names = _class_names([root / "train"], folders, recipe_data, labels=root / "train_labels.csv")
        found = {part: _part(root, part, names) for part in ("train", "val", "test") if part in children}
        carve = () if "val" in children else ("val",)
    if "synthetic" in children:
        found["synthetic"] = _listed(root / "synthetic", names, required=False)
    checked, bad = _hashed(found)
    if bad and not skip_bad:
        raise _bad_files(root, _all_bad(found, recipe_data, bad))
    skipped = list(bad)
    if carve:
        checked["train"], copies = _without_copies(checked["train"], names, skip_bad=skip_bad)
        skipped += copies
        for part in carve:
            fraction = recipe_data.test_fraction if part == "test" else recipe_data.val_fraction
            labels = [item.class_index for item in checked["train"]]
            kept, taken = stratified_split(labels, names, fraction, recipe_data.split_seed, part=part)
            checked[part] = tuple(checked["train"][i] for i in taken)
            checked["train"] = tuple(checked["train"][i] for i in kept)
    splits, leaks = _without_leaks({part: checked.get(part, ()) for part in SPLITS}, skip_bad=skip_bad)
    return Dataset(
        root=root,
        class_names=names,
        splits=MappingProxyType(splits),
        fingerprint=_fingerprint(root, names, splits),
        skipped=tuple(skipped + leaks),
        stand_in=is_stand_in(root),
    )


def offenders(lines: Iterable[str], *, listed: int | None = None) -> str:
    """Lists offenders one a line, indented, for the message of an error."""
    every = sorted(lines)
    shown = every if listed is None else every[:listed]
    rest = f"\n  and {len(every) - len(shown)} more" if len(shown) < len(every) else ""
    return "".join(f"\n  {line}" for line in shown) + rest


def visible_files(folder: Path) -> list[Path]:
    """Lists the files of a folder that are meant as images, sorted by name."""
    return sorted(
        p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".") and p.name.lower() not in _DROPPINGS
    )


def _check_parts(root: Path, children: set[str]) -> None:
    if missing := sorted({"train", "test"} - children):
        raise DataError(
            f"dataset '{root}' has no folder {' and no folder '.join(missing)}; expected train/, test/ and maybe val/",
            hint="to split a plain folder: kewcore data prepare",
        )
    if unknown := sorted(children - {*SPLITS}):
        raise DataError(f"dataset '{root}' has unknown folders {', '.join(unknown)}; known: {', '.join(SPLITS)}")


def _class_names(
    roots: list[Path], folders: set[str], recipe_data: DataRecipe, labels: Path | None = None
) -> tuple[str, ...]:
    if recipe_data.classes is not None:
        return recipe_data.classes
    if labels is not None and labels.is_file():
        return read_label_file(labels, None).class_names
    if not folders:
        raise DataError(f"no class folders in '{roots[0]}'; expected a folder of images for each class")
    return tuple(sorted(folders))


def _part(root: Path, part: str, names: tuple[str, ...]) -> tuple[Item, ...]:
    labels = root / f"{part}_labels.csv"
    if labels.is_file():
        return _labelled(root / part, labels, names)
    return _listed(root / part, names, required=True)


def _listed(
    folder: Path, names: tuple[str, ...], *, required: bool, ignore: frozenset[str] = frozenset()
) -> tuple[Item, ...]:
    """Lists `folder/<class>/*`; every class must have a folder with a file in it where `required`."""
    present = {p.name: visible_files(p) for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")}
    problems = [f"unknown class folder '{name}'" for name in present if name not in names and name not in ignore]
    if required:
        problems += [f"no folder for class '{name}'" for name in names if name not in present]
        problems += [f"class folder '{name}' is empty" for name in names if name in present and not present[name]]
    if problems:
        raise DataError(f"'{folder}' does not hold the classes {', '.join(names)}:{offenders(problems)}")
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
        raise DataError(f"label file '{labels}' and folder '{folder}' disagree:{offenders(problems)}")
    return tuple(items)


def _hashed(found: Mapping[str, tuple[Item, ...]]) -> tuple[dict[Split, tuple[Item, ...]], list[Skipped]]:
    """Reads every file once: its SHA-256, or why it is surely bad."""

    def look(item: Item) -> Item | Skipped:
        try:
            content = item.path.read_bytes()
        except OSError as error:
            return Skipped(item.path, f"cannot be read: {error.strerror}")
        reason = check_header(content)
        return Skipped(item.path, reason) if reason else replace(item, sha256=hashlib.sha256(content).hexdigest())

    checked: dict[Split, tuple[Item, ...]] = {}
    bad: list[Skipped] = []
    with ThreadPoolExecutor() as pool:
        for part in SPLITS:
            looks = list(pool.map(look, found.get(part, ())))
            checked[part] = tuple(one for one in looks if isinstance(one, Item))
            bad += [one for one in looks if isinstance(one, Skipped)]
    return checked, bad


def _all_bad(found: Mapping[str, tuple[Item, ...]], recipe_data: DataRecipe, bad: list[Skipped]) -> list[Skipped]:
    """Decodes everything to list damage behind the headers too: worth the seconds, since the command stops anyway."""
    known = {one.path for one in bad}

    def decode(item: Item) -> Skipped | None:
        try:
            read_image(item.path, height=recipe_data.height, width=recipe_data.width, policy=recipe_data.resize)
        except DataError as error:
            return Skipped(item.path, error.message.removeprefix(f"'{item.path}': "))
        return None

    with ThreadPoolExecutor() as pool:
        rest = [item for items in found.values() for item in items if item.path not in known]
        return bad + [one for one in pool.map(decode, rest) if one is not None]


def _bad_files(root: Path, bad: list[Skipped]) -> DataError:
    lines = [f"{one.path}: {one.reason}" for one in bad]
    return DataError(
        f"{len(bad)} files in '{root}' cannot be used as images:{offenders(lines)}",
        hint="repair or remove them, or leave them out with --skip-bad",
    )


def _without_copies(
    items: tuple[Item, ...], names: tuple[str, ...], *, skip_bad: bool
) -> tuple[tuple[Item, ...], list[Skipped]]:
    groups: dict[str | None, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.sha256].append(item)
    torn = [group for group in groups.values() if len({item.class_index for item in group}) > 1]
    if torn and not skip_bad:
        lines = [", ".join(f"{item.path} ({names[item.class_index]})" for item in group) for group in torn]
        raise DataError(
            f"{len(torn)} images are in more than one class:{offenders(lines)}",
            hint="decide on one class for each, or leave all copies out with --skip-bad",
        )
    dropped = {item.path: "the same image is in another class" for group in torn for item in group}
    for group in groups.values():
        dropped |= {item.path: f"copy of {group[0].path}" for item in group[1:] if item.path not in dropped}
    if dropped:
        say(f"left out {len(dropped)} further copies of images before splitting")
    return tuple(i for i in items if i.path not in dropped), [Skipped(p, reason) for p, reason in dropped.items()]


def _without_leaks(
    splits: Mapping[Split, tuple[Item, ...]], *, skip_bad: bool
) -> tuple[dict[Split, tuple[Item, ...]], list[Skipped]]:
    """Finds files of the same content on both sides of a measurement; the copy further from the test goes."""
    clean: dict[Split, tuple[Item, ...]] = {part: splits[part] for part in SPLITS}
    leaks: list[Skipped] = []
    held: dict[str | None, Item] = {}
    order: tuple[Split, ...] = ("test", "val", "train", "synthetic")
    for here in order:
        leaked = [item for item in clean[here] if item.sha256 in held]
        leaks += [Skipped(item.path, f"the same image as {held[item.sha256].path}") for item in leaked]
        gone = {item.path for item in leaked}
        clean[here] = tuple(item for item in clean[here] if item.path not in gone)
        if here in {"test", "val"}:
            held |= {item.sha256: item for item in clean[here]}
    if leaks and not skip_bad:
        raise DataError(
            f"{len(leaks)} images are in more than one part:{offenders(f'{s.path}: {s.reason}' for s in leaks)}",
            hint="remove one of each pair, or leave the training copies out with --skip-bad",
        )
    return clean, leaks


def _fingerprint(root: Path, names: tuple[str, ...], splits: Mapping[Split, tuple[Item, ...]]) -> str:
    lines = sorted(
        f"{part}\t{item.path.relative_to(root).as_posix()}\t{names[item.class_index]}\t{item.sha256}\n"
        for part in SPLITS
        for item in splits[part]
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()
