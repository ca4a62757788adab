"""`kewcore evaluate`: accuracy and all that belongs to it, for runs, packages and ONNX files."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kewcore.cli.bench import REPORTS_FOLDER
from kewcore.cli.options import Data, Executor, ExecutorName, Json, Quiet, Seed, SkipBad, Verbose
from kewcore.cli.train import CACHE

if TYPE_CHECKING:
    from kewcore_bench.evaluation import Comparison, Evaluation


class SplitChoice(StrEnum):
    """What `--split` takes."""

    TEST = "test"
    VAL = "val"


def evaluate(
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODELS", help="Runs, packages, ONNX files.", show_default="the newest runs"),
    ] = None,
    data: Data = None,
    split: Annotated[SplitChoice, typer.Option("--split", help="Part of the dataset.")] = SplitChoice.TEST,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for figures and plots.")] = REPORTS_FOLDER,
    executor: Executor = ExecutorName.AUTO,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most images, each class in proportion.", show_default="all")
    ] = None,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measures accuracy, precision, recall, F1, ROC-AUC and calibration on labelled images.

    Two models are also compared: McNemar's exact test, and a bootstrap interval of the difference of accuracies.
    Writes evaluation.json and, for each model, a confusion matrix, ROC curves and a reliability diagram as PNG.

    Example: `kewcore evaluate runs/kewcnn/original packages/KewCNN-original-int8.mlpackage`
    """
    from kewcore.artefacts import check_writable, write_json
    from kewcore.cli.output import print_json, report_written
    from kewcore.console import say
    from kewcore.training.run import newest_runs
    from kewcore_bench.evaluation import evaluate_subjects
    from kewcore_bench.report.evaluation_plots import write_plots
    from kewcore_bench.schema import SCHEMA_VERSION, to_object
    from kewcore_bench.sources import labelled_images
    from kewcore_bench.subjects import find_subjects

    check_writable(out)
    if not models:
        models = newest_runs()
        say(f"evaluating the newest runs: {', '.join(str(path) for path in models)}")
    subjects = find_subjects(models)
    images = labelled_images(
        [one.source for one in subjects], data=data, split=split.value, limit=limit, cache=CACHE, skip_bad=skip_bad
    )
    result, tables = evaluate_subjects(subjects, images, executor.value, seed)
    found = to_object(result)
    written = [write_json(out / "evaluation.json", {"schema_version": SCHEMA_VERSION, "kind": "evaluation", **found})]
    for one, table in zip(result.evaluations, tables, strict=True):
        written += write_plots(out, one.name, one.metrics, images.labels, table)
    report_written(written)
    if json:
        print_json("evaluation", found)
        return
    facts = result.dataset
    stand_in = " of the built-in sample set, a stand-in for real photographs" if facts.stand_in else ""
    _print_summary(result.evaluations, f"{facts.images} {facts.split} images{stand_in}")
    for one in result.evaluations:
        _print_classes(one)
    if result.comparison is not None:
        _print_comparison(result.comparison)


def _print_summary(evaluations: "tuple[Evaluation, ...]", title: str) -> None:
    from kewcore.cli.output import print_table

    columns = [
        "model",
        "accuracy [95 %]",
        "macro P",
        "macro R",
        "macro F1",
        "weighted F1",
        "ROC-AUC",
        "ECE",
        "log loss",
    ]
    rows = []
    for one in evaluations:
        metrics, interval = one.metrics, one.metrics.accuracy_interval
        rows.append(
            [
                one.name,
                f"{100 * metrics.accuracy:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]",
                f"{metrics.macro.precision:.3f}",
                f"{metrics.macro.recall:.3f}",
                f"{metrics.macro.f1:.3f}",
                f"{metrics.weighted.f1:.3f}",
                _area(metrics.roc_auc_macro),
                f"{metrics.expected_calibration_error:.3f}",
                f"{metrics.log_loss_nats:.3f}",
            ]
        )
    print_table(title, columns, rows)


def _print_classes(one: "Evaluation") -> None:
    from kewcore.cli.output import print_table

    columns = ["class", "images", "precision", "recall", "F1", "ROC-AUC", *(f"→\n{n}" for n in one.metrics.class_names)]
    rows = [
        [
            entry.name,
            str(entry.support),
            f"{entry.precision:.3f}",
            f"{entry.recall:.3f}",
            f"{entry.f1:.3f}",
            _area(entry.roc_auc),
            *map(str, counts),
        ]
        for entry, counts in zip(one.metrics.per_class, one.metrics.confusion, strict=True)
    ]
    print_table(f"{one.name}, by class; on the right what each class was called", columns, rows)


def _print_comparison(comparison: "Comparison") -> None:
    from kewcore.cli.output import print_table

    parity, accuracy = comparison.parity, comparison.parity.accuracy
    if accuracy is None:
        return
    drop, agreement = accuracy.drop_interval_pp, parity.top1_agreement_interval
    rows = [
        [f"accuracy of {comparison.first}", f"{100 * accuracy.first_accuracy:.1f} %", ""],
        [f"accuracy of {comparison.second}", f"{100 * accuracy.second_accuracy:.1f} %", ""],
        ["drop, percentage points", f"{accuracy.drop_pp:+.2f}", f"{drop.low:+.2f} … {drop.high:+.2f}"],
        [f"only {comparison.first} right", str(accuracy.only_first_right), ""],
        [f"only {comparison.second} right", str(accuracy.only_second_right), ""],
        ["McNemar's exact p", f"{accuracy.mcnemar_p:.3g}", ""],
        [
            "top-1 agreement",
            f"{100 * parity.top1_agreement:.1f} %",
            f"{100 * agreement.low:.1f} … {100 * agreement.high:.1f} %",
        ],
        ["max |Δp|", f"{parity.max_abs_dp:.2e}", ""],
    ]
    print_table(f"{comparison.first} against {comparison.second}", ["figure", "value", "95 % interval"], rows)


def _area(value: float | None) -> str:
    return f"{value:.3f}" if value is not None else "–"
