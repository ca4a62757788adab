"""`kewcore verify`: is a package still what was exported, and does it answer as it did?"""

from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.options import Json, Quiet, Verbose


def verify(
    packages: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PACKAGES", help="Packages to check.", show_default="all in the folder packages"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Checks every file of packages against their sidecars, then runs their golden inputs.

    Needs neither TensorFlow nor coremltools. Exit code 1 if anything differs.

    Example: `kewcore verify packages/KewCNN-original-int8.mlpackage`
    """
    from kewcore.cli.output import print_json, print_table
    from kewcore.console import progress, say
    from kewcore.errors import CheckFailedError, PackageError
    from kewcore_export.verification import Verification, packages_in, verify_package

    if not packages:
        packages = packages_in(Path("packages"))
        say(f"verifying {len(packages)} in 'packages'")
    results = []
    with progress("verifying", len(packages), "packages") as advance:
        for package in packages:
            try:
                results.append(verify_package(package))
            except PackageError as unreadable:
                if len(packages) == 1:
                    raise
                # The others are looked at still.
                results.append(Verification(package, 0, 0, None, (unreadable.message,)))
            advance(1, package.name)
    if json:
        rows = [
            {
                "package": str(result.package),
                "files": result.files,
                "golden_cases": result.golden_cases,
                "largest_difference": result.largest_difference,
                "problems": list(result.problems),
            }
            for result in results
        ]
        print_json("verify", {"sound": not any(result.problems for result in results), "packages": rows})
    else:
        table = [
            [
                result.package.name,
                str(result.files),
                str(result.golden_cases),
                "-" if result.largest_difference is None else f"{result.largest_difference:.1e}",
                "; ".join(result.problems) or "sound",
            ]
            for result in results
        ]
        print_table("", ["package", "files", "golden cases", "largest |Δp|", "verdict"], table, left=(0, 4))
    damaged = [result for result in results if result.problems]
    if damaged:
        error = CheckFailedError(
            f"{len(damaged)} of {len(results)} packages are not what was exported",
            hint="export them again: kewcore export --force",
        )
        for result in damaged:
            for problem in result.problems:
                error.add_note(f"{result.package}: {problem}")
        raise error
