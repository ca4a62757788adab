"""`kewcore data`: making, fetching, splitting and describing datasets."""

from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.options import Json, Quiet, Seed, Verbose

data = typer.Typer(
    name="data", no_args_is_help=True, help="Make the sample set; fetch Kew-MNIST; split, balance and describe folders."
)


@data.command("sample")
def sample(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")] = Path("data/sample"),
    images: Annotated[int, typer.Option("--images", min=12, help="Images in the training part.")] = 160,
    seed: Seed = 7,
    sheet: Annotated[bool, typer.Option("--sheet", help="Write a contact sheet beside the folder, as PNG.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Makes the built-in sample set: drawings of six classes, a stand-in for Kew-MNIST that needs no network.

    Example: `kewcore data sample --images 320 --sheet`
    """
    from kewcore.artefacts import describe
    from kewcore.cli.output import print_json, print_table, report_written
    from kewcore.console import say
    from kewcore.data.sample.make import NOTICE, make_sample_set
    from kewcore.data.sample.sheet import write_contact_sheet

    summary = make_sample_set(out, seed=seed, images=images)
    written = [] if summary.reused else [describe(out)]
    if sheet:
        rows = {
            name: (sorted((out / "train" / name).glob("*.jpg")), sorted((out / "synthetic" / name).glob("*.jpg")))
            for name in summary.counts["train"]
        }
        written.append(write_contact_sheet(out.with_name(f"{out.name}-sheet.png"), rows))
    if summary.reused:
        say(f"'{out}' holds this set already; nothing drawn")
    say(NOTICE)
    report_written(written)
    if json:
        artefacts = [{"path": str(a.path), "size_bytes": a.size_bytes, "sha256": a.sha256} for a in written]
        print_json(
            "sample",
            {"root": str(out), "stand_in": True, "seed": seed, "reused": summary.reused, "counts": summary.counts}
            | {"artefacts": artefacts},
        )
        return
    parts = list(summary.counts)
    table = [[name, *(str(summary.counts[part][name]) for part in parts)] for name in summary.counts["train"]]
    table.append(["total", *(str(sum(summary.counts[part].values())) for part in parts)])
    print_table("Sample set (a stand-in for Kew-MNIST)", ["class", *parts], table)
