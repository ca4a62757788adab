"""What `kewcore bench` writes and prints once everything is measured."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kewcore.artefacts import Artefact
    from kewcore_bench.gates.judging import Verdict
    from kewcore_bench.result import BenchResult
    from kewcore_bench.variants.comparison import VariantComparison


def write_reports(
    result: "BenchResult", out: Path, verdicts: "Sequence[Verdict]" = (), *, html: bool = True
) -> "list[Artefact]":
    """Writes `bench.json`, `bench.md` and, unless told otherwise, `bench.html` into `out`."""
    from kewcore.artefacts import write_text
    from kewcore_bench.report.page import write_report
    from kewcore_bench.schema import json_text
    from kewcore_bench.stored_result import stored_object
    from kewcore_bench.tables import markdown

    written = [
        write_text(out / "bench.json", json_text(stored_object(result, verdicts))),
        write_text(out / "bench.md", markdown(result, verdicts)),
    ]
    return [*written, write_report(result, out / "bench.html", verdicts)] if html else written


def print_result(result: "BenchResult", verdicts: "Sequence[Verdict]" = (), *, worst_first: bool = True) -> None:
    """Prints one table a variant and the verdicts on stdout, and what must be known of them on stderr."""
    from kewcore.cli.output import print_table
    from kewcore.console import say
    from kewcore_bench import tables
    from kewcore_bench.depth.tables import depth_tables
    from kewcore_bench.timing import engine_table

    for variant in result.variants:
        print_table(tables.title(result, variant), tables.TERMINAL_COLUMNS, tables.terminal_rows(variant))
        if engine_table.worth_showing(variant):
            title = f"{variant.recipe} {variant.variant}: engines"
            words = engine_table.SHORT_WORDS
            print_table(title, engine_table.TERMINAL_COLUMNS, engine_table.terminal_rows(variant), left=words)
            if failed := engine_table.failure_rows(variant):
                print_table("", engine_table.FAILURE_COLUMNS, failed, left=(0, 1, 2))
    for table in depth_tables(result, worst_first=worst_first):
        print_table(table.title, table.columns, table.rows, left=table.words)
    if result.comparison is not None:
        print_comparison(result.comparison)
    if verdicts:
        print_table("Gates", tables.GATE_COLUMNS, tables.gate_rows(verdicts), left=tables.GATE_WORDS)
    for note in tables.notes(result):
        say(note)


def print_comparison(comparison: "VariantComparison") -> None:
    """Prints what synthetic images gain, by engine and by class, and how they even out the classes."""
    from kewcore.cli.output import print_table
    from kewcore.console import say
    from kewcore_bench.variants import tables

    print_table(tables.comparison_title(comparison), tables.GAIN_COLUMNS, tables.gain_rows(comparison), left=(0, 6))
    print_table(
        "accuracy by class, original → synthetic", tables.class_columns(comparison), tables.class_rows(comparison)
    )
    if balance := tables.balance_rows(comparison):
        print_table("training images by class", tables.BALANCE_COLUMNS, balance)
    for note in tables.comparison_notes(comparison):
        say(note)
