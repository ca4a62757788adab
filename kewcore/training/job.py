"""One training as it was asked for: what decides its weights, where it works, and what may be in its way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kewcore.data.dataset import Dataset
from kewcore.errors import DataError, RunError
from kewcore.models.networks import Network, find_network
from kewcore.recipes import ClassWeights, Recipe, Variant
from kewcore.training.checkpoint import Checkpoint, load_checkpoint
from kewcore.training.class_weights import check_class_weights
from kewcore.training.run import Run, load_run, training_figures

#: Raised whenever a change makes the same settings give other weights.
TRAINING_VERSION = 1


@dataclass(frozen=True)
class Job:
    """What to train, on what, and where.

    Attributes:
        recipe: Data, network and schedule; the classes are the dataset's.
        variant: `original` trains on the training part, class-weighted; `synthetic` adds the synthetic images.
        dataset: The images; the test part is not touched.
        folder: The run that this becomes.
        seed: Seed of weights, order, augmentation and dropout.
    """

    recipe: Recipe
    variant: Variant
    dataset: Dataset
    folder: Path
    seed: int

    @property
    def work(self) -> Path:
        """Where the training lives until it is finished: `.<variant>.training` beside the run."""
        return self.folder.with_name(f".{self.folder.name}.training")

    @property
    def network(self) -> Network:
        """The recipe's network."""
        return find_network(self.recipe.network)

    @property
    def class_weights(self) -> ClassWeights:
        """How classes are weighted: by the recipe for `original`; not for `synthetic`, which is even already."""
        return self.recipe.training.class_weights if self.variant == "original" else "none"

    def settings(self) -> dict[str, Any]:
        """Everything that decides the weights, as JSON has it; trainings of equal settings give equal weights."""
        data = self.recipe.data
        return {
            "training_version": TRAINING_VERSION,
            "network": self.recipe.network,
            "variant": self.variant,
            "seed": self.seed,
            "dataset_fingerprint": self.dataset.fingerprint,
            "classes": list(self.dataset.class_names),
            "height": data.height,
            "width": data.width,
            "resize": data.resize,
            **{key: dict(v) if isinstance(v, Mapping) else v for key, v in asdict(self.recipe.training).items()},
        }

    def check(self) -> None:
        """Refuses what cannot be trained, before anything is decoded or written.

        Raises:
            UsageError: No such network, images too small for it, or class weights that the recipe does not have.
            DataError: The variant has no images to train on.
        """
        data = self.recipe.data
        self.network.check_size(data.height, data.width)
        published = self.recipe.training.published_class_weights
        check_class_weights(self.class_weights, self.dataset.class_names, published)
        if self.variant == "synthetic" and not self.dataset.splits["synthetic"]:
            raise DataError(
                f"dataset '{self.dataset.root}' has no synthetic images, which the variant 'synthetic' is trained on",
                hint="put them into its folder synthetic/<class>/ (kewcore data even-out draws some), "
                "or train one variant: --variant original",
            )

    def finished(self, *, restart: bool) -> Run | None:
        """Returns the run with these settings if it is there; None where it is missing, or other and to be replaced.

        Raises:
            RunError: A run that is damaged or has other settings is there, and `restart` was not given.
        """
        if not (self.folder / "run.json").exists():
            return None
        try:
            run = load_run(self.folder)
            training_figures(run)
        except RunError:
            if restart:
                return None
            raise
        # Runs name their classes apart from the other settings.
        there = {**run.settings, "classes": list(run.class_names)}
        if there == self.settings():
            return run
        if restart:
            return None
        raise _in_the_way(f"a run of '{self.variant}' with other settings is", self.folder, there, self.settings())

    def unfinished(self, *, restart: bool) -> Checkpoint | None:
        """Returns how far a training with these settings has come; None where it is to begin from the start.

        Raises:
            RunError: One that is damaged or has other settings is there, and `restart` was not given.
        """
        folder = self.work / "checkpoint"
        if not folder.exists():
            return None
        try:
            checkpoint = load_checkpoint(folder)
        except RunError:
            if restart:
                return None
            raise
        if checkpoint.settings == self.settings():
            return checkpoint
        if restart:
            return None
        what = "an unfinished training with other settings is"
        raise _in_the_way(what, self.work, checkpoint.settings, self.settings())


def _in_the_way(what: str, where: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> RunError:
    keys = sorted(key for key in {*there, *asked} if there.get(key) != asked.get(key))
    differences = "; ".join(f"{key}: there {there.get(key)!r}, asked for {asked.get(key)!r}" for key in keys)
    return RunError(
        f"{what} in '{where}' ({differences})",
        hint="choose another folder with --out, or discard it with --restart",
    )
