"""`kewcore onnx`: a package as an ONNX model."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kewcore.cli.options import Json, Quiet, Verbose


class PrecisionName(StrEnum):
    """What `--precision` takes; see kewcore.runtime.load."""

    TYPED = "typed"
    FP32 = "fp32"


def onnx(
    package: Annotated[
        Path | None, typer.Argument(metavar="PACKAGE", help="The package.", show_default="the newest in ./packages")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The file to write.", show_default="the package's name, .onnx"),
    ] = None,
    precision: Annotated[
        PrecisionName, typer.Option("--precision", help="Round fp16-typed values to fp16 as the device does, or not.")
    ] = PrecisionName.TYPED,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Writes a package as an ONNX model, for Netron and other runtimes.

    The model is checked by onnx.checker with full shape inference, and run in plain ONNX Runtime against the package in
    the reference executor, before it is written.

    Example: `kewcore onnx packages/KewCNN-original-int8.mlpackage --out KewCNN.onnx`
    """
    from kewcore.artefacts import write_bytes
    from kewcore.cli.output import print_json, print_table, report_written
    from kewcore.console import say
    from kewcore.runtime.onnx_file import agreement_with_reference, checked_target, onnx_model
    from kewcore_bench.candidates import newest_package

    if package is None:
        package = newest_package()
        say(f"writing {package} as ONNX")
    target = checked_target(out or package.with_suffix(".onnx"), overwrite=force)
    content = onnx_model(package, precision=precision.value)
    rows = agreement_with_reference(package, content, precision=precision.value)
    written = write_bytes(target, content)
    if json:
        outputs = [
            {"name": row.name, "largest_difference": row.largest_difference, "snr_db": row.finite_snr_db}
            for row in rows
        ]
        file = {"path": str(written.path), "size_bytes": written.size_bytes, "sha256": written.sha256}
        print_json("onnx", {"package": str(package), "file": file, "outputs": outputs})
        return
    table = [[row.name, f"{row.largest_difference:.1e}", f"{row.snr_db:.1f}"] for row in rows]
    print_table(
        "ONNX Runtime against the package in the reference executor, on one random input",
        ["output", "largest difference", "SNR (dB)"],
        table,
        left=1,
    )
    report_written([written])
