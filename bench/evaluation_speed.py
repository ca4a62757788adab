"""Times a full evaluation from disk: a package in the fast executor against Keras' `predict` over one float64 array.

    python bench/evaluation_speed.py runs/kewcnn/original packages/KewCNN-original-int8.mlpackage photos

`photos/<class>/*` are read by both, each side in a process of its own, in turn. From the first file to the accuracy
counts; importing libraries and loading the model do not, on either side. The Keras side is the published way: Pillow,
one picture after the other, all of them in one float64 array, `model.predict` with its defaults. It is spared the
division by 255, which the model's first layer does.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SIDES = ("keras", "kewcore")


def main() -> None:
    """Runs both sides in interleaved rounds and prints the ratios; with `--side`, runs one and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("package", type=Path, help="package of that run")
    parser.add_argument("photos", type=Path, help="folder of images, a subfolder a class")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="most images")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is not None:
        side = evaluate_by_keras if options.side == "keras" else evaluate_by_kewcore
        print(json.dumps(side(options.run, options.package, labelled_files(options.photos, options.limit))))
        return
    rounds = [measured_round(sys.argv[1:], index) for index in range(options.rounds)]
    for name in SIDES:
        processor_ms = statistics.median(1000 * one[name]["processor_seconds"] / one[name]["images"] for one in rounds)
        rate = statistics.median(one[name]["images"] / one[name]["seconds"] for one in rounds)
        memory_mb = max(one[name]["peak_memory_bytes"] for one in rounds) / 1e6
        accuracy = rounds[0][name]["accuracy"]
        print(
            f"{name}: {rate:.1f} images a second, {processor_ms:.1f} ms of processor time an image, "
            f"{memory_mb:.0f} MB at most, accuracy {accuracy:.4f}"
        )
    speeds = sorted(one["keras"]["seconds"] / one["kewcore"]["seconds"] for one in rounds)
    memory = statistics.median(
        one["kewcore"]["peak_memory_bytes"] / one["keras"]["peak_memory_bytes"] for one in rounds
    )
    print(
        f"kewcore over Keras: {statistics.median(speeds):.2f} times the images a second "
        f"({speeds[0]:.2f} to {speeds[-1]:.2f} in {len(speeds)} rounds) at {memory:.2f} of the memory"
    )


def measured_round(arguments: list[str], index: int) -> dict[str, Any]:
    """Runs both sides once, in random order, each in a fresh process."""
    found = {}
    for side in random.Random(index).sample(SIDES, len(SIDES)):
        command = [sys.executable, __file__, *arguments, "--side", side]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found[side] = json.loads(answer.splitlines()[-1])
        print(f"round {index + 1}, {side}: {found[side]['seconds']:.1f} s", file=sys.stderr, flush=True)
    return found


def labelled_files(photos: Path, limit: int | None) -> list[tuple[Path, str]]:
    """Lists images and the names of their classes, evenly chosen where there are more than `limit`."""
    files = sorted(path for path in photos.glob("*/*") if path.is_file())
    step = max(1.0, len(files) / limit) if limit else 1.0
    chosen = [files[int(index * step)] for index in range(min(limit or len(files), len(files)))]
    return [(path, path.parent.name) for path in chosen]


def evaluate_by_keras(run: Path, package: Path, files: list[tuple[Path, str]]) -> dict[str, float]:
    """Evaluates the run's model in the published way."""
    import numpy as np
    from PIL import Image

    from kewcore.memory import peak_memory_bytes
    from kewcore.models.reference import KerasClassifier

    classifier = KerasClassifier(run)
    _, height, width, _ = classifier.model.input_shape
    start, processor_start = time.perf_counter(), time.process_time()
    pictures, labels = [], []
    for path, name in files:
        pictures.append(np.asarray(Image.open(path).convert("L").resize((width, height)), dtype=np.float64))
        labels.append(classifier.class_names.index(name))
    images = np.array(pictures).reshape(-1, height, width, 1)
    probabilities = classifier.model.predict(images, verbose=0)
    accuracy = float((probabilities.argmax(axis=1) == np.array(labels)).mean())
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
    return figures(len(files), seconds, processor_seconds, accuracy, peak_memory_bytes())


def evaluate_by_kewcore(run: Path, package: Path, files: list[tuple[Path, str]]) -> dict[str, float]:
    """Evaluates the package as `kewcore evaluate` does, without its cache of decoded pixels."""
    import numpy as np

    from kewcore.console import set_verbosity
    from kewcore.data.items import Item
    from kewcore.data.pixels import load_pixels
    from kewcore.memory import peak_memory_bytes
    from kewcore.runtime import PackageClassifier
    from kewcore_bench.candidates import run_facts

    set_verbosity("quiet")
    classifier = PackageClassifier(package, "onnx")
    recipe = run_facts(run).source.data
    start, processor_start = time.perf_counter(), time.process_time()
    items = [Item(path, classifier.class_names.index(name)) for path, name in files]
    pixels = load_pixels(items, recipe)
    probabilities = classifier.probabilities(pixels.images)
    accuracy = float((probabilities.argmax(axis=1) == np.array(pixels.labels)).mean())
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
    return figures(len(files), seconds, processor_seconds, accuracy, peak_memory_bytes())


def figures(
    images: int, seconds: float, processor_seconds: float, accuracy: float, peak_memory_bytes: int
) -> dict[str, float]:
    """Puts together what one side hands back."""
    return {
        "images": images,
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "accuracy": accuracy,
        "peak_memory_bytes": peak_memory_bytes,
    }


if __name__ == "__main__":
    main()
