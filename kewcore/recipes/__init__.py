"""Recipes: a TOML file names data, model, training schedule and export defaults for one problem."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Literal, cast, get_args

from kewcore.errors import UsageError

Variant = Literal["original", "synthetic"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
ResizePolicy = Literal["fit", "fill", "centre-crop"]
RESIZE_POLICIES: tuple[ResizePolicy, ...] = get_args(ResizePolicy)
ClassWeights = Literal["balanced", "published", "none"]
CLASS_WEIGHTS: tuple[ClassWeights, ...] = get_args(ClassWeights)


@dataclass(frozen=True)
class DataRecipe:
    """What images the problem takes.

    Attributes:
        classes: Labels in the order of the model's outputs; None takes the folders' names, sorted.
        height: Rows of an image after resizing.
        width: Columns of an image after resizing.
        resize: How an image of another shape is brought to `[height, width]`; see `kewcore.data.images`.
        test_fraction: Part of a plain folder that becomes the test part.
        val_fraction: Part of the training part that becomes the validation part.
        split_seed: Seed of the split; it does not change with the training's seed.
    """

    classes: tuple[str, ...] | None
    height: int
    width: int
    resize: ResizePolicy
    test_fraction: float
    val_fraction: float
    split_seed: int


@dataclass(frozen=True)
class Augmentation:
    """Random changes to training images.

    Attributes:
        horizontal_flip: Mirror left and right with probability one half.
        rotation: Largest angle, as a fraction of a full turn, either way.
        translation: Largest shift, as a fraction of height and of width, either way.
        zoom: Largest change of scale, either way.
    """

    horizontal_flip: bool
    rotation: float
    translation: float
    zoom: float


@dataclass(frozen=True)
class TrainingRecipe:
    """The schedule: Adam with staircase exponential decay and early stopping on the validation loss.

    Attributes:
        epochs: Most epochs to train.
        batch_size: Images a step.
        learning_rate: Before decay.
        decay_rate: Factor on the learning rate every `decay_steps`.
        decay_steps: Steps between two decays.
        patience: Epochs without a better validation loss before training stops.
        class_weights: `balanced`, `published` or `none`, for the `original` variant.
        published_class_weights: Weight by class name for `published`.
        augmentation: Random changes to training images.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    decay_rate: float
    decay_steps: int
    patience: int
    class_weights: ClassWeights
    published_class_weights: Mapping[str, float]
    augmentation: Augmentation


@dataclass(frozen=True)
class ExportRecipe:
    """Metadata that every package of the recipe carries."""

    author: str
    license: str
    version: str
    description: str


@dataclass(frozen=True)
class Recipe:
    """One problem: what data, which network, how to train it, what its packages say of themselves.

    Attributes:
        name: Short name: the folder under `runs/`.
        title: Prefix of package names, such as `KewCNN`.
        network: Name of the network in `kewcore.models`.
    """

    name: str
    title: str
    network: str
    data: DataRecipe
    training: TrainingRecipe
    export: ExportRecipe


