"""`kewcore inspect --ane`: what of a package the Neural Engine can run, by rules, chip by chip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kewcore.cli.inspect_ane_cost import print_costs, print_totals
from kewcore.cli.inspect_ane_tables import percent, print_activations, print_plan, print_residency
from kewcore.cli.output import print_json

if TYPE_CHECKING:
    from kewcore.ane.activation_ranges import ValueRange
    from kewcore.ane.chips import Chip
    from kewcore.ane.compute_plan import Comparison, ComputePlan
    from kewcore.ane.cost import Estimate
    from kewcore.ane.residency import Residency
    from kewcore.runtime.model import Model

DEFAULT_IMAGES = 4


@dataclass(frozen=True)
class AneOptions:
    """What `--ane` was given.

    Attributes:
        chips: Names, or `all`.
        min_chip: The oldest chip, in place of names.
        require_resident: Least share of the multiply-adds on the engine, on every chip.
        data: Folder of images to check activations on; None takes the package's golden images.
        images: How many of them; 0 leaves the check out, None takes `DEFAULT_IMAGES`.
        plan: A compute plan that was made on a device.
        cost: Whether to print what each operation is estimated to cost.
    """

    chips: tuple[str, ...]
    min_chip: str | None
    require_resident: float | None
    data: Path | None
    images: int | None
    plan: Path | None
    cost: bool = False


@dataclass(frozen=True)
class _Activations:
    """Ranges of values, and the images that gave them."""

    rows: "tuple[ValueRange, ...]"
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Plan:
    """Core ML's plan beside the verdicts on one chip."""

    plan: "ComputePlan"
    chip: str
    rows: "tuple[Comparison, ...]"


def inspect_ane(package: Path, function: str | None, options: AneOptions, *, as_json: bool) -> None:
    """Prints the report.

    Raises:
        UsageError: A chip or a share makes no sense.
        CheckFailedError: Less than `require_resident` of the multiply-adds is on the engine.
    """
    from kewcore.ane.compute_plan import read_plan
    from kewcore.ane.core_ml_plan import core_ml_plan
    from kewcore.ane.cost import estimate
    from kewcore.ane.residency import residency
    from kewcore.console import say
    from kewcore.runtime import load

    chips = _chips(options)
    _check_share(options.require_resident)
    imported = read_plan(options.plan) if options.plan is not None else None
    model = load(package, "reference", function_name=function)  # nothing is started until activations are asked for
    report = residency(model, chips)
    estimates = [estimate(report, one) for one in report.chips]
    activations = _activations(package, model, options)
    plan = _compared(model, report, imported or core_ml_plan(package, model.function.name))
    if as_json:
        print_json("residency", _as_json(package, model, report, estimates, activations, plan))
    else:
        print_residency(package, report)
        print_totals(estimates)
        if options.cost:
            print_costs(report, estimates[0])
            if estimates[1:]:
                say(f"the operations' costs are those on {estimates[0].chip}; --chip chooses another")
        if activations is not None:
            print_activations(report, activations.rows, activations.files)
        if plan is not None:
            print_plan(plan.plan, plan.chip, plan.rows)
    _require(report, options.require_resident)


def check_fit(options: AneOptions, *, ane: bool, plain: Mapping[str, bool]) -> None:
    """Refuses options that mean nothing without `--ane`, and those that mean nothing with it.

    Args:
        options: What belongs to `--ane`.
        ane: Whether it was given.
        plain: Options of the plain report by name, and whether they were given.

    Raises:
        UsageError: One of them was given.
    """
    from kewcore.errors import UsageError

    if ane:
        for name, given in plain.items():
            if given:
                raise UsageError(f"{name} does not go with --ane", hint="leave one of them out")
        return
    needing = {
        "--chip": options.chips,
        "--min-chip": options.min_chip,
        "--require-resident": options.require_resident is not None,
        "--data": options.data,
        "--images": options.images is not None,
        "--import": options.plan,
        "--cost": options.cost,
    }
    for name, value in needing.items():
        if value:
            raise UsageError(f"{name} needs --ane", hint="add --ane, or leave it out")


