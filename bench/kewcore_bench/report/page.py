"""The report: one HTML file that needs nothing beside it, neither network nor other files."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kewcore.artefacts import Artefact, write_text
from kewcore.parity.classification import ClassificationMetrics
from kewcore_bench import tables
from kewcore_bench.depth.tables import TextTable, depth_tables
from kewcore_bench.gates.judging import Verdict
from kewcore_bench.report import class_charts, depth_charts, latency_charts, series, size_charts, summary
from kewcore_bench.report.drawing import Chart
from kewcore_bench.report.occlusion_view import largest_difference, sample_view
from kewcore_bench.report.pictures import data_uri
from kewcore_bench.report.training_chart import training_chart
from kewcore_bench.result import BenchResult, VariantResult
from kewcore_bench.timing import engine_table
from kewcore_bench.variants import tables as gains
from kewcore_bench.variants.comparison import VariantComparison

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(result: BenchResult, path: Path, verdicts: Sequence[Verdict] = ()) -> Artefact:
    """Writes the HTML report, whole or not at all.

    Args:
        result: What the bench found.
        path: The file.
        verdicts: Of gates, if there were any.

    Raises:
        StorageError: The file cannot be written.
    """
    return write_text(path, render(result, verdicts))


def render(result: BenchResult, verdicts: Sequence[Verdict] = ()) -> str:
    """Renders the report as HTML; a section appears where its figures exist."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = tables.percent
    environment.filters["plain_name"] = series.plain
    environment.filters["drawing"] = _drawing
    return environment.get_template("report.html.j2").render(
        result=result,
        sentence=summary.sentence(result),
        gate_sentence=summary.gate_sentence(verdicts),
        gates_hold=all(one.held for one in verdicts),
        tiles=summary.tiles(result),
        notes=tables.notes(result),
        gates=_gates(verdicts) if verdicts else None,
        variants=[_variant(result, one) for one in result.variants],
        comparison=_comparison(result.comparison) if result.comparison is not None else None,
        environment=_environment(result),
    )


def _drawing(chart: Chart) -> Any:
    from markupsafe import Markup

    return Markup(chart.svg)  # Made here by matplotlib, which escapes the texts in it.


def _variant(result: BenchResult, variant: VariantResult) -> dict[str, Any]:
    return {
        "value": variant,
        "id": f"variant-{series.slug(variant)}",
        "title": f"{variant.recipe}, {variant.variant}",
        "table": TextTable(
            tables.title(result, variant), tables.COLUMNS, tuple(map(tuple, tables.rows(variant))), words=(0,)
        ),
        "size_charts": _found(
            [size_charts.accuracy_by_size(variant), size_charts.agreement_by_size(variant)] if variant.packages else []
        ),
        "latency_charts": _found([latency_charts.latency_chart(variant), latency_charts.engines_chart(variant)]),
        "engines": _engines(variant),
        "failures": _failures(variant),
        "confusions": [
            {"name": name, "metrics": metrics, "rows": _shares(metrics)}
            for name, metrics in series.classifiers(variant)
        ],
        "class_charts": _found([class_charts.recall_chart(variant), class_charts.roc_chart(variant)]),
        "depth_charts": _found([depth_charts.drift_chart(variant), depth_charts.robustness_chart(variant)]),
        "depth_tables": list(depth_tables(replace(result, variants=(variant,)))),
        "occlusion": [sample_view(one) for one in variant.occlusion],
        "occlusion_difference": f"{largest_difference(variant.occlusion):.3f}",
        "disputed": len({file for one in variant.packages for file in one.disagreement_files}),
        "gallery": [
            {
                "sample": sample,
                "image": data_uri(sample.thumbnail) if sample.thumbnail is not None else None,
                "disputed": len({one.class_name for one in sample.opinions}) > 1,
            }
            for sample in variant.gallery
        ],
        "training": _found([training_chart(variant)]),
    }


def _found(charts: Iterable[Chart | None]) -> list[Chart]:
    return [one for one in charts if one is not None]


def _engines(variant: VariantResult) -> TextTable | None:
    if not engine_table.worth_showing(variant):
        return None
    ran = replace(variant, engines=tuple(one for one in variant.engines if one.latency is not None))
    return TextTable(
        f"{variant.recipe} {variant.variant}: engines side by side",
        engine_table.ENGINE_COLUMNS[:-1],  # The last one says why an engine failed.
        tuple(tuple(row[:-1]) for row in engine_table.engine_rows(ran)),
        words=engine_table.ENGINE_WORDS[:-1],
    )


def _failures(variant: VariantResult) -> list[str]:
    """Names the engines that failed and why; those that failed for one reason on the same models stand together."""
    subjects: dict[tuple[str, str], list[str]] = {}
    for one in variant.engines:
        if one.failure:
            subjects.setdefault((one.label, one.failure), []).append(one.subject)
    labels: dict[tuple[str, str], list[str]] = {}
    for (label, failure), found in subjects.items():
        labels.setdefault((", ".join(found), failure), []).append(label)
    return [f"{', '.join(names)} ({models}): {failure}" for (models, failure), names in labels.items()]


def _gates(verdicts: Sequence[Verdict]) -> TextTable:
    rows = tuple(map(tuple, tables.gate_rows(verdicts)))
    title = "What was asked of every package, and what was measured"
    return TextTable(title, tables.GATE_COLUMNS, rows, words=tables.GATE_WORDS)


def _comparison(comparison: VariantComparison) -> dict[str, Any]:
    columns = gains.class_columns(comparison)
    found = [
        TextTable(
            gains.comparison_title(comparison),
            gains.GAIN_COLUMNS,
            tuple(map(tuple, gains.gain_rows(comparison))),
            words=(0,),
        ),
        TextTable(
            "Accuracy by class: original → synthetic, and the change in points",
            columns,
            tuple(map(tuple, gains.class_rows(comparison))),
            words=(0,),
        ),
    ]
    if balance := gains.balance_rows(comparison):
        title = "Training images by class, without and with synthetic ones"
        found.append(TextTable(title, gains.BALANCE_COLUMNS, tuple(map(tuple, balance)), words=(0,)))
    return {"tables": found, "notes": gains.comparison_notes(comparison)}


def _shares(metrics: ClassificationMetrics) -> list[list[tuple[int, float]]]:
    """Pairs each count with its share of the row, which shades the cell."""
    return [[(count, count / max(1, sum(row))) for count in row] for row in metrics.confusion]


def _environment(result: BenchResult) -> list[tuple[str, str]]:
    host, dataset = result.host, result.dataset
    memory = f"{host.memory_bytes / 1e9:.1f} GB" if host.memory_bytes else "not known"
    return [
        ("kewcore", result.kewcore_version),
        ("measured", result.created),
        ("host", f"{host.system} {host.system_release}, {host.machine}"),
        ("processor", f"{host.cpu}, {host.cores} cores"),
        ("memory", memory),
        ("Python", host.python),
        *sorted(host.libraries.items()),
        ("dataset", str(dataset.path)),
        ("dataset fingerprint", dataset.fingerprint),
        *((f"run {one.variant}", str(one.run)) for one in result.variants),
        *((f"model.keras {one.variant}", f"sha256 {one.model_sha256}") for one in result.variants),
        *((package.name, f"sha256 {package.sha256}") for one in result.variants for package in one.packages),
    ]
