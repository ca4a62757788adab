"""The typer app: which commands there are, in the order of the main job."""

import typer

from kewcore.cli.bare_gate import BareGate
from kewcore.cli.bare_quantize import BareQuantize
from kewcore.cli.bench import bench
from kewcore.cli.commands import Commands
from kewcore.cli.data import data
from kewcore.cli.doctor import doctor
from kewcore.cli.embed import embed
from kewcore.cli.evaluate import evaluate
from kewcore.cli.export import export
from kewcore.cli.inspect import inspect
from kewcore.cli.onnx import onnx
from kewcore.cli.predict import predict
from kewcore.cli.quickstart import quickstart
from kewcore.cli.report import report
from kewcore.cli.serve import serve
from kewcore.cli.train import train
from kewcore.cli.verify import verify

app = typer.Typer(
    name="kewcore",
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Train image classifiers, export them quantised for the Apple Neural Engine, and prove parity off a Mac.",
    epilog="The main job in three words: `kewcore train && kewcore export --quantize && kewcore bench`",
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True)) -> None:
    if version:
        from kewcore import __version__

        print(f"kewcore {__version__}")
        raise typer.Exit


app.add_typer(data, name="data")
app.command("quickstart")(quickstart)
app.command("train")(train)
app.command("evaluate")(evaluate)
app.command("export", cls=BareQuantize)(export)
app.command("bench", cls=BareGate)(bench)
app.command("report")(report)
app.command("inspect")(inspect)
app.command("onnx")(onnx)
app.command("predict")(predict)
app.command("verify")(verify)
app.command("embed")(embed)
app.command("serve")(serve)
app.command("doctor")(doctor)
