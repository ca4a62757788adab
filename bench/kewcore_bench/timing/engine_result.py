"""What was found of one engine with one model: latency beside the reference and throughput, or why there is none."""

from dataclasses import dataclass
from pathlib import Path

from kewcore_bench.timing.latency import Latency, LatencyRatio


@dataclass(frozen=True)
class Throughput:
    """How many images an engine gets through when it is handed many at once.

    Attributes:
        batch_size: Images in one call.
        images_per_s: Median over the rounds.
    """

    batch_size: int
    images_per_s: float


@dataclass(frozen=True)
class EngineResult:
    """One engine with one model; a failure is a result too.

    Attributes:
        engine: What `--engines` calls it, such as `package`; Core ML has one for each choice of compute units, such as
            `coreml-cpu-ne`.
        subject: `TensorFlow reference`, or the name of the package.
        path: The package, or the run whose network it is.
        mode: Of the package; empty for the reference's network.
        label: Name of the engine with its version; where it failed to start, its plain name.
        failure: Why there are no figures; None where there are.
        latency: Of one image on this host; None where the engine failed.
        ratio: Latency over that of the reference engine, `tensorflow`, paired by round.
        throughput: By batch size, as asked for.
        model_size_bytes: What the engine loads, on disk: the package, or the file of its converter.
    """

    engine: str
    subject: str
    path: Path
    mode: str
    label: str
    failure: str | None
    latency: Latency | None
    ratio: LatencyRatio | None
    throughput: tuple[Throughput, ...] = ()
    model_size_bytes: int | None = None
