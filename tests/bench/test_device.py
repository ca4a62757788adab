"""Figures from a device beside those of a bench; the file is what `kew-classify bench --json` prints."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_results import result_of

from kewcore.errors import DataError
from kewcore_bench.device import check_device, read_device_bench, with_device
from kewcore_bench.report.page import write_report
from kewcore_bench.stored_result import read_result, stored_object
from kewcore_bench.tables import markdown
from kewcore_bench.timing import engine_table

pytestmark = pytest.mark.unit

LABEL = "Core ML (cpu+ne) on Apple M2, macOS 15.1.0"
LATENCY = {
    "engine": LABEL,
    "threads": 8,
    "import_ms": 0,
    "load_ms": 90.5,
    "first_predict_ms": 3.5,
    "median_ms": 1.25,
    "p95_ms": 1.5,
    "p99_ms": 2,
    "iqr_ms": 0.25,
    "round_medians_ms": [1.25, 1.25],
    "predicts": 20,
    "peak_memory_bytes": 50_000_000,
    "starts": 1,
}
ROW = {
    "engine": "kewkit-cpu-ne",
    "subject": "Tiny-original-int8",
    "path": "/device/Tiny-original-int8.mlmodelc",
    "mode": "int8",
    "label": LABEL,
    "failure": None,
    "latency": LATENCY,
    "ratio": None,
    "throughput": [],
}
HOST = {
    "system": "macOS",
    "system_release": "15.1.0",
    "machine": "arm64",
    "cpu": "Apple M2",
    "cores": 8,
    "memory_bytes": 17_179_869_184,
    "load_average": None,
    "python": "",
    "libraries": {},
}
FILE: dict[str, Any] = {
    "schema_version": 1,
    "kind": "device-bench",
    "created": "2026-11-21T19:19:23Z",
    "inputs_sha256": "ab" * 32,
    "host": HOST,
    "engines": [ROW],
}


def written(folder: Path, value: Any) -> Path:
    path = folder / "device.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_device_gets_a_row_in_the_table_in_the_report_and_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)
    result = result_of(8, 10)
    found = with_device(result, read_device_bench(path))
    (row,) = engine_table.engine_rows(found.variants[0])[-1:]
    assert row[:6] == [LABEL, "Tiny-original-int8", "1.2", "1.5", "2.0", "0.2"]
    assert engine_table.worth_showing(found.variants[0])
    assert result.variants[0].engines == ()
    assert LABEL in markdown(found, ())
    page = write_report(found, tmp_path / "bench.html", ()).path.read_text()
    assert LABEL in page
    (tmp_path / "bench.json").write_text(json.dumps(stored_object(found, ())))
    assert read_result(tmp_path / "bench.json").result.variants[0].engines[-1].label == LABEL


def changed(place: str, value: Any) -> dict[str, Any]:
    file = deepcopy(FILE)
    holder: Any = file
    *path, last = place.split(".")
    for key in path:
        holder = holder[int(key) if key.isdigit() else key]
    holder[last] = value
    return file


@pytest.mark.parametrize(
    "value, message",
    [
        ("{", "device file '{path}' is not JSON: "),
        ([], "device file '{path}' is not from kew-classify bench: expected an object of kind 'device-bench'"),
        (changed("schema_version", 2), "device file '{path}' has schema_version 2; this kewcore reads 1"),
        (changed("engines", []), "device file '{path}' holds no figures: 'engines' is empty"),
        (changed("engines.0.latency", None), "device file '{path}': 'engines[0]' has no latency"),
        (
            changed("engines.0.latency.round_medians_ms", [1.25, None]),
            "device file '{path}' is damaged: 'engines[0].latency.round_medians_ms' must be finite and above 0",
        ),
        (changed("engines.0.latency.median_ms", "fast"),
         "device file '{path}' is damaged: 'engines[0].latency.median_ms' must be a number, got \"fast\""),
        (changed("host.phase", 1), "device file '{path}' is damaged: 'host.phase' is not known here"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused(tmp_path: Path, value: Any, message: str) -> None:
    path = written(tmp_path, value)
    with pytest.raises(DataError) as caught:
        read_device_bench(path)
    assert caught.value.message.startswith(message.replace("{path}", str(path)))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_device_bench(tmp_path / "none.json")
    assert caught.value.message == f"device file '{tmp_path / 'none.json'}' cannot be read: No such file or directory"
    assert caught.value.hint == "write one on the device: kew-classify bench MODEL --json > device.json"


def test_figures_of_another_package_or_export_are_refused(tmp_path: Path) -> None:
    resources = Path(__file__).parents[2] / "swift_demo" / "Tests" / "KewKitTests" / "Fixtures"
    package = resources / "Tiny-original-fp16.mlpackage"
    path = written(tmp_path, FILE)
    device = read_device_bench(path)
    with pytest.raises(DataError) as caught:
        check_device(device, {"Other": package, "Another": package}, path)
    assert caught.value.message == (
        f"device file '{path}' has figures of 'Tiny-original-int8', which is not in this bench: Other, Another"
    )
    with pytest.raises(DataError) as caught:
        check_device(device, {"Tiny-original-int8": package}, path)
    assert caught.value.message.startswith(
        f"device file '{path}' has figures of another export of 'Tiny-original-int8': made of abababababab…, "
    )
    ours = json.loads(package.with_suffix(".json").read_text())["inputs_sha256"]
    check_device(replace(device, inputs_sha256=ours), {"Tiny-original-int8": package}, path)
