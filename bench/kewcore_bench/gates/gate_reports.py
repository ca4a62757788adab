"""What a bench with gates writes beside its report: for programs, for CI servers and for people."""

from collections.abc import Sequence
from pathlib import Path

from kewcore.artefacts import Artefact, write_json, write_text
from kewcore_bench.gates.gate_file import GateFile
from kewcore_bench.gates.job_summary import summary
from kewcore_bench.gates.judging import Verdict
from kewcore_bench.gates.junit import junit_xml
from kewcore_bench.result import BenchResult
from kewcore_bench.schema import Json, to_json

GATES_SCHEMA_VERSION = 1
GATES_SCHEMA = Path(__file__).parent / "schemas" / "gates.schema.json"
"""JSON Schema of `gates.json`."""


def write_gate_reports(
    verdicts: Sequence[Verdict], gates: GateFile, result: BenchResult, folder: Path, slower: Sequence[str] = ()
) -> list[Artefact]:
    """Writes `gates.json`, `gates-junit.xml` and `gates.md`.

    Args:
        verdicts: On every gate.
        gates: Where they came from.
        result: What they were held against.
        folder: Where to write.
        slower: What became slower since a baseline, in sentences.

    Raises:
        StorageError: A file cannot be written.
    """
    return [
        write_json(folder / "gates.json", gates_object(verdicts, gates, result)),
        write_text(folder / "gates-junit.xml", junit_xml(verdicts, result)),
        write_text(folder / "gates.md", summary(verdicts, result, slower)),
    ]


def gates_object(verdicts: Sequence[Verdict], gates: GateFile, result: BenchResult) -> dict[str, Json]:
    """Makes the JSON object that `gates.schema.json` describes."""
    return {
        "schema_version": GATES_SCHEMA_VERSION,
        "kind": "gates",
        "created": result.created,
        "kewcore_version": result.kewcore_version,
        "gate_file": str(gates.path),
        "images": result.dataset.images,
        "dataset_fingerprint": result.dataset.fingerprint,
        "held": all(one.held for one in verdicts),
        "verdicts": to_json(verdicts),
    }
