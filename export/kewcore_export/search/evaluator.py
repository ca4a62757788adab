"""Candidates of a search, made and run: a package is written, its last layer fitted again, and its answers measured."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore.ane.chips import Chip
from kewcore.ane.cost import estimate_for
from kewcore.parity.snr import mean_kl_nats
from kewcore.runtime import PackageClassifier, load
from kewcore_export.activations.execution import Watched, over_images
from kewcore_export.compressed_program import CompressedProgram, compress_program, write_program
from kewcore_export.compression import ConstantPlan, FormChoice
from kewcore_export.conversion import ConvertedProgram
from kewcore_export.forms import FLOAT16, WeightForm
from kewcore_export.low_rank import factor_names
from kewcore_export.program import StoredConstant, main_block
from kewcore_export.search.figures import Figures, measured_figures
from kewcore_export.search.head import find_head, fitted_head, softmax, with_head, with_head_bias
from kewcore_export.search.tail import Tail, flat, leads_alone
from kewcore_export.targets import Target

Pixels = NDArray[np.uint8]

ALONE_IMAGES = 128
"""Images on which a form of one weight is judged, and as many others that the last layer is fitted to."""


@dataclass(frozen=True)
class LabelledImages:
    """Images with what the reference says of them.

    Attributes:
        pixels: uint8 `[N, H, W]`.
        labels: int64 `[N]`.
        reference: Probabilities of the reference, float32 `[N, C]`.
        views: How many views of each image there are among them, one view of all images after the other.
    """

    pixels: Pixels
    labels: NDArray[np.int64]
    reference: NDArray[np.float32]
    views: int = 1


@dataclass(frozen=True)
class Ran:
    """A candidate that was run.

    Attributes:
        figures: Its answers beside the reference's.
        size_bytes: Of its package.
        estimated_ms: Estimated latency on the Neural Engine; None where parts of it would run elsewhere.
    """

    figures: Figures
    size_bytes: int
    estimated_ms: float | None


class Evaluator:
    """Makes and runs candidates of one converted program.

    Args:
        program: The 16-bit program, with the interface and metadata that packages are to have.
        float32: Values of its constants before rounding.
        target: Deployment target of all candidates.
        chip: Whose Neural Engine latencies are estimated for.
        images: What candidates are judged on.
        fit_pixels: Images that the last layer is fitted to, uint8 `[N, H, W]`; none of them is among `images`.

    Raises:
        UnsupportedError: The network does not end in a Dense layer.
    """

    def __init__(
        self,
        program: ConvertedProgram,
        float32: Mapping[str, NDArray[np.float32]],
        target: Target,
        chip: Chip,
        images: LabelledImages,
        fit_pixels: Pixels,
    ) -> None:
        program = replace(program, model=with_head_bias(program.model, program.constants, images.reference.shape[1]))
        self._program, self._float32, self._target = program, float32, target
        self._chip, self._images, self._fit_pixels = chip, images, fit_pixels
        self._head = head = find_head(program.model, program.constants, images.reference.shape[1])
        self._moments: dict[str, NDArray[np.float64]] = {}
        self._known: dict[tuple[str, WeightForm], ConstantPlan] = {}
        self._plain = self._compressed({})
        self._known = {(plan.constant.name, plan.form): plan for plan in self._plain.plans}
        self._logits = self._run(self._plain, head.logits, fit_pixels)
        self._weight = float32[head.weight.name].reshape(head.weight.shape[:2])
        features = self._run(self._plain, head.features, fit_pixels[:1])
        # What is left of the logits; a program may hold a bias in either of two places.
        self._bias: NDArray[np.float32] = (self._logits[:1] - features @ self._weight.T)[0]
        self._reaching: dict[str, list[NDArray[Any]]] = {}

    @property
    def head_weight(self) -> str:
        """Name of the last layer's weight."""
        return self._head.weight.name

    def alone(self, weight: StoredConstant, form: WeightForm) -> tuple[int, float]:
        """Runs a weight in a form, all others in floating point.

        The network runs from the operation of that weight on, where all paths lead through it; what reaches it is the
        same for all forms.

        Returns:
            What the weight takes in bytes, and the mean Kullback-Leibler divergence from the reference in nats, with
            the last layer fitted again.
        """
        candidate = self._compressed({weight.name: form})
        start = _operand(self._program.model, weight)
        fitted = len(self._fit_pixels[:ALONE_IMAGES])
        if weight.name == self._head.weight.name:
            logits = self._tail_values(candidate, start, self._head.logits)[fitted:]
        else:
            features = self._tail_values(candidate, start, self._head.features)
            new_weight, bias = fitted_head(self._weight, self._bias, features[:fitted], self._logits[:fitted])
            logits = features[fitted:] @ new_weight.T + bias
        names = factor_names(weight.name)
        size = sum(one.size_bytes for one in candidate.plans if one.constant.name in names)
        return size, mean_kl_nats(self._images.reference[: len(logits)], softmax(logits))

    def candidate(self, forms: Mapping[str, WeightForm]) -> CompressedProgram:
        """Makes a candidate, its last layer fitted to all images for that.

        Args:
            forms: By the name of the weight; weights that are not named stay floating point.
        """
        candidate = self._compressed(forms)
        features = self._run(candidate, self._head.features, self._fit_pixels)
        return with_head(candidate, self._head, *fitted_head(self._weight, self._bias, features, self._logits))

    def run(self, candidate: CompressedProgram, images: LabelledImages | None = None) -> Ran:
        """Runs a candidate as the package that it would be.

        Args:
            candidate: The candidate.
            images: What to judge it on; None takes the images of the search.
        """
        images = images or self._images
        with TemporaryDirectory(prefix="kewcore-search-") as folder:
            package = Path(folder) / "candidate.mlpackage"
            write_program(candidate, package)
            answers = PackageClassifier(package).probabilities(images.pixels)
            size_bytes = sum(file.stat().st_size for file in package.rglob("*") if file.is_file())
            estimate = estimate_for(load(package, "reference"), self._chip)
        figures = measured_figures(images.reference, answers, images.labels, images.views)
        return Ran(figures, size_bytes, estimate.estimated_ms if estimate.is_complete else None)

    def _compressed(self, forms: Mapping[str, WeightForm]) -> CompressedProgram:
        chosen = {one.name: FormChoice(forms.get(one.name, FLOAT16)) for one in self._program.constants}
        mixed = {name for name, form in forms.items() if form.input_rank}
        moments = {one.name: self._moment(one) for one in self._program.constants if one.name in mixed}
        return compress_program(self._program, self._float32, chosen, self._target, self._known, moments)

    def _moment(self, weight: StoredConstant) -> NDArray[np.float64]:
        """Second moment of the channels that reach a weight, float64 `[C_in, C_in]`."""
        if weight.name not in self._moments:
            start = _operand(self._program.model, weight)
            total = np.zeros((weight.shape[1], weight.shape[1]))
            positions = 0
            for value in self._watched(self._plain, start, self._fit_pixels[:ALONE_IMAGES]):
                rows = value.astype(np.float64).reshape(weight.shape[1], -1)
                total += rows @ rows.T
                positions += rows.shape[1]
            self._moments[weight.name] = total / positions
        return self._moments[weight.name]

    def _run(self, candidate: CompressedProgram, name: str, pixels: Pixels) -> NDArray[np.float32]:
        """Runs images up to a value; float32 `[N, elements]`."""
        return np.stack([flat(values) for values in self._watched(candidate, name, pixels)])

    def _tail_values(self, candidate: CompressedProgram, start: str, name: str) -> NDArray[np.float32]:
        pixels = np.concatenate([self._fit_pixels[:ALONE_IMAGES], self._images.pixels[:ALONE_IMAGES]])
        with TemporaryDirectory(prefix="kewcore-search-") as folder:
            package = Path(folder) / "candidate.mlpackage"
            write_program(candidate, package)
            function = load(package).function
            if not leads_alone(function, start, (name,)):
                return self._run(candidate, name, pixels)
            if start not in self._reaching:
                self._reaching = {start: self._watched(self._plain, start, pixels)}  # those of one weight at a time
            tail = Tail(function, start, (name,))
            return np.stack([flat(tail.values(given)[name]) for given in self._reaching[start]])

    def _watched(self, candidate: CompressedProgram, name: str, pixels: Pixels) -> list[NDArray[Any]]:
        with TemporaryDirectory(prefix="kewcore-search-") as folder:
            package = Path(folder) / "candidate.mlpackage"
            write_program(candidate, package)
            model = load(package)
            watched = Watched(model.function, model.interface, (name,))
            return [values[name] for values in over_images(watched, pixels)]


def _operand(model: Any, weight: StoredConstant) -> str:
    """Names what the first operation that reads a weight multiplies with it."""
    operation = next(
        one
        for one in main_block(model).operations
        if any(binding.name == weight.name for argument in one.inputs.values() for binding in argument.arguments)
    )
    return str(operation.inputs["x"].arguments[0].name)
