"""`kewcore inspect`: what is in a package."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kewcore.cli.inspect_ane import DEFAULT_IMAGES, AneOptions, check_fit, inspect_ane
from kewcore.cli.options import Json, Quiet, Verbose
from kewcore.cli.output import human_size, print_json, print_table

if TYPE_CHECKING:
    from kewcore.runtime.model import Model


def inspect(
    package: Annotated[
        Path | None, typer.Argument(metavar="PACKAGE", help="The package.", show_default="the newest in ./packages")
    ] = None,
    ops: Annotated[bool, typer.Option("--ops", help="Every operation, and which executor takes it.")] = False,
    weights: Annotated[bool, typer.Option("--weights", help="Every weight, and how it is stored.")] = False,
    function: Annotated[
        str | None, typer.Option("--function", metavar="NAME", help="Which function of a package that has several.")
    ] = None,
    ane: Annotated[
        bool, typer.Option("--ane", help="What of it the Neural Engine can run, by rules, chip by chip.")
    ] = False,
    chips: Annotated[
        list[str] | None,
        typer.Option(
            "--chip", metavar="NAME", help="With --ane: a chip such as A14 or M2; repeatable.", show_default="all"
        ),
    ] = None,
    min_chip: Annotated[
        str | None, typer.Option("--min-chip", metavar="NAME", help="With --ane: this chip and all later ones.")
    ] = None,
    require_resident: Annotated[
        float | None,
        typer.Option(
            "--require-resident",
            metavar="SHARE",
            help="With --ane: a gate, 0 to 1: exit with 1 where the engine of any of the chips can run less of the "
            "multiply-adds.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="With --ane: images to check the fp16 range of activations on.",
            show_default="the golden images beside the package",
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            "--images",
            metavar="N",
            min=0,
            help="With --ane: how many images; 0 leaves the check out.",
            show_default=str(DEFAULT_IMAGES),
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option("--import", metavar="PLAN.json", help="With --ane: a compute plan that was made on a device."),
    ] = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="With --ane: estimated time of each operation, and what bounds it.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Shows what is in a package: inputs, outputs, labels, operations, and weights with their compression.

    With --ane, shows which operations the Neural Engine can run, why not others, and an estimated latency, without one
    at hand.
    """
    from kewcore.console import say
    from kewcore.runtime import load

    options = AneOptions(tuple(chips or ()), min_chip, require_resident, data, images, plan, cost)
    check_fit(options, ane=ane, plain={"--ops": ops, "--weights": weights})
    if package is None:
        from kewcore_bench.candidates import newest_package

        package = newest_package()
        say(f"inspecting {package}")
    if ane:
        inspect_ane(package, function, options, as_json=as_json)
        return
    model = load(package, function_name=function)
    if as_json:
        print_json("inspection", _as_json(model))
        return
    _print_summary(model)
    if ops:
        _print_ops(model)
    else:
        _print_op_counts(model)
    if weights:
        _print_weights(model)


def _print_summary(model: "Model") -> None:
    from kewcore.runtime.inspection import weight_reports

    reports = weight_reports(model.function)
    stored, dense = sum(r.stored_bytes for r in reports), sum(r.float32_bytes for r in reports)
    metadata = model.metadata
    rows = [
        ("package", f"{model.package.path}  {human_size(model.package.size_bytes)}"),
        ("opset", f"{model.function.opset.ios} (specification {model.package.specification_version})"),
        *_composition(model),
        *(("input", f"{feature.name}: {feature}") for feature in model.inputs),
        *(("output", f"{feature.name}: {feature}") for feature in model.outputs),
        *(("state", f"{feature.name}: {feature}") for feature in model.interface.states),
        *((("labels", ", ".join(map(str, model.class_labels))),) if model.class_labels else ()),
        ("weights", f"{len(reports)}, {human_size(stored)}; {dense / max(stored, 1):.2f} times smaller than float32")
        if reports
        else ("weights", "none"),
        *((name, text) for name, text in _about(metadata) if text),
        *(sorted(metadata.user_defined.items())),
    ]
    print_table("", ("property", "value"), rows, left=2)


