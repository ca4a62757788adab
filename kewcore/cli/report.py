"""`kewcore report`: the report of a bench once more, from its `bench.json`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kewcore.cli.bench import REPORTS_FOLDER
from kewcore.cli.options import Quiet, Verbose

if TYPE_CHECKING:
    from kewcore_bench.result import BenchResult
    from kewcore_bench.stored_result import StoredResult


def report(
    result: Annotated[
        Path | None,
        typer.Argument(
            metavar="RESULT.json", help="A bench.json.", show_default="the newest in ./reports and the folders in it"
        ),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Show the report in the browser.")] = False,
    markdown: Annotated[bool, typer.Option("--md", help="Print Markdown on stdout and write no file.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the report.", show_default="that of RESULT.json"),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Makes the report of a bench again, without measuring anything.

    Figures come from the file; photographs are read again from where they lay then. Where one is gone, the report says
    so in its place.

    Example: `kewcore report --open`
    """
    from kewcore.artefacts import check_writable
    from kewcore.cli.output import report_written
    from kewcore.console import say
    from kewcore.errors import UsageError
    from kewcore_bench.report.page import write_report
    from kewcore_bench.stored_result import read_result
    from kewcore_bench.tables import markdown as as_markdown

    if markdown and (open_browser or out is not None):
        raise UsageError("--md prints text and writes no file", hint="leave out --open and --out, or --md")
    path = result if result is not None else newest_result(REPORTS_FOLDER)
    folder = out if out is not None else path.parent
    if not markdown:
        check_writable(folder)
    if result is None:
        say(f"the newest result: {path}")
    stored = read_result(path)
    if markdown:
        print(as_markdown(stored.result, stored.verdicts), end="")
        return
    page = write_report(_with_pictures(stored), folder / f"{path.stem}.html", stored.verdicts)
    report_written([page])
    print(page.path)
    if open_browser:
        show(page.path)


def newest_result(folder: Path) -> Path:
    """Finds the newest `bench.json` in a folder and the folders directly in it.

    Raises:
        UsageError: There is none.
    """
    from kewcore.errors import UsageError

    found = [path for path in (folder / "bench.json", *folder.glob("*/bench.json")) if path.is_file()]
    if not found:
        raise UsageError(f"there is no bench.json in '{folder}'", hint="run kewcore bench first, or name a file")
    return max(found, key=lambda path: path.stat().st_mtime)


def show(page: Path) -> None:
    """Opens a page in the user's browser; says where it lies when there is none."""
    import webbrowser

    from kewcore.console import warn

    try:
        shown = webbrowser.open(page.resolve().as_uri())
    except webbrowser.Error:
        shown = False
    if not shown:
        warn(f"no browser was found on this machine; open {page.resolve()} yourself")


def _with_pictures(stored: "StoredResult") -> "BenchResult":
    from kewcore.console import warn
    from kewcore_bench.report.pictures import with_pictures

    pictured = with_pictures(stored.result)
    for reason, files in pictured.missing.items():
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        warn(f"the report cannot show '{files[0]}'{more}: {reason}")
    return pictured.result
