"""What a fine-tuning is told."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kewcore.errors import UsageError
from kewcore_export.modes import Mode

DEFAULT_EPOCHS = 3
_SUFFIX = "-finetuned"


@dataclass(frozen=True)
class FinetuneSettings:
    """How a compressed network learns from the reference.

    Attributes:
        epochs: Passes over the training images.
        learning_rate: Of the first step, in units of each variable (`TrainableForm.units`); it falls to 0 by a cosine.
        temperature: By which logits are divided before the two answers are compared.
        passes: Passes an epoch over what reaches the trained part, where its front part stays as it is.
        batch_size: Images of one update.
        seed: Of order and augmentation.
        folder: Dataset to learn from; None takes the one that the run was trained on.
        cache: Folder for decoded pixels, shared with `kewcore train`.
    """

    epochs: int = DEFAULT_EPOCHS
    learning_rate: float = 3e-3
    temperature: float = 2.0
    passes: int = 8
    batch_size: int = 16
    seed: int = 42
    folder: Path | None = None
    cache: Path = Path(".kewcore/cache")

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides the learned values, besides the data."""
        return {key: value for key, value in asdict(self).items() if key not in ("folder", "cache")}


def finetuned_mode(mode: Mode) -> Mode:
    """Names a mode whose weights learn after compression.

    Raises:
        UsageError: There is nothing to learn in this mode, or training does not see what it does.
    """
    if mode.quantizes_activations:
        raise UsageError(
            f"--finetune trains weights, and mode {mode.name} quantises activations too, which training would not see",
            hint="leave out --finetune, or choose a mode of weights, such as int8",
        )
    if mode.weights.kind == "float" and not mode.weights.rank:
        raise UsageError(
            f"--finetune recovers what compression loses, and mode {mode.name} compresses nothing",
            hint="choose a mode such as palette-4 with --quantize",
        )
    return replace(mode, name=mode.name + _SUFFIX)


def untrained_mode(mode: Mode) -> Mode:
    """Names a mode of `finetuned_mode` as it was, for a package whose weights have not learned after all."""
    return replace(mode, name=mode.name.removesuffix(_SUFFIX))
