"""`kewcore predict` as a person runs it."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench_bed import CLASS_NAMES, Bed
from kewcore_command import kewcore_here

from kewcore.runtime.spec.messages import model_class

pytestmark = [pytest.mark.cli, pytest.mark.parity]
KEWCORE = Path(sys.executable).with_name("kewcore")


def predict(folder: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [KEWCORE, "predict", *arguments], cwd=folder, input=stdin, capture_output=True, text=True, timeout=120
    )


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_goes_through_the_newest_package_which_is_named(folder: Path, bed: Bed) -> None:
    done = predict(folder, "data/test", "--json")
    assert done.returncode == 0, done.stderr
    newest = max((folder / "packages").glob("*.mlpackage"), key=lambda path: path.stat().st_mtime_ns)
    assert f"predicting with packages/{newest.name}" in done.stderr
    found = json.loads(done.stdout)
    assert (found["schema_version"], found["kind"], len(found["predictions"])) == (1, "predict", 30)
    right = [one["answers"][0]["label"] == Path(one["image"]).parent.name for one in found["predictions"]]
    assert sum(right) > 15


def test_run_and_package_agree_on_paths_from_stdin(folder: Path, bed: Bed) -> None:
    paths = "".join(f"data/test/{name}/0.png\n" for name in CLASS_NAMES)
    package, run = (
        predict(folder, "--csv", "--top", "3", "--model", model, stdin=paths)
        for model in (f"packages/{bed.packages[0].name}", "runs/tiny/original")
    )
    ours, theirs = rows(package.stdout), rows(run.stdout)
    assert [one["image"] for one in ours] == [line for line in paths.split() for _ in range(3)]
    assert [one["rank"] for one in ours] == ["1", "2", "3"] * 3
    assert [one["label"] for one in ours] == [one["label"] for one in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert float(a["probability"]) == pytest.approx(float(b["probability"]), abs=2e-3)
    for start in range(0, 9, 3):
        assert sum(float(one["probability"]) for one in ours[start : start + 3]) == pytest.approx(1, abs=1e-3)


def test_an_image_that_cannot_be_read_stops_it_or_is_left_out(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    stopped = kewcore_here(folder, "predict", "broken.png", "data/test/grey/0.png")
    assert stopped.returncode == 3
    assert "broken.png" in stopped.stderr
    assert "--skip-bad" in stopped.stderr
    assert stopped.stdout == ""
    left_out = predict(folder, "broken.png", "data/test/grey/0.png", "--skip-bad", "--csv")
    assert left_out.returncode == 0
    assert len(rows(left_out.stdout)) == 1
    assert "left out broken.png: " in left_out.stderr


def test_every_bad_image_is_listed_however_many_batches_there_are(folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(70):
        (folder / "many" / f"{number:02}.png").write_bytes(b"")
    shutil.copy(folder / "data" / "test" / "grey" / "0.png", folder / "many" / "good.png")
    stopped = kewcore_here(folder, "predict", "many")
    assert stopped.returncode == 3
    assert "error: 70 of 71 images cannot be decoded:" in stopped.stderr
    assert all(f"\n  many/{number:02}.png: the file is empty" in stopped.stderr for number in range(70))
    left_out = predict(folder, "many", "--skip-bad", "--json", "--top", "99")
    assert left_out.returncode == 0, left_out.stderr
    found = json.loads(left_out.stdout)
    assert [one["image"] for one in found["predictions"]] == ["many/good.png"]
    assert sorted(one["label"] for one in found["predictions"][0]["answers"]) == sorted(CLASS_NAMES)
    assert len(found["skipped"]) == 70
    (folder / "many" / "good.png").unlink()
    nothing = kewcore_here(folder, "predict", "many", "--skip-bad")
    assert nothing.returncode == 3
    assert "error: no image could be read:\n  many/00.png: the file is empty" in nothing.stderr


def test_file_names_need_not_be_utf_8(folder: Path) -> None:
    name = b"f\xfcr.png"
    shutil.copy(folder / "data" / "test" / "grey" / "0.png", os.fsencode(folder) + b"/" + name)
    done = subprocess.run([KEWCORE, "predict", "--csv"], cwd=folder, input=name, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith(b"f\\udcfcr.png,1,")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "stdin names no image"),
        (("--csv", "--json", "x.png"), 2, "--csv and --json exclude each other"),
        (("runs",), 3, "folder 'runs' holds no image"),
        (("x.png", "--model", "data"), 2, "'data' is neither a run, a package nor an ONNX file"),
    ],
)
def test_bad_input_is_answered_by_name(folder: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = kewcore_here(folder, "predict", *arguments)
    assert done.returncode == code
    assert message in done.stderr


def test_a_package_of_someone_else_needs_no_sidecar(folder: Path, bed: Bed) -> None:
    shutil.copytree(bed.packages[0], folder / "elsewhere" / "their model.mlpackage")
    done, known = (
        predict(folder, "data/test", "--csv", "--model", model)
        for model in ("elsewhere/their model.mlpackage", f"packages/{bed.packages[0].name}")
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == known.stdout


def test_a_function_is_chosen_by_its_name(folder: Path, bed: Bed) -> None:
    package = shutil.copytree(bed.packages[0], folder / "two.mlpackage")
    file = package / "Data/com.apple.CoreML/model.mlmodel"
    model = model_class().FromString(file.read_bytes())
    reversed_ = model.mlProgram.functions["reversed"]
    reversed_.CopyFrom(model.mlProgram.functions["main"])
    operations = reversed_.block_specializations[reversed_.opset].operations
    (classify,) = (operation for operation in operations if operation.type == "classify")
    labels = classify.inputs["classes"].arguments[0].value.immediateValue.list.values
    for label, name in zip(labels, reversed(CLASS_NAMES), strict=True):
        label.immediateValue.tensor.strings.values[:] = [name]
    for name in ("main", "reversed"):
        described = model.description.functions.add(name=name, predictedFeatureName="classLabel")
        described.input.extend(model.description.input)
        described.output.extend(model.description.output)
    file.write_bytes(model.SerializeToString())
    image, chosen = f"data/test/{CLASS_NAMES[0]}/0.png", ("--csv", "--top", "3", "--model", "two.mlpackage")
    default, other = predict(folder, *chosen, image), predict(folder, *chosen, "--function", "reversed", image)
    assert (default.returncode, other.returncode) == (0, 0), default.stderr + other.stderr
    swapped = dict(zip(CLASS_NAMES, reversed(CLASS_NAMES), strict=True))
    assert [swapped[one["label"]] for one in rows(default.stdout)] == [one["label"] for one in rows(other.stdout)]
    assert [one["probability"] for one in rows(default.stdout)] == [one["probability"] for one in rows(other.stdout)]
    unknown = kewcore_here(folder, "predict", *chosen, "--function", "third", image)
    assert unknown.returncode == 2
    assert "has no function 'third'; functions: main, reversed" in unknown.stderr
    run = kewcore_here(folder, "predict", "--model", "runs/tiny/original", "--function", "third", image)
    assert run.returncode == 2
    assert "has no function 'third': only packages have functions" in run.stderr
