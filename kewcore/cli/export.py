"""`kewcore export`: Core ML packages from training runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kewcore.cli.options import Json, Quiet, Verbose


def export(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUNS", help="Folders of runs.", show_default="the newest, all its variants"),
    ] = None,
    quantize: Annotated[
        list[str] | None,
        typer.Option(
            "--quantize",
            metavar="[MODE]",
            help="Compress weights: int8 where no mode follows; several modes with commas, or repeat the option. "
            "auto searches for the smallest; w8a8, int8, int8-tensor, int4, palette-8/6/4/3/2/1, prune-N, "
            "prune-N-palette-M, fp16, fp32 and others in docs/export.md.",
            show_default="fp16",
        ),
    ] = None,
    all_modes: Annotated[bool, typer.Option("--all-modes", help="One package in every mode.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for packages.")] = Path("packages"),
    deployment_target: Annotated[
        str | None,
        typer.Option(
            "--deployment-target",
            metavar="OS",
            help="Oldest system to serve: iOS15 to iOS18.",
            show_default="the lowest that each mode allows",
        ),
    ] = None,
    target: Annotated[
        Literal["ane", "any"],
        typer.Option("--target", help="ane: rewrite the graph for the Neural Engine, exactly; any: leave it alone."),
    ] = "ane",
    min_chip: Annotated[
        str,
        typer.Option(
            "--min-chip", metavar="CHIP", help="Oldest chip to run on its Neural Engine: A13 to A18, M1 to M5."
        ),
    ] = "A14",
    enable_rewrite: Annotated[
        list[str] | None,
        typer.Option(
            "--enable-rewrite",
            metavar="NAME",
            help="Switch rewrites on that are off by default: strips, pool-strides-of-2. Commas, or repeat the option.",
        ),
    ] = None,
    disable_rewrite: Annotated[
        list[str] | None,
        typer.Option("--disable-rewrite", metavar="NAME", help="Switch rewrites off; docs/export.md lists them."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="DIR",
            help="w8a8, auto, --finetune: dataset to calibrate, search or train on.",
            show_default="what the run was trained on",
        ),
    ] = None,
    calibration_images: Annotated[
        int | None,
        typer.Option("--calibration-images", metavar="N", min=1, help="w8a8: how many of them.", show_default="128"),
    ] = None,
    calibrate_method: Annotated[
        Literal["mse", "min-max", "moving-average", "percentile"] | None,
        typer.Option(
            "--calibrate-method", help="w8a8: how ranges of activations follow from what occurs.", show_default="mse"
        ),
    ] = None,
    symmetric_activations: Annotated[
        bool, typer.Option("--symmetric-activations", help="w8a8: ranges of activations with 0 in the middle.")
    ] = False,
    keep_float: Annotated[
        int,
        typer.Option(
            "--keep-float", metavar="N", min=0, help="w8a8: leave the N layers float that cost most as bytes."
        ),
    ] = 0,
    max_drop: Annotated[
        str | None,
        typer.Option(
            "--max-drop", metavar="PP", help="auto: most accuracy to lose, such as 0.5pp.", show_default="0.5pp"
        ),
    ] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(
            "--min-agreement", metavar="SHARE", help="auto: least top-1 agreement with the reference, below 1."
        ),
    ] = None,
    max_size: Annotated[
        str | None, typer.Option("--max-size", metavar="SIZE", help="auto: largest package, such as 4MB.")
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit", metavar="MINUTES", min=0, help="auto: when to stop running packages.", show_default="30"
        ),
    ] = None,
    finetune: Annotated[
        bool,
        typer.Option("--finetune", help="Let compressed weights learn from the model that they came from."),
    ] = False,
    finetune_epochs: Annotated[
        int | None,
        typer.Option(
            "--finetune-epochs", metavar="N", min=1, help="finetune: passes over the training images.", show_default="3"
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write packages again that are there already, from the same inputs.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Writes Core ML packages from training runs, each with its sidecar and model card.

    Example: `kewcore export --quantize int8,palette-4`
    """
    from kewcore.cli.export_options import check_fit
    from kewcore.cli.export_packages import package_json, print_packages
    from kewcore.cli.export_search import missed_budgets
    from kewcore.cli.output import print_json, report_written
    from kewcore.cli.train import CACHE
    from kewcore.console import say
    from kewcore.errors import UsageError
    from kewcore.training.run import newest_runs
    from kewcore_export import modes as known
    from kewcore_export.activations.settings import CalibrationSettings
    from kewcore_export.export import export_run
    from kewcore_export.finetune.settings import DEFAULT_EPOCHS, FinetuneSettings
    from kewcore_export.rewrites.settings import rewrite_settings
    from kewcore_export.search.budget import budget_of
    from kewcore_export.search.settings import DEFAULT_TIME_LIMIT_S, SearchSettings
    from kewcore_export.targets import parse_target

    if all_modes and quantize:
        raise UsageError("--all-modes and --quantize exclude each other", hint="leave one of them out")
    modes = known.all_modes() if all_modes else known.parse_modes(quantize or ["fp16"])
    oldest = parse_target(deployment_target) if deployment_target else None
    rewrites = rewrite_settings(target, min_chip, enable=enable_rewrite or (), disable=disable_rewrite or ())
    given = {
        "--calibration": calibration is not None,
        "--calibration-images": calibration_images is not None,
        "--calibrate-method": calibrate_method is not None,
        "--symmetric-activations": symmetric_activations,
        "--keep-float": keep_float > 0,
        "--max-drop": max_drop is not None,
        "--min-agreement": min_agreement is not None,
        "--max-size": max_size is not None,
        "--time-limit": time_limit is not None,
        "--finetune-epochs": finetune_epochs is not None,
    }
    check_fit(
        given,
        w8a8=any(mode.quantizes_activations for mode in modes),
        auto=any(mode.searches for mode in modes),
        finetune=finetune,
    )
    method = calibrate_method or "mse"
    settings = CalibrationSettings(calibration, calibration_images, method, symmetric_activations, keep_float)
    limit_s = DEFAULT_TIME_LIMIT_S if time_limit is None else 60 * time_limit
    search = SearchSettings(budget_of(max_drop, min_agreement, max_size), limit_s, calibration)
    learning = FinetuneSettings(finetune_epochs or DEFAULT_EPOCHS, folder=calibration, cache=CACHE)
    if not runs:
        runs = newest_runs()
        say(f"exporting the newest runs: {', '.join(str(run) for run in runs)}")
    packages = [
        package
        for run in runs
        for package in export_run(
            run,
            modes,
            out,
            deployment_target=oldest,
            rewrites=rewrites,
            calibration=settings,
            search=search,
            finetune=learning if finetune else None,
            force=force,
        )
    ]
    for package in packages:
        if package.unchanged:
            say(f"unchanged {package.path}: it was made from the same run and settings; --force writes it again")
    report_written(artefact for package in packages if not package.unchanged for artefact in package.artefacts)
    searched = {one.path.stem: one.sidecar.search for one in packages if one.sidecar.search is not None}
    if json:
        print_json("export", {"packages": [package_json(package) for package in packages]})
        _exit_where_missed(missed_budgets(searched))
        return
    print_packages(packages)
    if any(package.sidecar.run.stand_in for package in packages):
        say("trained on a stand-in for the real data set: figures speak of the road, not of real photographs")
    _exit_where_missed(missed_budgets(searched))


def _exit_where_missed(missed: list[str]) -> None:
    """A search whose choice did not hold on unseen images is a check that failed."""
    from kewcore.errors import CheckFailedError

    if missed:
        raise CheckFailedError(
            "; ".join(missed),
            hint="the packages are written; search again with a tighter bound, or take a larger one of the table",
        )
