"""Times exporting runs in eleven modes: one kewcore command against eleven calls of coremltools' own API.

    python bench/export_speed.py runs/kewcnn/original runs/kewcnn/synthetic

Both start from the saved Keras models and end with packages on disk, one after the other in one run. kewcore measures
each weight against its original and writes golden answers besides; coremltools does neither.
"""

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MODES = (
    "fp16",
    "int8",
    "int8-tensor",
    "int4",
    "palette-8",
    "palette-6",
    "palette-4",
    "palette-3",
    "palette-2",
    "palette-1",
    "prune-75",
)


def main() -> None:
    """Prints seconds of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    runs = parser.parse_args().runs
    with TemporaryDirectory() as folder:
        ours_s = seconds(lambda: export_by_kewcore(runs, Path(folder) / "kewcore"))
        print(f"kewcore, {len(MODES)} modes, {len(runs)} runs: {ours_s:.1f} s", flush=True)
        theirs_s = seconds(lambda: export_by_coremltools(runs, Path(folder) / "coremltools"))
    print(f"coremltools, the same: {theirs_s:.1f} s")
    print(f"kewcore / coremltools: {ours_s / theirs_s:.3f}")


def seconds(work: Callable[[], None]) -> float:
    """Times something that is done once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def export_by_kewcore(runs: list[Path], out: Path) -> None:
    """Runs the command, start-up included."""
    command = [str(Path(sys.executable).with_name("kewcore")), "export", *map(str, runs)]
    subprocess.run([*command, "--quantize", ",".join(MODES), "--out", str(out)], check=True, capture_output=True)


def export_by_coremltools(runs: list[Path], out: Path) -> None:
    """Converts and compresses each run for each mode, imports included but paid only once."""
    out.mkdir()
    for run in runs:
        for mode in MODES:
            start = time.perf_counter()
            convert_by_coremltools(run / "model.keras", mode, out / f"{run.name}-{mode}.mlpackage")
            print(f"  coremltools {run.name} {mode}: {time.perf_counter() - start:.1f} s", flush=True)


def convert_by_coremltools(model: Path, mode: str, package: Path) -> None:
    """One call as coremltools' documentation has it, with its defaults."""
    warnings.simplefilter("ignore")
    import coremltools as ct
    import coremltools.optimize.coreml as cto
    import keras

    target = ct.target.iOS18 if mode in {"int4", "palette-3"} else ct.target.iOS16
    network = keras.models.load_model(model, compile=False)
    converted = ct.convert(
        network,
        inputs=[ct.ImageType(shape=(1, *network.input_shape[1:]), color_layout=ct.colorlayout.GRAYSCALE)],
        minimum_deployment_target=target,
    )
    compress = compression(cto, mode)
    (compress(converted) if compress else converted).save(str(package))


def compression(cto: Any, mode: str) -> Callable[[Any], Any] | None:
    """Returns coremltools' own compression for a mode."""
    if mode == "fp16":
        return None
    if mode.startswith("palette"):
        palette = cto.OpPalettizerConfig(mode="kmeans", nbits=int(mode.split("-")[1]))
        return lambda model: cto.palettize_weights(model, cto.OptimizationConfig(global_config=palette))
    if mode.startswith("prune"):
        pruner = cto.OpMagnitudePrunerConfig(target_sparsity=int(mode.split("-")[1]) / 100)
        return lambda model: cto.prune_weights(model, cto.OptimizationConfig(global_config=pruner))
    settings: dict[str, dict[str, Any]] = {
        "int8": {"mode": "linear_symmetric"},
        "int8-tensor": {"mode": "linear_symmetric", "granularity": "per_tensor"},
        "int4": {"mode": "linear_symmetric", "dtype": "int4", "granularity": "per_block", "block_size": 32},
    }
    quantizer = cto.OpLinearQuantizerConfig(**settings[mode])
    return lambda model: cto.linear_quantize_weights(model, cto.OptimizationConfig(global_config=quantizer))


if __name__ == "__main__":
    main()