def recipe_names() -> list[str]:
    """Lists the recipes that come with kewcore."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Reads a built-in recipe by name, or a TOML file by path.

    Raises:
        UsageError: No such recipe; the file is not TOML; a key is missing, unknown or of the wrong type.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = Path(__file__).parent / f"{name_or_path}.toml"
        if name_or_path not in recipe_names():
            raise UsageError(
                f"no recipe '{name_or_path}'; built in: {', '.join(recipe_names())}",
                hint="give one of these names, or the path of a .toml file",
            )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read recipe '{path}': {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe '{path}' is not valid TOML: {error}") from error
    try:
        return _recipe_from(table)
    except UsageError as error:
        error.add_note(f"in recipe '{path}'")
        raise


def data_recipe_from(table: dict[str, Any]) -> DataRecipe:
    """Reads the table `[data]` of a recipe, or what a run recorded of it.

    Raises:
        UsageError: A key is missing, unknown or of the wrong type.
    """
    _expect_keys(table, {*DataRecipe.__annotations__}, "[data]", optional=frozenset({"classes"}))
    classes = table.get("classes")
    if classes is not None:
        if not isinstance(classes, list) or not all(isinstance(c, str) and is_file_name(c) for c in classes):
            raise UsageError(f"data.classes must be a list of names that folders can have, got {classes!r}")
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise UsageError(f"data.classes must be at least two different names, got {classes!r}")
    return DataRecipe(
        classes=tuple(classes) if classes is not None else None,
        height=_whole(table, "height"),
        width=_whole(table, "width"),
        resize=cast(ResizePolicy, _one_of(table, "resize", RESIZE_POLICIES)),
        test_fraction=_fraction(table, "test_fraction"),
        val_fraction=_fraction(table, "val_fraction"),
        split_seed=_whole(table, "split_seed", least=0),
    )


def is_file_name(text: str) -> bool:
    """Tells whether a text can name a file or folder, visible, on any system, without leading elsewhere."""
    return bool(text) and not text.startswith(".") and text.isprintable() and "/" not in text and "\\" not in text


def _recipe_from(table: dict[str, Any]) -> Recipe:
    _expect_keys(table, {"name", "title", "data", "model", "training", "export"}, "the recipe")
    data, model = _sub(table, "data"), _sub(table, "model")
    training, export = _sub(table, "training"), _sub(table, "export")
    augmentation = _sub(training, "augmentation")
    _expect_keys(model, {"network"}, "[model]")
    _expect_keys(
        training, {*TrainingRecipe.__annotations__}, "[training]", optional=frozenset({"published_class_weights"})
    )
    _expect_keys(augmentation, {*Augmentation.__annotations__}, "[training.augmentation]")
    _expect_keys(export, {*ExportRecipe.__annotations__}, "[export]")
    return Recipe(
        name=_file_name(table, "name"),
        title=_file_name(table, "title"),
        network=_text(model, "network"),
        data=data_recipe_from(data),
        training=TrainingRecipe(
            epochs=_whole(training, "epochs"),
            batch_size=_whole(training, "batch_size"),
            learning_rate=_number(training, "learning_rate"),
            decay_rate=_number(training, "decay_rate"),
            decay_steps=_whole(training, "decay_steps"),
            patience=_whole(training, "patience"),
            class_weights=cast(ClassWeights, _one_of(training, "class_weights", CLASS_WEIGHTS)),
            published_class_weights={
                name: _number(training["published_class_weights"], name)
                for name in _sub(training, "published_class_weights")
            },
            augmentation=Augmentation(
                horizontal_flip=_flag(augmentation, "horizontal_flip"),
                rotation=_fraction(augmentation, "rotation"),
                translation=_fraction(augmentation, "translation"),
                zoom=_fraction(augmentation, "zoom"),
            ),
        ),
        export=ExportRecipe(**{key: _text(export, key) for key in ExportRecipe.__annotations__}),
    )


def _sub(table: dict[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"'{key}' must be a table, got {value!r}")
    return value


def _expect_keys(table: dict[str, Any], known: set[str], where: str, optional: frozenset[str] = frozenset()) -> None:
    if unknown := sorted(set(table) - known):
        raise UsageError(f"{where} has unknown keys {unknown}; known: {sorted(known)}")
    if missing := sorted(known - optional - set(table)):
        raise UsageError(f"{where} lacks {missing}")


def _text(table: dict[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value:
        raise UsageError(f"'{key}' must be a text, got {value!r}")
    return value


def _file_name(table: dict[str, Any], key: str) -> str:
    """Reads a text that names files and folders, so that it cannot lead elsewhere."""
    value = _text(table, key)
    if not is_file_name(value):
        raise UsageError(f"'{key}' names files and must not be '.', '..', hidden or hold '/', got {value!r}")
    return value


def _one_of(table: dict[str, Any], key: str, choices: tuple[str, ...]) -> str:
    if table[key] not in choices:
        raise UsageError(f"'{key}' must be one of {', '.join(choices)}, got {table[key]!r}")
    return str(table[key])


def _flag(table: dict[str, Any], key: str) -> bool:
    value = table[key]
    if not isinstance(value, bool):
        raise UsageError(f"'{key}' must be true or false, got {value!r}")
    return value


def _number(table: dict[str, Any], key: str) -> float:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise UsageError(f"'{key}' must be a number above 0, got {value!r}")
    return float(value)


def _whole(table: dict[str, Any], key: str, least: int = 1) -> int:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"'{key}' must be a whole number from {least}, got {value!r}")
    return value


def _fraction(table: dict[str, Any], key: str) -> float:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise UsageError(f"'{key}' must be from 0 up to 1, got {value!r}")
    return float(value)