def _chips(options: AneOptions) -> "tuple[Chip, ...]":
    from kewcore.ane.chips import CHIPS, chips_from, parse_chip
    from kewcore.errors import UsageError

    if options.min_chip is not None:
        if options.chips:
            raise UsageError("--chip and --min-chip exclude each other", hint="leave one of them out")
        return chips_from(parse_chip(options.min_chip))
    if not options.chips or [name.casefold() for name in options.chips] == ["all"]:
        return CHIPS
    named = {parse_chip(name) for name in options.chips}
    return tuple(chip for chip in CHIPS if chip in named)


def _check_share(share: float | None) -> None:
    from kewcore.errors import UsageError

    if share is not None and not 0 <= share <= 1:
        raise UsageError(f"--require-resident must be a share in 0…1, got {share:g}")


def _activations(package: Path, model: "Model", options: AneOptions) -> _Activations | None:
    """Runs images, and looks at what fp16 does to their values; None where there are none to run."""
    from kewcore.ane.activation_ranges import activation_ranges
    from kewcore.ane.sample_images import image_feature, image_files, image_inputs
    from kewcore.console import progress, say
    from kewcore.errors import UnsupportedError
    from kewcore.runtime.loading import with_executor

    golden = package.with_suffix(".golden")
    folder = options.data or (golden if golden.is_dir() else None)
    count = DEFAULT_IMAGES if options.images is None else options.images
    if count == 0:
        return None
    if folder is None:
        say("the range of activations is not checked: no golden images lie beside the package; give --data DIR")
        return None
    try:
        image_feature(model)
    except UnsupportedError as unfit:
        if options.data is not None:
            raise
        say(f"the range of activations is not checked: {unfit.message}")
        return None
    files = image_files(folder, count)
    typed, unrounded = with_executor(model), with_executor(model, precision="fp32")
    with progress("running", len(files)) as advance:
        rows = activation_ranges(typed, unrounded, image_inputs(typed, files), advance)
    return _Activations(rows, files)


def _compared(model: "Model", report: "Residency", plan: "ComputePlan | None") -> _Plan | None:
    """Sets a plan beside the verdicts on the chip that it was made on, else on the first of the report's."""
    from kewcore.ane.chips import parse_chip
    from kewcore.ane.compute_plan import compare
    from kewcore.ane.residency import residency
    from kewcore.errors import UsageError

    if plan is None:
        return None
    try:
        chip = parse_chip(plan.chip)
    except UsageError:
        chip = report.chips[0].chip
    judged = residency(model, [chip])
    return _Plan(plan, chip.name, compare(judged.calls, judged.chips[0].judgements, plan))


def _require(report: "Residency", share: float | None) -> None:
    from kewcore.errors import CheckFailedError

    if share is None:
        return
    short = [one for one in report.chips if one.resident_multiply_adds < share]
    if short:
        error = CheckFailedError(
            f"less than {percent(share)} of the multiply-adds can run on the Neural Engine of "
            f"{', '.join(one.chip.name for one in short)}",
            hint="the report lists what stays off it; kewcore export --target ane rewrites what it can",
        )
        for one in short:
            error.add_note(f"{one.chip.name}: {percent(one.resident_multiply_adds)}")
        raise error


def _as_json(
    package: Path,
    model: "Model",
    report: "Residency",
    estimates: "Sequence[Estimate]",
    activations: _Activations | None,
    plan: _Plan | None,
) -> dict[str, Any]:
    from kewcore.ane.cost_json import estimates_json
    from kewcore.ane.residency_json import comparison_json, ranges_json, residency_json

    return {
        "package": str(package),
        "function": model.function.name,
        **residency_json(report),
        "estimates": estimates_json(estimates),
        "activations": None
        if activations is None
        else ranges_json(report, activations.rows, list(map(str, activations.files))),
        "compute_plan": None if plan is None else comparison_json(plan.plan, plan.chip, plan.rows),
    }
