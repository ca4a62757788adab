"""How sure a statement on the Neural Engine is, and who made it."""

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T", bound=int)


class Mark(Enum):
    """How sure a statement is: Apple says so; others measured or decompiled it; it is old, single or contradicted."""

    CERTAIN = "certain"
    REPORTED = "reported"
    RUMOUR = "rumour"


@dataclass(frozen=True)
class Source:
    """Where a statement comes from.

    Attributes:
        title: A short name for tables, such as `ane-guide, ch. 4`.
        url: Where to read it.
    """

    title: str
    url: str

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True)
class Fact(Generic[T]):
    """A number, or yes or no, with how sure it is and who says so."""

    value: T
    mark: Mark
    source: Source


_GUIDE = "https://github.com/sbryngelson/ane-guide/blob/9eb1afe"
_APPLE_MODELS = "https://github.com/apple/coreai-models/blob/main/skills/skills/model-authoring/references"
_COREML_DOCS = "https://apple.github.io/coremltools/docs-guides/source"

NEURAL_ENGINE_RULES = Source("coreai-models", f"{_APPLE_MODELS}/neural_engine_rules.md")
TYPED_EXECUTION = Source("coremltools, typed execution", f"{_COREML_DOCS}/typed-execution.html")
FLEXIBLE_INPUTS = Source("coremltools, flexible inputs", f"{_COREML_DOCS}/flexible-inputs.html")
QUANTISATION_SPEED = Source("coremltools, opt-quantization-perf", f"{_COREML_DOCS}/opt-quantization-perf.html")
RECURRENT_ISSUE = Source("apple/coremltools #1780", "https://github.com/apple/coremltools/issues/1780")
GUIDE_CAPABILITIES = Source("ane-guide, ch. 4", f"{_GUIDE}/part-1-machine/04-capability-surface.md")
GUIDE_WEIGHTS = Source("ane-guide, ch. 7", f"{_GUIDE}/part-2-reaching/07-weights-and-compression.md")
GUIDE_ROOFLINE = Source("ane-guide, ch. 9", f"{_GUIDE}/part-3-performance/09-roofline.md")
GUIDE_DESIGN_RULES = Source("ane-guide, ch. 17", f"{_GUIDE}/part-5-practice/17-model-design-rules.md")
GUIDE_PITFALLS = Source("ane-guide, ch. 19", f"{_GUIDE}/part-5-practice/19-pitfalls-and-limits.md")
GUIDE_MATRIX = Source("ane-guide, app. A", f"{_GUIDE}/appendices/a-op-device-matrix.md")
HOLLANCE = Source("hollance/neural-engine", "https://github.com/hollance/neural-engine")
