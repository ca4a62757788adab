"""Sample images with everyone's opinion: disagreements first, then mistakes, then what all got right."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kewcore_bench.images import LabelledImages, thumbnail
from kewcore_bench.result import Opinion, Sample

SAMPLES = 18


def choose(labels: NDArray[np.int64], opinions: Mapping[str, NDArray[np.float32]], count: int = SAMPLES) -> list[int]:
    """Chooses images for the gallery.

    Disagreements come first, those of the most classifiers leading, in up to two thirds of the places; the classes
    share the rest in turn, with mistakes of the first classifier and what it gets right alternating.

    Args:
        labels: int64 `[N]`.
        opinions: Probabilities `[N, C]` by classifier, the reference's first.
        count: How many images at most.

    Returns:
        Indices, in the order of showing.
    """
    tops = np.stack([table.argmax(axis=1) for table in opinions.values()])
    dissent = (tops != tops[0]).sum(axis=0)
    found = [int(i) for i in np.argsort(-dissent, kind="stable") if dissent[i]][: -(-2 * count // 3)]
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
