"""A compressed program as a student, with the weights that a package of it decodes to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from kewcore.runtime import load
from kewcore.runtime.evaluation import Context, evaluate, is_constant
from kewcore.runtime.program import Function
from kewcore_export.compressed_program import CompressedProgram, write_program
from kewcore_export.compression import ConstantPlan
from kewcore_export.finetune.forms import trainable
from kewcore_export.finetune.parameters import FloatForm, TrainableForm, Values
from kewcore_export.finetune.student import Student


@dataclass(frozen=True)
class OpenedStudent:
    """A student and the weights that it starts with.

    Attributes:
        student: The network.
        program: What it was made from.
        weights: float32 by name, as a package decodes them.
    """

    student: Student
    program: CompressedProgram
    weights: dict[str, Values]

    def coarse(self, originals: Collection[str]) -> frozenset[str]:
        """Names the weights that compression has changed a lot: fewer than 8 bits, zeros, vectors, factors.

        Args:
            originals: Names of the constants before any was factorised.
        """
        plans = [plan for plan in self.program.plans if plan.constant.name in self.weights]
        return frozenset(
            plan.constant.name
            for plan in plans
            if plan.form.bits < 8 or plan.form.sparsity or plan.form.vector > 1 or plan.constant.name not in originals
        )

    def forms(self, names: Sequence[str]) -> dict[str, TrainableForm]:
        """Makes weights trainable in the forms in which they are stored."""
        plans = {plan.constant.name: plan for plan in self.program.plans}
        return {name: self._form(name, plans.get(name)) for name in names}

    def _form(self, name: str, plan: ConstantPlan | None) -> TrainableForm:
        if plan is None or plan.compressed is None:
            return FloatForm(self.weights[name].astype(np.float16))
        return trainable(plan.compressed, self.program.float32[name])


def opened(program: CompressedProgram) -> OpenedStudent:
    """Makes a student of a program.

    Raises:
        UnsupportedError: It is no classifier that ends in a softmax.
    """
    with TemporaryDirectory(prefix="kewcore-finetune-") as folder:
        package = Path(folder) / "student.mlpackage"
        write_program(program, package)
        function = load(package, executor="reference").function
        student = Student(function)
        return OpenedStudent(student, program, decoded_weights(function, student.weights))


def decoded_weights(function: Function, names: Sequence[str]) -> dict[str, Values]:
    """Decodes constants of a program as kewcore's runtime does, float32 by name."""
    values: dict[str, Any] = {}
    context = Context(function.opset, "typed")
    for operation in function.body.operations:
        if is_constant(operation):
            evaluate(operation, context, values)
    return {name: np.asarray(values[name], np.float32) for name in names}
