"""`kewcore predict`: labels for images."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kewcore.cli.options import Executor, ExecutorName, Json, Quiet, SkipBad, Verbose

if TYPE_CHECKING:
    from kewcore.parity.classifier import Classifier
    from kewcore.recipes import DataRecipe

_BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image: labels with their probabilities, most probable first."""

    path: Path
    answers: tuple[tuple[str, float], ...]


def predict(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGES", help="Images, and folders of them.", show_default="paths on stdin, one a line"
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="PATH",
            help="Package, run or ONNX file.",
            show_default="the newest package; where there is none, the newest run",
        ),
    ] = None,
    function: Annotated[
        str | None, typer.Option("--function", metavar="NAME", help="Which function of a package that has several.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many labels an image.")] = 1,
    executor: Executor = ExecutorName.AUTO,
    skip_bad: SkipBad = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV: image,rank,label,probability.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Classifies images with a package, a run or an ONNX file.

    Examples: `kewcore predict photo.jpg`, `find photos -name '*.jpg' | kewcore predict --csv > labels.csv`
    """
    from kewcore.cli.output import print_json, print_table
    from kewcore.console import say
    from kewcore.errors import UsageError
    from kewcore_bench.subjects import find_subject, load_classifier

    if csv and json:
        raise UsageError("--csv and --json exclude each other", hint="leave one of them out")
    paths = list(_image_paths(images or []))
    chosen = model or _newest_model()
    if model is None:
        say(f"predicting with {chosen}")
    subject = find_subject(chosen, function)
    classifier = load_classifier(subject, executor.value)
    top = min(top, len(classifier.class_names))
    predictions, skipped = _predictions(paths, classifier, subject.source.data, top, skip_bad=skip_bad)
    for reason in skipped:
        say(f"left out {reason}")
    if json:
        listing = [
            {"image": str(one.path), "answers": [{"label": name, "probability": p} for name, p in one.answers]}
            for one in predictions
        ]
        print_json("predict", {"model": str(chosen), "predictions": listing, "skipped": skipped})
    elif csv:
        _print_csv(predictions)
    else:
        columns = [
            "image",
            *(word for rank in range(1, top + 1) for word in (f"label {rank}" if top > 1 else "label", "p")),
        ]
        rows = [
            [str(one.path), *(cell for name, p in one.answers for cell in (name, f"{p:.3f}"))] for one in predictions
        ]
        print_table("", columns, rows, left=(0, *range(1, len(columns), 2)))


def _image_paths(given: Sequence[Path]) -> Iterator[Path]:
    """Gives the images that were named, those below named folders, and else those named on stdin."""
    from kewcore.data.image_files import images_below
    from kewcore.errors import UsageError

    if not given or list(given) == [Path("-")]:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("no images given", hint="name images or folders, or pipe paths into stdin, one a line")
        given = [Path(line.rstrip("\r\n")) for line in sys.stdin if line.strip()]
        if not given:
            raise UsageError("stdin names no image: expected one path a line")
    for path in given:
        if path.is_dir():
            yield from images_below(path)
        else:
            yield path


def _newest_model() -> Path:
    from kewcore.errors import PackageError, RunError, UsageError
    from kewcore.training.run import newest_runs
    from kewcore_bench.candidates import newest_package

    try:
        return newest_package()
    except PackageError:
        try:
            return newest_runs()[0]
        except RunError as error:
            raise UsageError(
                "no model given, and neither ./packages nor ./runs holds one", hint="name one with --model"
            ) from error


def _predictions(
    paths: Sequence[Path], classifier: "Classifier", data: "DataRecipe", top: int, *, skip_bad: bool
) -> tuple[list[Prediction], list[str]]:
    """Decodes and classifies images a batch at a time, so that memory does not grow with their number.

    Once an image is bad that must not be, the others are only decoded, to list every one that is bad.
    """
    import numpy as np

    from kewcore.console import progress
    from kewcore.data.items import Item, Skipped, listed
    from kewcore.data.pixels import decoded
    from kewcore.errors import DataError

    predictions: list[Prediction] = []
    skipped: list[str] = []
    with progress("classifying", len(paths)) as advance:
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            images = list(decoded([Item(path, 0) for path in batch], data))
            skipped += [f"{one.path}: {one.reason}" for one in images if isinstance(one, Skipped)]
            readable = [(p, one) for p, one in zip(batch, images, strict=True) if not isinstance(one, Skipped)]
            if readable and (skip_bad or not skipped):
                answers = classifier.probabilities(np.stack([pixels for _, pixels in readable]))
                predictions += [
                    _best(path, row.tolist(), classifier.class_names, top)
                    for (path, _), row in zip(readable, answers, strict=True)
                ]
            advance(len(batch))
    if skipped and not skip_bad:
        raise DataError(
            f"{len(skipped)} of {len(paths)} images cannot be decoded:{listed(skipped)}",
            hint="repair or remove them, or leave them out with --skip-bad",
        )
    if not predictions:
        raise DataError(f"no image could be read:{listed(skipped)}")
    return predictions, skipped


def _best(path: Path, probabilities: list[float], class_names: Sequence[str], top: int) -> Prediction:
    ranked = sorted(zip(class_names, probabilities, strict=True), key=lambda pair: -pair[1])
    return Prediction(path, tuple(ranked[:top]))


def _print_csv(predictions: Sequence[Prediction]) -> None:
    import csv

    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["image", "rank", "label", "probability"])
    for one in predictions:
        for rank, (name, probability) in enumerate(one.answers, start=1):
            table.writerow([one.path, rank, name, f"{probability:.6f}"])
