"""`kewcore quickstart`: the whole main job on the built-in sample set."""

from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.options import Json, Quiet, Seed, Verbose

MODES = ("fp16", "int8", "palette-4")
LATENCY_ROUNDS = 12
BATCH_SIZE = 16  # half the recipe's: so few images would make too few steps of 32


def quickstart(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for data, runs, packages and report.")
    ] = Path("quickstart"),
    images: Annotated[int, typer.Option("--images", min=60, help="Drawings in the training part.")] = 160,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Epochs a variant.")] = 8,
    seed: Seed = 42,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draws the sample set, trains both variants, exports fp16, int8 and palette-4, and benches them all.

    Works offline, in minutes. A second run reuses what is done. The sample set is a stand-in: its figures say that the
    tools work, and nothing about real photographs.

    Example: `kewcore quickstart --out /tmp/kewcore`
    """
    import time
    from dataclasses import replace

    from kewcore.artefacts import describe
    from kewcore.cli.bench import print_result, write_reports
    from kewcore.cli.output import print_json, report_written
    from kewcore.console import say
    from kewcore.data.dataset import open_dataset
    from kewcore.data.sample.make import NOTICE, make_sample_set
    from kewcore.recipes import VARIANTS, load_recipe
    from kewcore.training.job import Job
    from kewcore.training.loop import Options, train_variants
    from kewcore_bench.candidates import candidate
    from kewcore_bench.run import BenchOptions, record_parity, run_bench
    from kewcore_bench.schema import to_object
    from kewcore_bench.sources import labelled_images
    from kewcore_export.export import export_run
    from kewcore_export.modes import parse_modes

    start = time.monotonic()
    cache = out / ".cache"
    say("1 of 4: the sample set")
    say(NOTICE)
    sample = make_sample_set(out / "data", seed=seed, images=images)
    recipe = load_recipe("kewcnn")
    recipe = replace(recipe, training=replace(recipe.training, epochs=epochs, batch_size=BATCH_SIZE))
    dataset = open_dataset(sample.root, recipe.data)

    say("2 of 4: training")
    jobs = [Job(recipe, variant, dataset, out / "runs" / recipe.name / variant, seed) for variant in VARIANTS]
    results = train_variants(jobs, Options(cache=cache, restart=True))
    report_written([describe(run.path / "model.keras") for run, reused in results if not reused])

    say("3 of 4: export")
    packages = [package for run, _ in results for package in export_run(run.path, parse_modes(MODES), out / "packages")]
    report_written(artefact for package in packages if not package.unchanged for artefact in package.artefacts)

    say("4 of 4: bench")
    candidates = [candidate(package.path) for package in packages]
    pixels = labelled_images([one.run.source for one in candidates], data=None, limit=None, cache=cache, skip_bad=False)
    result = run_bench(candidates, pixels, BenchOptions(rounds=LATENCY_ROUNDS, cache=cache, seed=0))
    written = write_reports(result, out / "report")
    report_written([*written, *record_parity(result)])
    if json:
        print_json("quickstart", to_object(result))
    else:
        print_result(result)
    say(f"done in {time.monotonic() - start:.0f} s; the report: {out / 'report' / 'bench.html'}")
