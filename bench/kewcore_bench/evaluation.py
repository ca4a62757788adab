"""Evaluation: how good runs, packages and ONNX files are on labelled images, and whether two differ."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kewcore.errors import RunError, UsageError
from kewcore.parity.agreement import ParityMetrics, compare
from kewcore.parity.classification import ClassificationMetrics, evaluate
from kewcore.parity.classifier import Classifier
from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench.candidates import run_facts
from kewcore_bench.images import LabelledImages
from kewcore_bench.result import DatasetFacts
from kewcore_bench.sources import ImageSource, data_recipe
from kewcore_export.sidecar import PACKAGE_SUFFIX, load_sidecar


@dataclass(frozen=True)
class Subject:
    """Something that can be evaluated.

    Attributes:
        name: Short name, such as `kewcnn-original` or that of the package.
        path: Run folder, package or ONNX file.
        kind: `run`, `package` or `onnx`.
        source: The images that it takes.
    """

    name: str
    path: Path
    kind: str
    source: ImageSource


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


def find_subjects(paths: Sequence[Path]) -> tuple[Subject, ...]:
    """Finds out what lies at some paths; where names collide, a number is added.

    Raises:
        KewError: As `find_subject`.
    """
    found: list[Subject] = []
    for subject in map(find_subject, paths):
        alike = sum(other.name.partition("#")[0] == subject.name for other in found)
        found.append(replace(subject, name=f"{subject.name}#{alike + 1}") if alike else subject)
    return tuple(found)


def find_subject(path: Path) -> Subject:
    """Finds out what lies at a path, and what images it takes.

    Raises:
        UsageError: It is neither a run, a package nor an ONNX file.
        RunError: The run is damaged.
        PackageError: The package's sidecar is missing or damaged; the ONNX file does not name its classes.
    """
    if path.suffix == PACKAGE_SUFFIX:
        return _package(path)
    if path.suffix == ".onnx":
        return _onnx(path)
    if (path / "run.json").is_file():
        facts = run_facts(path)
        return Subject(f"{facts.recipe}-{facts.variant}", path, "run", facts.source)
    raise UsageError(
        f"'{path}' is nothing that can be evaluated",
        hint="give the folder of a run (with run.json), a package (.mlpackage) or an ONNX file (.onnx)",
    )


def load_classifier(subject: Subject, executor: ExecutorChoice = "auto") -> Classifier:
    """Loads a subject.

    Raises:
        KewError: It cannot be loaded.
    """
    if subject.kind == "run":
        from kewcore.models.reference import KerasClassifier

        return KerasClassifier(subject.path)
    from kewcore.runtime import OnnxClassifier, PackageClassifier

    return OnnxClassifier(subject.path) if subject.kind == "onnx" else PackageClassifier(subject.path, executor)


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
            f"the images have {', '.join(images.class_names)}"
        )
    return classifier.probabilities(images.pixels)


def _package(path: Path) -> Subject:
    sidecar = load_sidecar(path)
    dataset = None
    with suppress(RunError):  # The package may have travelled without its run: then --data says what to evaluate on.
        dataset = run_facts(path.parent / sidecar.run.path).source.dataset
    data = data_recipe(
        sidecar.run.recipe,
        sidecar.class_names,
        height=sidecar.input.height,
        width=sidecar.input.width,
        resize=sidecar.input.resize,
    )
    source = ImageSource(path, data, sidecar.class_names, dataset, sidecar.run.dataset_fingerprint)
    return Subject(path.stem, path, "package", source)


def _onnx(path: Path) -> Subject:
    from kewcore.runtime import OnnxClassifier

    classifier = OnnxClassifier(path)
    height, width = classifier.image_size
    # The file does not say how photographs are brought to size; kewcore's own recipes crop the centre.
    data = data_recipe("kewcnn", classifier.class_names, height=height, width=width, resize="centre-crop")
    return Subject(path.stem, path, "onnx", ImageSource(path, data, classifier.class_names, None, None))
