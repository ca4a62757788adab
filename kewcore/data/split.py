"""Stratified, seeded splitting."""

from collections.abc import Sequence

import numpy as np

from kewcore.errors import DataError


def stratified_split(
    labels: Sequence[int], class_names: Sequence[str], fraction: float, seed: int, *, part: str
) -> tuple[list[int], list[int]]:
    """Takes the same fraction of every class, at random but always the same for a seed.

    Each class is drawn with a generator of its own, so that a class's split does not change when another class grows.

    Args:
        labels: Class index of each item, in an order that does not vary between machines.
        class_names: Names of the classes, for messages.
        fraction: Part of each class to take; rounded to whole items, at least 1, and at least 1 is left.
        seed: Seed of the draw.
        part: Name of what is taken, for messages.

    Returns:
        Indices left and indices taken, each ascending.

    Raises:
        DataError: A class has fewer than two items; every such class is listed.
    """
    of_class = {index: np.flatnonzero(np.asarray(labels) == index) for index in range(len(class_names))}
    if few := [f"{len(members)} of {class_names[i]}" for i, members in of_class.items() if len(members) < 2]:
        raise DataError(
            f"too few images to take a {part} part from: every class needs at least 2 here, but there are "
            f"{', '.join(few)}",
            hint="add images, or give a folder that is split already, with train/, val/ and test/",
        )
    taken: list[int] = []
    for index, members in of_class.items():
        count = min(max(1, int(len(members) * fraction + 0.5)), len(members) - 1)
        order = np.random.default_rng([seed, index]).permutation(len(members))
        taken += [int(members[i]) for i in order[:count]]
    chosen = set(taken)
    return [i for i in range(len(labels)) if i not in chosen], sorted(taken)
