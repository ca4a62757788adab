"""The report: one HTML file that needs nothing beside it, neither network nor other files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kewcore.artefacts import Artefact, write_text
from kewcore.parity.classification import ClassificationMetrics
from kewcore_bench import charts, tables
from kewcore_bench.gates import Verdict
from kewcore_bench.pictures import data_uri
from kewcore_bench.result import BenchResult, VariantResult

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
    """Renders the report as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = tables.percent
    environment.filters["plain_name"] = lambda name: name.replace("_", " ")
    return environment.get_template("report.html.j2").render(
        result=result,
        columns=tables.COLUMNS,
        notes=tables.notes(result),
        variants=[_variant(result, one) for one in result.variants],
        gate_columns=tables.GATE_COLUMNS,
        gate_rows=tables.gate_rows(verdicts),
        missed=sum(not one.held for one in verdicts),
        environment=_environment(result),
    )


def _variant(result: BenchResult, variant: VariantResult) -> dict[str, Any]:
    from markupsafe import Markup

    def inline(drawing: str | None) -> Markup | None:
        return Markup(drawing) if drawing is not None else None

    classifiers = [("TensorFlow", variant.metrics), *((one.mode, one.metrics) for one in variant.packages)]
    return {
        "value": variant,
        "title": f"{variant.recipe}, {variant.variant}",
        "caption": tables.title(result, variant),
        "rows": tables.rows(variant),
        "confusions": [{"name": name, "metrics": metrics, "rows": _shares(metrics)} for name, metrics in classifiers],
        "recall": inline(charts.per_class_recall(variant)),
        "latency": inline(charts.latency_rounds(variant)),
        "training": inline(charts.training_curves(variant)),
        "gallery": [
            {
                "sample": sample,
                "image": data_uri(sample.thumbnail) if sample.thumbnail is not None else None,
                "disputed": len({one.class_name for one in sample.opinions}) > 1,
            }
            for sample in variant.gallery
        ],
    }


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
