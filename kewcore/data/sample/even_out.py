"""Synthetic images for photographs that have none: as many drawings a class as even its training part out."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from kewcore.artefacts import replacing_folder
from kewcore.console import progress
from kewcore.data.dataset import Dataset
from kewcore.data.marker import check_replaceable, write_marker
from kewcore.data.sample.make import GENERATOR_VERSION, KEW_MNIST_TRAINING_COUNTS, NOTICE, drawn
from kewcore.errors import UsageError


@dataclass(frozen=True)
class EvenedOut:
    """Synthetic images that were drawn.

    Attributes:
        root: Folder that holds `synthetic/<class>/*`.
        counts: Drawings by class.
    """

    root: Path
    counts: dict[str, int]


def even_out(dataset: Dataset, out: Path, *, seed: int = 7) -> EvenedOut:
    """Draws, for each class of a dataset's training part, what it lacks to the largest.

    Args:
        dataset: The photographs; their synthetic images, if any, do not count.
        out: Folder to write; one that kewcore did not write is refused.
        seed: Seed; each drawing depends on the seed, its class and number alone.

    Raises:
        UsageError: The dataset has a class that the generator cannot draw.
        StorageError: The folder cannot be written or is not ours to replace.
    """
    if unknown := [name for name in dataset.class_names if name not in KEW_MNIST_TRAINING_COUNTS]:
        raise UsageError(
            f"the generator draws {', '.join(KEW_MNIST_TRAINING_COUNTS)}; it cannot draw {', '.join(unknown)}"
        )
    check_replaceable(out)
    of_class = Counter(item.class_index for item in dataset.splits["train"])
    largest = max(of_class.values())
    counts = {name: largest - of_class[index] for index, name in enumerate(dataset.class_names)}
    jobs = [("synthetic", name, number) for name, count in counts.items() for number in range(count)]
    with replacing_folder(out) as staging:
        for name in sorted({name for _, name, _ in jobs}):
            (staging / "synthetic" / name).mkdir(parents=True)
        with progress("drawing synthetic images", len(jobs)) as advance:
            for _ in drawn(staging, seed, jobs):
                advance()
        content = {"notice": NOTICE, "generator_version": GENERATOR_VERSION, "seed": seed, "counts": counts}
        write_marker(staging, "synthetic", stand_in=True, content=content)
    return EvenedOut(out, counts)
