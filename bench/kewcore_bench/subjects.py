"""What can classify images: runs, packages and ONNX files, and what images each of them takes."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from kewcore.console import warn
from kewcore.errors import RunError, UsageError
from kewcore.parity.classifier import Classifier
from kewcore.runtime import OnnxClassifier, PackageClassifier
from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench.candidates import run_facts
from kewcore_bench.sources import ImageSource, data_recipe
from kewcore_export.sidecar import PACKAGE_SUFFIX, load_sidecar, sidecar_path
from kewcore_export.transaction import require_finished

RECIPE = "kewcnn"
"""Whose split serves for models that do not say how their dataset was split."""
RESIZE = "centre-crop"
"""How photographs are brought to size for models that do not say how: as kewcore's own recipes do."""


@dataclass(frozen=True)
class Subject:
    """Something that classifies images.

    Attributes:
        name: Short name, such as `kewcnn-original` or that of the package.
        path: Run folder, package or ONNX file.
        kind: `run`, `package` or `onnx`.
        source: The images that it takes.
        function_name: Which function of a package; None is its default one.
    """

    name: str
    path: Path
    kind: str
    source: ImageSource
    function_name: str | None = None


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


def find_subject(path: Path, function_name: str | None = None) -> Subject:
    """Finds out what lies at a path, and what images it takes.

    A package that kewcore did not export has no sidecar: then the package itself says what it takes. Where nothing
    says how photographs are brought to that size, a warning says what was taken.

    Args:
        path: What to look at.
        function_name: Which function, where a package has several.

    Raises:
        UsageError: There is nothing, or what is neither a run, a package nor an ONNX file; or it has no such function.
        RunError: The run is damaged.
        PackageError: The package or its sidecar is damaged; the ONNX file does not name its classes.
        UnsupportedError: The package or the ONNX file does not classify greyscale images.
    """
    if function_name is not None and path.suffix != PACKAGE_SUFFIX:
        raise UsageError(f"'{path}' has no function '{function_name}': only packages have functions")
    if path.suffix == ".onnx":
        return Subject(path.stem, path, "onnx", _own_source(path, OnnxClassifier(path)))
    if path.suffix == PACKAGE_SUFFIX:
        require_finished(path.parent)
        # The reference executor starts nothing: it is asked what the package takes, not to run it.
        bare = not sidecar_path(path).exists()
        asked = PackageClassifier(path, "reference", function_name=function_name) if bare else None
        source = _recorded_source(path) if asked is None else _own_source(path, asked)
        return Subject(path.stem, path, "package", source, function_name)
    if (path / "run.json").is_file():
        facts = run_facts(path)
        return Subject(f"{facts.recipe}-{facts.variant}", path, "run", facts.source)
    raise UsageError(
        f"'{path}' is neither a run, a package nor an ONNX file"
        if path.exists()
        else f"there is nothing at '{path}': expected a run, a package or an ONNX file",
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
    if subject.kind == "onnx":
        return OnnxClassifier(subject.path)
    return PackageClassifier(subject.path, executor, function_name=subject.function_name)


def _recorded_source(package: Path) -> ImageSource:
    """Reads what images a package takes from its sidecar, and how they were split from its run, where that is here."""
    sidecar = load_sidecar(package)
    recorded = sidecar.input
    data = data_recipe(
        sidecar.run.recipe,
        sidecar.class_names,
        height=recorded.height,
        width=recorded.width,
        resize=recorded.resize,
    )
    source = ImageSource(package, data, sidecar.class_names, None, sidecar.run.dataset_fingerprint)
    with suppress(RunError):  # The package may have travelled without its run: then --data says what to evaluate on.
        run = run_facts(package.parent / sidecar.run.path)
        split = run.source.data if run.model_sha256 == sidecar.run.model_sha256 else data
        return replace(source, data=split, dataset=run.source.dataset)
    return source


def _own_source(path: Path, classifier: OnnxClassifier | PackageClassifier) -> ImageSource:
    height, width = classifier.image_size
    resize = classifier.resize
    if resize is None:
        resize = RESIZE
        warn(f"'{path}' does not say how photographs are brought to {width} x {height} pixels: taking {resize}")
    data = data_recipe(RECIPE, classifier.class_names, height=height, width=width, resize=resize)
    return ImageSource(path, data, classifier.class_names, None, None)
