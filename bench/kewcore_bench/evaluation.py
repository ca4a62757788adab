"""Evaluation: how good runs, packages and ONNX files are on labelled images, and whether two differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import UsageError
from kewcore.parity.agreement import ParityMetrics, compare
from kewcore.parity.classification import ClassificationMetrics, evaluate
from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench.images import LabelledImages
from kewcore_bench.result import DatasetFacts
from kewcore_bench.subjects import Subject, load_classifier


@dataclass(frozen=True)
class Evaluation:
    """Figures of one subject.

    Attributes:
        name: Of the subject.
        path: Of the subject.
        kind: `run`, `package` or `onnx`.
        metrics: On the labelled images.
    """

    name: str
    path: Path
    kind: str
    metrics: ClassificationMetrics


@dataclass(frozen=True)
class Comparison:
    """Two subjects on the same images.

    Attributes:
        first: Name of the first.
        second: Name of the second.
        parity: The second beside the first: paired accuracies with McNemar's test, agreement, distances.
    """

    first: str
    second: str
    parity: ParityMetrics


@dataclass(frozen=True)
class EvaluationResult:
    """What `kewcore evaluate` found.

    Attributes:
        dataset: On what.
        evaluations: One entry a subject.
        comparison: Where there are exactly two; otherwise None.
    """

    dataset: DatasetFacts
    evaluations: tuple[Evaluation, ...]
    comparison: Comparison | None


def evaluate_subjects(
    subjects: Sequence[Subject], images: LabelledImages, executor: ExecutorChoice = "auto", seed: int = 0
) -> tuple[EvaluationResult, tuple[NDArray[np.float32], ...]]:
    """Evaluates subjects on the same images, and compares them where there are two.

    Args:
        subjects: What to evaluate.
        images: On what.
        executor: Of packages.
        seed: Of the bootstrap.

    Returns:
        The figures, and the probabilities `[N, C]` of each subject.

    Raises:
        UsageError: A subject has other classes than the images.
        KewError: A subject cannot be loaded or run.
    """
    tables = tuple(_probabilities(one, images, executor) for one in subjects)
    comparison = None
    if len(subjects) == 2:
        names = (subjects[0].name, subjects[1].name)
        comparison = Comparison(*names, compare(tables[0], tables[1], images.labels, seed=seed))
    evaluations = tuple(
        Evaluation(one.name, one.path, one.kind, evaluate(images.labels, table, images.class_names))
        for one, table in zip(subjects, tables, strict=True)
    )
    return EvaluationResult(images.facts, evaluations, comparison), tables


def _probabilities(subject: Subject, images: LabelledImages, executor: ExecutorChoice) -> NDArray[np.float32]:
    classifier = load_classifier(subject, executor)
    if classifier.class_names != images.class_names:
        raise UsageError(
            f"'{subject.path}' has the classes {', '.join(classifier.class_names)}; "
            f"the images have {', '.join(images.class_names)}",
            hint="evaluate models of the same classes, in the same order",
        )
    return classifier.probabilities(images.pixels)
