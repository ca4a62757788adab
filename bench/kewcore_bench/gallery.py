"""Sample images with everyone's opinion: disagreements first, then mistakes, then what all got right."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from kewcore_bench.images import LabelledImages, thumbnail
from kewcore_bench.result import Opinion, Sample

MOST_DISPUTED = 48
"""Images on which somebody disagrees; each takes some 20 kB of a report."""
SAMPLES = 18
"""Images in all where fewer are disputed; at least a third of them are agreed on."""


def choose(labels: NDArray[np.int64], opinions: Mapping[str, NDArray[np.float32]], count: int = SAMPLES) -> list[int]:
    """Chooses images for the gallery.

    Disagreements come first, up to `MOST_DISPUTED`: the packages take turns, so that one with many leaves room for the
    few of another, and of a package's those that most others dispute too lead. The classes share the rest in turn, with
    mistakes of the first classifier and what it gets right alternating.

    Args:
        labels: int64 `[N]`.
        opinions: Probabilities `[N, C]` by classifier, the reference's first.
        count: How many images where few are disputed; a third of as many are agreed on in any case.

    Returns:
        Indices, in the order of showing.
    """
    tops = np.stack([table.argmax(axis=1) for table in opinions.values()])
    differs = tops[1:] != tops[0]
    dissent = differs.sum(axis=0)
    ranked = [int(i) for i in np.argsort(-dissent, kind="stable")]
    turns = zip_longest(*([i for i in ranked if row[i]] for row in differs))
    found = list(dict.fromkeys(i for turn in turns for i in turn if i is not None))[:MOST_DISPUTED]
    count = max(count, len(found) + count // 3)
    wrong_first = np.argsort(tops[0] == labels, kind="stable")
    queues = [[int(i) for i in wrong_first if labels[i] == label and not dissent[i]] for label in np.unique(labels)]
    turn = 0
    while len(found) < count and any(queues):
        for queue in queues:
            if queue and len(found) < count:
                found.append(queue.pop(0 if turn % 2 == 0 else -1))
        turn += 1
    return found


def samples(
    images: LabelledImages, opinions: Mapping[str, NDArray[np.float32]], count: int = SAMPLES
) -> tuple[Sample, ...]:
    """Gathers the gallery.

    Args:
        images: The images.
        opinions: Probabilities `[N, C]` by name of the classifier, the reference's first.
        count: How many images at most.
    """
    return tuple(
        Sample(
            file=images.files[index],
            label=images.class_names[images.labels[index]],
            opinions=tuple(_opinion(name, table[index], images.class_names) for name, table in opinions.items()),
            thumbnail=thumbnail(images.pixels[index]),
        )
        for index in choose(images.labels, opinions, count)
    )


def _opinion(name: str, probabilities: NDArray[np.float32], class_names: Sequence[str]) -> Opinion:
    top = int(probabilities.argmax())
    return Opinion(name, class_names[top], float(probabilities[top]))
