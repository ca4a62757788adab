"""From a folder of photographs to a dataset: split, merged with synthetic images, copied, labelled."""

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kewcore.artefacts import replacing_folder, storage_errors
from kewcore.console import progress
from kewcore.data.checks import undecodable
from kewcore.data.dataset import Dataset, open_dataset
from kewcore.data.items import SPLITS, Item, Skipped, Split, listed, without
from kewcore.data.labels import write_label_file
from kewcore.data.marker import check_replaceable, is_stand_in, write_marker
from kewcore.errors import DataError, UsageError
from kewcore.recipes import DataRecipe


@dataclass(frozen=True)
class Balance:
    """How synthetic images change a class of the training part.

    Attributes:
        class_name: The class.
        original: Training images without synthetic ones.
        added: Synthetic images.
    """

    class_name: str
    original: int
    added: int

    @property
    def total(self) -> int:
        """Training images with synthetic ones."""
        return self.original + self.added

    @property
    def change_percent(self) -> float:
        """Growth of the class in percent of its originals."""
        return 100.0 * self.added / self.original


@dataclass(frozen=True)
class Prepared:
    """A dataset that was written.

    Attributes:
        root: Its folder.
        counts: Images by part and class.
        balance: One row a class, in class order.
        skipped: Files left out, and why.
    """

    root: Path
    counts: Mapping[Split, Mapping[str, int]]
    balance: tuple[Balance, ...]
    skipped: tuple[Skipped, ...]


def prepare_dataset(
    source: Path, out: Path, recipe_data: DataRecipe, *, synthetic: Path | None = None, skip_bad: bool = False
) -> Prepared:
    """Splits a folder as `open_dataset` does, decodes every image once to be sure of it, and copies the files.

    The result is `out/{train,val,test,synthetic}/<class>/*` with `train_labels.csv`, `test_labels.csv` and the marker
    `dataset.json`. Files are copied byte for byte.

    Args:
        source: Photographs: a plain folder, or one that is split already.
        out: Folder to write; one that kewcore did not write is refused.
        recipe_data: Classes, fractions and seed of the split.
        synthetic: Folder of extra training images, `<class>/*` or a dataset with a `synthetic/`.
        skip_bad: Leave out and list bad files rather than stop.

    Raises:
        UsageError: `out` lies inside one of the sources, or the other way round.
        DataError: The images cannot be used; see `open_dataset`.
        StorageError: `out` cannot be written or is not ours to replace.
    """
    for folder in (source, synthetic):
        if folder is not None and _nested(folder, out):
            raise UsageError(f"'{out}' and '{folder}' lie one inside the other; choose another folder with --out")
    check_replaceable(out)
    dataset = open_dataset(source, recipe_data, synthetic=synthetic, skip_bad=skip_bad)
    bad = undecodable([item for part in SPLITS for item in dataset.splits[part]], recipe_data)
    if bad and not skip_bad:
        raise DataError(
            f"{len(bad)} files in '{source}' cannot be used:{listed(f'{one.path}: {one.reason}' for one in bad)}",
            hint="repair or remove them, or leave them out with --skip-bad",
        )
    splits = {part: without(dataset.splits[part], bad) for part in SPLITS}
    with replacing_folder(out) as staging, progress("copying", sum(map(len, splits.values()))) as advance:
        for part in SPLITS:
            rows = []
            for item, name in zip(splits[part], _target_names(splits[part], dataset.class_names), strict=True):
                target = staging / part / name
                with storage_errors(out):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(item.path, target)
                rows.append((name, item.class_index))
                advance()
            if part in {"train", "test"}:
                write_label_file(staging / f"{part}_labels.csv", dataset.class_names, rows)
        write_marker(
            staging, "prepared", stand_in=dataset.stand_in, content=_provenance(dataset, synthetic, recipe_data)
        )
    counts = {part: _by_class(splits[part], dataset.class_names) for part in SPLITS}
    balance = tuple(Balance(name, counts["train"][name], counts["synthetic"][name]) for name in dataset.class_names)
    return Prepared(out, counts, balance, dataset.skipped + tuple(bad))


def _target_names(items: tuple[Item, ...], class_names: tuple[str, ...]) -> list[str]:
    """Names each file `<class>/<name>`; where a label file brought two of one name together, with part of its hash."""
    plain = [f"{class_names[item.class_index]}/{item.path.name}" for item in items]
    often = Counter(name.casefold() for name in plain)
    return [
        name
        if often[name.casefold()] == 1
        else f"{class_names[item.class_index]}/{item.path.stem}-{(item.sha256 or '')[:12]}-{number}{item.path.suffix}"
        for number, (name, item) in enumerate(zip(plain, items, strict=True))
    ]


def _by_class(items: tuple[Item, ...], class_names: tuple[str, ...]) -> dict[str, int]:
    counts = Counter(item.class_index for item in items)
    return {name: counts[index] for index, name in enumerate(class_names)}


def _nested(a: Path, b: Path) -> bool:
    a, b = a.resolve(), b.resolve()
    return a == b or a in b.parents or b in a.parents


def _provenance(dataset: Dataset, synthetic: Path | None, recipe_data: DataRecipe) -> dict[str, object]:
    return {
        "classes": list(dataset.class_names),
        "source_fingerprint": dataset.fingerprint,
        "synthetic_stand_in": synthetic is not None and is_stand_in(synthetic),
        "test_fraction": recipe_data.test_fraction,
        "val_fraction": recipe_data.val_fraction,
        "split_seed": recipe_data.split_seed,
    }