def _composition(model: "Model") -> list[tuple[str, str]]:
    """Rows on the parts of a pipeline, and on the functions of a package that has several."""
    parts = [("part", f"{name}: {kind}") for name, kind in _parts(model).items()]
    names = ", ".join(f"{name} (default)" if name == model.package.default_function else name for name in _names(model))
    return [*parts, *([("functions", names)] if len(_names(model)) > 1 else [])]


def _parts(model: "Model") -> dict[str, str]:
    from kewcore.runtime.package import Pipeline

    content = model.package.content
    return {name: part.kind for name, part in content.parts.items()} if isinstance(content, Pipeline) else {}


def _names(model: "Model") -> list[str]:
    return sorted(model.package.interfaces)


def _about(metadata: Any) -> tuple[tuple[str, str], ...]:
    return (
        ("author", metadata.author),
        ("license", metadata.license),
        ("version", metadata.version),
        ("description", metadata.description),
    )


def _print_op_counts(model: "Model") -> None:
    from kewcore.runtime.inspection import op_counts

    rows = [
        (row.type, "; ".join(row.reasons), str(row.count), str(row.onnx), str(row.reference))
        for row in op_counts(model)
    ]
    columns = ("operation", "why not the fast executor", "count", "fast", "reference")
    print_table("Operations, by the executor that takes them", columns, rows, left=2)


def _print_ops(model: "Model") -> None:
    rows = [
        (p.operation.type, p.operation.name, ", ".join(str(o.type) for o in p.operation.outputs), p.executor, p.reason)
        for p in model.placements
    ]
    print_table("Operations", ("operation", "name", "result", "executor", "why"), rows, left=5)


def _print_weights(model: "Model") -> None:
    from kewcore.runtime.inspection import weight_reports

    rows = [
        (
            report.name,
            report.form,
            "x".join(map(str, report.shape)),
            human_size(report.stored_bytes),
            f"{report.bits_per_weight:.2f}",
            f"{report.ratio:.2f}",
            "" if report.sparsity is None else f"{report.sparsity:.1%}",
        )
        for report in weight_reports(model.function)
    ]
    columns = ("weight", "stored as", "shape", "bytes", "bits each", "ratio to float32", "zeros")
    print_table("Weights", columns, rows, left=2)


def _as_json(model: "Model") -> dict[str, Any]:
    from kewcore.runtime.inspection import op_counts, weight_reports

    metadata = model.metadata
    return {
        "path": str(model.package.path),
        "size_bytes": model.package.size_bytes,
        "specification_version": model.package.specification_version,
        "opset": model.function.opset.ios,
        "model_kind": model.package.kind,
        "parts": [{"name": name, "kind": kind} for name, kind in _parts(model).items()],
        "function": model.function.name,
        "functions": _names(model),
        "inputs": [_feature(feature) for feature in model.inputs],
        "outputs": [_feature(feature) for feature in model.outputs],
        "states": [_feature(feature) for feature in model.interface.states],
        "class_labels": None if model.class_labels is None else list(model.class_labels),
        "metadata": {**dict(_about(metadata)), "user_defined": dict(metadata.user_defined)},
        "ops": [
            {
                "type": row.type,
                "count": row.count,
                "onnx": row.onnx,
                "reference": row.reference,
                "reasons": list(row.reasons),
            }
            for row in op_counts(model)
        ],
        "weights": [
            {
                "name": report.name,
                "shape": list(report.shape),
                "dtype": report.dtype,
                "form": report.form,
                "stored_bytes": report.stored_bytes,
                "float32_bytes": report.float32_bytes,
                "bits_per_weight": round(report.bits_per_weight, 4),
                "sparsity": report.sparsity,
            }
            for report in weight_reports(model.function)
        ],
    }


def _feature(feature: Any) -> dict[str, Any]:
    return {
        "name": feature.name,
        "kind": feature.kind.value,
        "shape": list(feature.shape),
        "dtype": feature.dtype.value if feature.dtype else None,
        "colour_space": feature.colour_space,
        "optional": feature.optional,
        "description": feature.description,
    }
