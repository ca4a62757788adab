"""A converted program with a form for each of its weights: factorised, compressed, written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore_export.compression import ConstantPlan, FormChoice, compress
from kewcore_export.conversion import ConvertedProgram
from kewcore_export.forms import INT8, WeightForm
from kewcore_export.low_rank import (
    Ranks,
    largest_input_rank,
    largest_output_rank,
    largest_useful_rank,
    with_low_rank,
)
from kewcore_export.package import MODEL_FILE, write_package
from kewcore_export.program import StoredConstant, main_block, with_weights
from kewcore_export.quantizers.compressed import RoundedWeight, StoredWeight
from kewcore_export.targets import Target
from kewcore_export.tensor_values import set_small_tensor


@dataclass(frozen=True)
class CompressedProgram:
    """A program that is ready to be written.

    Attributes:
        model: Protobuf `Model` with uncompressed constants.
        source: Weights file of those that stay as converted.
        plans: What becomes of each constant.
        float32: Their values before any rounding, by name; of a weight of low rank those of its two factors.
        target: Deployment target.
    """

    model: Any
    source: Path
    plans: tuple[ConstantPlan, ...]
    float32: Mapping[str, NDArray[np.float32]]
    target: Target


def compress_program(
    program: ConvertedProgram,
    float32: Mapping[str, NDArray[np.float32]],
    choices: Mapping[str, FormChoice],
    target: Target,
    known: Mapping[tuple[str, WeightForm], ConstantPlan] = MappingProxyType({}),
    moments: Mapping[str, NDArray[np.float64]] = MappingProxyType({}),
) -> CompressedProgram:
    """Compresses every constant of a program.

    Args:
        program: The program.
        float32: Values of its constants before rounding.
        choices: The form of each constant, by its name. A rank at which factors would save nothing, or of a
            weight that several operations read, is passed over.
        target: Deployment target.
        known: Plans by constant and form, from another call with the same values and target; they are not made again.
        moments: Second moments of what reaches weights that are cut along their input channels, by the name of the
            constant, float64 `[C_in, C_in]`; without one, channels count alike.
    """
    choices = {constant.name: _useful(choices[constant.name], constant) for constant in program.constants}
    forms = {name: choice.form for name, choice in choices.items() if choice.form.rank}
    ranks = {name: Ranks(form.rank, form.input_rank) for name, form in forms.items()}
    factorised = with_low_rank(program.model, program.constants, float32, ranks, moments)
    plans, origins = [], factorised.origins
    largest = {origins.get(one.name, ""): one.name for one in sorted(factorised.constants, key=lambda one: one.size)}
    for constant in factorised.constants:
        origin = origins.get(constant.name)
        choice = choices[origin or constant.name]
        if origin is not None:
            choice = _of_factor(choice.form, constant.name == largest[origin])
        plan = known.get((constant.name, choice.form))
        plans.append(plan or compress(constant, factorised.float32[constant.name], choice, target))
    return CompressedProgram(factorised.model, program.weights, tuple(plans), factorised.float32, target)


def with_stored(program: CompressedProgram, stored: Mapping[str, StoredWeight]) -> CompressedProgram:
    """Puts other values of the same forms into a compressed program.

    Args:
        program: The program.
        stored: By the name of the constant. One too small for the weights file, a short bias, is a `RoundedWeight`.
    """
    plans = tuple(replace(plan, compressed=stored.get(plan.constant.name, plan.compressed)) for plan in program.plans)
    in_file = {plan.constant.name for plan in plans}
    copy = type(program.model)()
    copy.CopyFrom(program.model)
    for operation in main_block(copy).operations:
        name = operation.outputs[0].name if operation.outputs else ""
        weight = stored.get(name)
        if isinstance(weight, RoundedWeight) and name not in in_file:
            operation.attributes["val"].Clear()
            set_small_tensor(operation.attributes["val"], weight.values)
    return replace(program, model=copy, plans=plans)


def write_program(program: CompressedProgram, package: Path) -> Any:
    """Writes a package.

    Args:
        program: What to write.
        package: The folder to create.

    Returns:
        The protobuf `Model` as read back.
    """
    compressed = {plan.constant.name: plan.compressed for plan in program.plans if plan.compressed is not None}
    write_package(
        package, lambda weights: with_weights(program.model, program.source, compressed, program.target, weights)
    )
    return type(program.model).FromString((package / MODEL_FILE).read_bytes())


def _useful(choice: FormChoice, constant: StoredConstant) -> FormChoice:
    form = choice.form
    if form.rank and constant.readers > 1:
        return FormChoice(form.factor, f"{constant.readers} operations read it; factors take the place of one")
    if form.input_rank > largest_input_rank(constant):
        return FormChoice(form.factor, f"{form.input_rank} mixtures of its input channels would save nothing")
    if form.input_rank and form.rank > (most := largest_output_rank(constant, form.input_rank)):
        return FormChoice(form.factor, f"so few mixtures of its input channels leave a rank of {most} at most")
    if form.rank <= largest_useful_rank(constant):
        return choice
    return FormChoice(form.factor, f"factors of rank {form.rank} would have no fewer elements than the weight")


def _of_factor(form: WeightForm, largest: bool) -> FormChoice:
    """Gives the form of one factor. Those beside the largest hold little, and their errors spread over all of it."""
    reason = f"a factor of {form}"
    if largest or (form.bits >= 8 and not form.sparsity and form.vector == 1):
        return FormChoice(form.factor, reason)
    return FormChoice(INT8, f"{reason}; int8, as it is not the largest")
