"""`smallest_program`: searches, then checks the choice on images that the search has not seen."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kewcore import __version__
from kewcore.ane.chips import Chip
from kewcore.ane.published import accuracy_for
from kewcore.console import progress
from kewcore.errors import ExportError
from kewcore.training.run import Run
from kewcore_export.compressed_program import CompressedProgram
from kewcore_export.conversion import ConvertedProgram
from kewcore_export.search.budget import Budget
from kewcore_export.search.evaluator import Evaluator
from kewcore_export.search.figures import Figures
from kewcore_export.search.images import Reference, SearchImages, labelled, pixels_of, search_images
from kewcore_export.search.journal import Journal
from kewcore_export.search.learning import Learn, LearnedT, LearningOutcome, better_by_learning
from kewcore_export.search.record import SearchRecord, TriedRecord
from kewcore_export.search.search import Measured, Outcome, search, search_space
from kewcore_export.search.settings import JUDGEMENT, SearchSettings
from kewcore_export.targets import Target

_MIXED_TRIALS = 12
"""About how many mixes are run after all weights by themselves, for the progress bar."""


def smallest_program(
    run: Run,
    program: ConvertedProgram,
    float32: Mapping[str, NDArray[np.float32]],
    target: Target,
    chip: Chip,
    settings: SearchSettings,
    reference: Reference,
    journal: Path,
    learn: Learn[LearnedT] | None = None,
) -> tuple[CompressedProgram, SearchRecord, LearnedT | None]:
    """Finds the smallest package that keeps a budget.

    Args:
        run: The run that the program came from.
        program: The 16-bit program, with the interface and metadata that the package is to have.
        float32: Values of its constants before rounding.
        target: Deployment target.
        chip: Whose Neural Engine latencies are estimated for.
        settings: Budget, time limit and images.
        reference: TensorFlow's probabilities of uint8 `[N, H, W]`.
        journal: File for results, from which a search that was cut off goes on.
        learn: Trains what may be better than the mix that keeps the budget as it is; None for no training.

    Returns:
        The program, what is to be said of the search, and what training gave, None where it brought nothing better.

    Raises:
        ExportError: No package keeps the budget.
        UnsupportedError: The network does not end in a Dense layer.
        DataError: The images of the run are missing or too few.
    """
    chosen = search_images(run, settings.folder, settings.seed)
    with progress(f"searching, {run.variant}", 1, "packages") as advance:
        images, fit_pixels = labelled(chosen.searched, run, reference, mirrored=True), pixels_of(chosen.fitted, run)
        advance(0, "made ready")
    evaluator = Evaluator(program, float32, target, chip, images, fit_pixels)
    space = search_space(program.constants, target, evaluator.head_weight)
    kept = Journal(journal, _inputs(run, program, float32, chosen, target, chip))
    deadline = time.monotonic() + settings.time_limit_s
    with progress(f"searching, {run.variant}", space.trials + _MIXED_TRIALS, "packages") as advance:
        outcome = search(space, evaluator, settings.budget, kept, settings.time_limit_s, advance)
    best = _required(outcome, settings.budget)
    after: LearningOutcome[LearnedT] = LearningOutcome(best, None, ())
    if learn is not None:
        left_s = deadline - time.monotonic()
        after = better_by_learning(outcome.front, best, evaluator, learn, settings.budget, left_s)
    candidate = evaluator.candidate(best.mix.forms) if after.learned is None else after.learned.program
    unseen = evaluator.run(candidate, labelled(chosen.unseen, run, reference)).figures
    operations = {one.name: one.consumer for one in space.weights}
    return candidate, _record(outcome, after, chosen, unseen, settings.budget, chip, operations), after.learned


def _required(outcome: Outcome, budget: Budget) -> Measured:
    if outcome.chosen is not None:
        return outcome.chosen
    nearest = min(outcome.measured, key=lambda one: (len(one.misses), one.ran.size_bytes), default=None)
    found = ""
    if nearest is not None:
        misses = ", ".join(miss.text for miss in nearest.misses)
        found = f"; the nearest has {nearest.ran.size_bytes:,} bytes: {misses}"
    raise ExportError(
        f"none of {len(outcome.measured)} packages that were run keeps the budget ({budget}){found}",
        hint="allow more with --max-drop, --min-agreement or --max-size, or more time with --time-limit",
    )


def _record(
    outcome: Outcome,
    after: LearningOutcome[Any],
    images: SearchImages,
    unseen: Figures,
    budget: Budget,
    chip: Chip,
    operations: Mapping[str, str],
) -> SearchRecord:
    return SearchRecord(
        budget=str(budget),
        chip=chip.name,
        estimate_accuracy=accuracy_for(chip).text,
        images=len(images.searched),
        fitted_images=len(images.fitted),
        trials=outcome.trials,
        stopped=outcome.stopped or after.stopped,
        forms=_by_operation(after.chosen, operations),
        found=after.chosen.ran.figures,
        unseen=unseen,
        misses=budget.missed_on_unseen(unseen),
        tried=tuple(
            TriedRecord(_by_operation(one, operations), one.ran, one.misses, trained=trained)
            for tried, trained in ((outcome.measured, False), (after.trained, True))
            for one in tried
        ),
    )


def _by_operation(measured: Measured, operations: Mapping[str, str]) -> dict[str, str]:
    return {operations[name]: str(form) for name, form in measured.mix.forms.items()}


def _inputs(
    run: Run,
    program: ConvertedProgram,
    float32: Mapping[str, NDArray[np.float32]],
    images: SearchImages,
    target: Target,
    chip: Chip,
) -> dict[str, Any]:
    """Everything that the result of a trial depends on; the budget is no part of it."""
    return {
        "version": __version__,
        "judgement": JUDGEMENT,
        "target": target.name,
        "chip": chip.name,
        "resize": asdict(run.data),
        "constants": [[one.name, one.consumer, list(one.shape)] for one in program.constants],
        "values": [float(np.sum(float32[one.name], dtype=np.float64)) for one in program.constants],
        "images": [[item.sha256 for item in items] for items in (images.searched, images.fitted)],
    }
