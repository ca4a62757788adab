"""What a package holds, as frozen values: its description, and its model of one kind or another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from kewcore.errors import UnsupportedError
from kewcore.runtime.program import DataType, Program
from kewcore.runtime.suppression import Suppression


class FeatureKind(Enum):
    """Kinds of model inputs and outputs."""

    MULTI_ARRAY = "multiArray"
    IMAGE = "image"
    DICTIONARY = "dictionary"
    STRING = "string"
    INT64 = "int64"
    DOUBLE = "double"
    SEQUENCE = "sequence"
    STATE = "state"


@dataclass(frozen=True)
class Feature:
    """An input or output as the model's description has it.

    Attributes:
        name: Name under which `predict` takes or gives it.
        kind: What it is.
        description: A sentence for people, often empty.
        dtype: Element type of a multiarray or state; key type of a dictionary.
        shape: `[H, W]` of an image, the shape of a multiarray or state; empty where it is not fixed.
        shape_ranges: Lower and upper bound for each axis where the shape may vary; an upper bound of None is open.
        enumerated_shapes: The shapes to choose from, where they are listed.
        colour_space: `GRAYSCALE`, `RGB`, `BGR` or `GRAYSCALE_FLOAT16` for an image.
        optional: Whether `predict` may be called without it.
        default: Value of an optional multiarray's elements that are left out.
    """

    name: str
    kind: FeatureKind
    description: str = ""
    dtype: DataType | None = None
    shape: tuple[int, ...] = ()
    shape_ranges: tuple[tuple[int, int | None], ...] = ()
    enumerated_shapes: tuple[tuple[int, ...], ...] = ()
    colour_space: str | None = None
    optional: bool = False
    default: float | None = None

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.shape)) or "any shape"
        if self.kind is FeatureKind.IMAGE:
            return f"image {self.colour_space} {sizes}"
        if self.kind in {FeatureKind.MULTI_ARRAY, FeatureKind.STATE}:
            return f"{self.kind.value} {self.dtype.value if self.dtype else '?'} {sizes}"
        return str(self.kind.value)


@dataclass(frozen=True)
class Interface:
    """Inputs and outputs of one function.

    Attributes:
        inputs: In the order of the description.
        outputs: In the order of the description.
        states: Tensors that live from one prediction to the next.
        predicted_feature_name: Which output is a classifier's label; empty if it is none.
        predicted_probabilities_name: Which output is a classifier's dictionary of probabilities.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...]
    predicted_feature_name: str
    predicted_probabilities_name: str


@dataclass(frozen=True)
class Metadata:
    """What a package says of itself."""

    description: str
    version: str
    author: str
    license: str
    user_defined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pipeline:
    """Models that hand features on to each other by name.

    Attributes:
        parts: The models by their names, in order; each is a package of its own with the same path.
    """

    parts: Mapping[str, "Package"]


@dataclass(frozen=True)
class Package:
    """A package that was read, or a part of a pipeline: everything is decoded, but not verified.

    Attributes:
        path: The `.mlpackage` folder.
        specification_version: 6 is iOS 15, 7 is iOS 16, and so on.
        interfaces: Inputs and outputs by name of function.
        default_function: The function that runs unless another is asked for.
        metadata: What the package says of itself.
        kind: The kind of model, as the specification names it, such as `mlProgram`.
        content: The model.
        size_bytes: Bytes of all files in the package.
    """

    path: Path
    specification_version: int
    interfaces: Mapping[str, Interface]
    default_function: str
    metadata: Metadata
    kind: str
    content: Program | Pipeline | Suppression
    size_bytes: int

    @property
    def program(self) -> Program:
        """The ML Program.

        Raises:
            UnsupportedError: The package holds another kind of model.
        """
        if isinstance(self.content, Program):
            return self.content
        raise UnsupportedError(
            f"'{self.path}' holds a model of kind '{self.kind}', which is not one ML Program",
            hint="kewcore runs it as it is, but this needs a single program",
        )
