"""`kewcore embed`: packages into an app."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kewcore.cli.options import Json, Quiet, Verbose

if TYPE_CHECKING:
    from kewcore_export.embedding import Embedding


def embed(
    into: Annotated[
        Path,
        typer.Option(
            "--into",
            metavar="DIR",
            help="Swift package, folder with an Xcode project, or folder of a target's sources.",
        ),
    ],
    packages: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PACKAGES", help="Packages that kewcore exported.", show_default="the newest package"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="NAME", help="Which target.", show_default="the only one, or the only app"),
    ] = None,
    golden: Annotated[bool, typer.Option("--golden/--no-golden", help="Golden cases too.")] = True,
    only: Annotated[
        bool, typer.Option("--only", help="Remove packages embedded earlier that are not named now.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that were changed since, or that something else wrote.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Copies packages, labels and golden cases into a Swift package or Xcode project.

    Writes the folder KewModels and KewModels.swift, in which models and labels are types. A second run changes nothing.

    Example: `kewcore embed packages/KewCNN-original-int8.mlpackage --into swift_demo`
    """
    from kewcore.cli.output import human_size, print_json, print_table, report_written
    from kewcore.console import say
    from kewcore_bench.candidates import newest_package
    from kewcore_export.embedding import embed_packages

    if not packages:
        packages = [newest_package()]
        say(f"embedding {packages[0]}")
    done = embed_packages(packages, into, target=target, golden=golden, only=only, force=force)
    report_written(done.artefacts)
    if json:
        print_json("embed", _as_json(done))
    else:
        rows = [[one.name, one.state, str(one.files), human_size(one.size_bytes)] for one in done.packages]
        print_table(
            f"{done.place.kind}, target {done.place.name}", ["package", "state", "files", "size"], rows, left=(0, 1)
        )
    if not done.artefacts:
        say("all of it was there already: nothing was written")
    for sentence in done.place.to_do:
        say(f"still to do: {sentence}")


def _as_json(done: "Embedding") -> dict[str, object]:
    place = done.place
    return {
        "kind_of_place": place.kind,
        "target": place.name,
        "folder": str(place.folder),
        "to_do": list(place.to_do),
        "packages": [
            {"name": one.name, "state": one.state, "files": one.files, "size_bytes": one.size_bytes}
            for one in done.packages
        ],
        "artefacts": [
            {"path": str(one.path), "size_bytes": one.size_bytes, "sha256": one.sha256} for one in done.artefacts
        ],
    }
