"""`kewcore doctor`: what is installed, what this machine can do, and whether TensorFlow's GPU plugin computes right."""

from dataclasses import dataclass
from typing import Annotated

import typer

from kewcore.cli.options import Json, Quiet, Verbose


@dataclass(frozen=True)
class Ability:
    """Something that this machine can or cannot do, and why."""

    what: str
    possible: bool
    why: str


def doctor(
    fast: Annotated[
        bool, typer.Option("--fast", help="Do not import TensorFlow: no devices, no numeric check.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Shows versions and devices, says what works here, and checks TensorFlow's GPU against the CPU.

    Ends with 1 when a required library is missing or a GPU computes wrongly.

    Example: `kewcore doctor --json`
    """
    from dataclasses import asdict
    from math import isfinite

    from kewcore.cli.output import print_json, print_table
    from kewcore.errors import CheckFailedError
    from kewcore.models.device_check import check_devices
    from kewcore.training.provenance import host, installed

    libraries = installed()
    checks = [] if fast or "tensorflow" not in libraries else check_devices()
    abilities = _abilities(libraries)
    if json:
        # JSON has no NaN, which a broken GPU may well give.
        devices = [
            {**asdict(c), "max_error": c.max_error if isfinite(c.max_error) else None, "passed": c.passed}
            for c in checks
        ]
        found = {"host": host(), "libraries": libraries, "abilities": [asdict(a) for a in abilities]}
        print_json("doctor", {**found, "devices": devices})
    else:
        print_table(f"Versions on {host()}", ["library", "version"], list(libraries.items()), left=2)
        rows = [[one.what, "yes" if one.possible else "no", one.why] for one in abilities]
        print_table("What this machine can do", ["task", "here", "why"], rows, left=3)
        if checks:
            rows = [[c.device, c.check, f"{c.max_error:.1e}", f"{c.bound:.0e}", c.verdict] for c in checks]
            print_table(
                "TensorFlow against NumPy", ["device", "check", "error", "bound", "verdict"], rows, left=(0, 1, 4)
            )
    if wrong := [c for c in checks if not c.passed]:
        raise CheckFailedError(
            f"TensorFlow computes wrongly on {', '.join(sorted({c.device for c in wrong}))}",
            hint="hide that device before training: see docs/macos.md",
        )
    if missing := [one.what for one in abilities if not one.possible and one.what == "inspect, verify, predict"]:
        raise CheckFailedError(f"cannot {missing[0]}: a library is missing", hint="pip install kewcore")


def _abilities(libraries: dict[str, str]) -> list[Ability]:
    import sys

    from kewcore.runtime.native import kernels

    def needs(what: str, *names: str, why: str = "") -> Ability:
        missing = [name for name in names if name not in libraries]
        return Ability(what, not missing, f"not installed: {', '.join(missing)}" if missing else why)

    on_mac = sys.platform == "darwin"
    return [
        needs("train, evaluate runs", "tensorflow", "keras"),
        needs("export", "tensorflow", "coremltools"),
        needs("inspect, verify, predict", "numpy", "pillow", "onnx", "onnxruntime", "protobuf"),
        needs("bench, report", "tensorflow", "onnxruntime", "matplotlib", "jinja2", "scikit-learn"),
        Ability("run packages on kewcore's own kernels", kernels()[0] is not None, kernels()[1]),
        Ability(
            "measure on the Neural Engine",
            on_mac and "coremltools" in libraries,
            "through Core ML" if on_mac else "only Apple's systems have it; latencies here are this host's",
        ),
    ]
