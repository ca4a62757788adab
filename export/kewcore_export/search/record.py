"""What a sidecar says of a search."""

from collections.abc import Mapping
from dataclasses import dataclass

from kewcore_export.search.budget import Miss
from kewcore_export.search.evaluator import Ran
from kewcore_export.search.figures import Figures


@dataclass(frozen=True)
class TriedRecord:
    """A mix of forms that was run.

    Attributes:
        forms: Of each weight, by the operation that takes it.
        ran: Size, estimated latency, and figures on the images of the search.
        misses: Which bounds it does not keep.
        trained: Whether its weights had learned before it was run.
    """

    forms: Mapping[str, str]
    ran: Ran
    misses: tuple[Miss, ...]
    trained: bool = False


@dataclass(frozen=True)
class SearchRecord:
    """How a package was chosen.

    Attributes:
        budget: What it was to keep, in words.
        chip: Whose Neural Engine latencies are estimated for.
        estimate_accuracy: How far off such estimates were, in words.
        images: How many images it was searched on, of the validation part.
        fitted_images: How many training images the last layer was fitted to.
        trials: How many packages were run; those that an earlier search had run are not counted.
        stopped: True where the time limit ended the search, or the training of what it found.
        forms: Of each weight, by the operation that takes it.
        found: Figures on the images of the search.
        unseen: Figures on images of the test part, which the search has not seen.
        misses: Which bounds the package does not keep there.
        tried: All mixes that were run, the largest first.
    """

    budget: str
    chip: str
    estimate_accuracy: str
    images: int
    fitted_images: int
    trials: int
    stopped: bool
    forms: Mapping[str, str]
    found: Figures
    unseen: Figures
    misses: tuple[Miss, ...]
    tried: tuple[TriedRecord, ...]
