"""Drift along the layers: Keras network and package compute the same images, and are compared layer by layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kewcore.runtime
from kewcore.console import progress
from kewcore.parity.drift import LayerDrift
from kewcore.parity.snr import power_ratio_db
from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench.depth.keras_steps import Floats, Step, keras_steps, stretch
from kewcore_bench.depth.line_up import Counterpart, line_up, merged_before, sources_of
from kewcore_bench.depth.package_values import package_values
from kewcore_export.sidecar import load_sidecar, sidecar_path


@dataclass(frozen=True)
class _Lined:
    """A step with a counterpart, the steps that it is computed from, and Keras' stretch between them."""

    index: int
    sources: tuple[int, ...]
    compute: Callable[[list[Floats]], list[Floats]]


@dataclass(frozen=True)
class _Powers:
    """Sums of squares over images, float64 `[C]` by channel: of all layers so far, and of the layer alone."""

    signal: NDArray[np.float64]
    noise: NDArray[np.float64]
    own_signal: NDArray[np.float64]
    own_noise: NDArray[np.float64]


def measure_drift(
    run: Path,
    package: Path,
    pixels: NDArray[np.uint8],
    *,
    executor: ExecutorChoice = "auto",
    threads: int | None = None,
    what: str = "drift",
) -> tuple[LayerDrift, ...]:
    """Compares a package with its run's Keras network, layer by layer.

    One image at a time is computed, so that memory holds the activations of one. The first image decides which values
    stand for which layers.

    Args:
        run: Folder of the run.
        package: A package that was exported from it.
        pixels: uint8 `[N, H, W]`, N at least 1.
        executor: Of the package.
        threads: Of the package's executor.
        what: Name for the progress line.

    Returns:
        All layers but inputs, in order of computation.

    Raises:
        RunError: The Keras model cannot be loaded.
        PackageError: The package cannot be loaded.
        UnsupportedError: The executor cannot run it.

    Source: SNR by layer as a way to find where quantisation hurts: Lin, Talathi & Annapureddy (2016), Fixed point
    quantization of deep convolutional networks, ICML, section 3.
    """
    from kewcore.models.reference import load_keras_model

    steps = keras_steps(load_keras_model(run / "model.keras"))
    model = kewcore.runtime.load(package, executor, threads=threads)
    values = package_values(model, _equalized(package))
    name = model.inputs[0].name
    with progress(what, len(pixels)) as advance:
        first = model.trace({name: np.array(pixels[0])})
        found = line_up(steps, values, first)
        lined = [_lined(steps, index, found) for index in found if index]
        whole = stretch(steps[:1], [steps[one.index] for one in lined])
        sums: list[_Powers] | None = None
        for image in pixels:
            powers = _powers(steps, found, lined, whole, model.trace({name: np.array(image)}))
            sums = powers if sums is None else [_added(*pair) for pair in zip(sums, powers, strict=True)]
            advance()
    return _rows(steps, found, lined, sums or [])


def _lined(steps: Sequence[Step], index: int, found: Mapping[int, Counterpart]) -> _Lined:
    sources = sources_of(steps, index, found)
    return _Lined(index, sources, stretch([steps[one] for one in sources], [steps[index]]))


def _powers(
    steps: Sequence[Step],
    found: Mapping[int, Counterpart],
    lined: Sequence[_Lined],
    whole: Callable[[list[Floats]], list[Floats]],
    trace: Mapping[str, Any],
) -> list[_Powers]:
    def had(index: int) -> Floats:
        return found[index].as_keras(trace, steps[index].shape)

    powers = []
    for one, expected in zip(lined, whole([had(0)]), strict=True):
        (alone,) = one.compute([had(source) for source in one.sources])
        value = had(one.index)
        powers.append(_Powers(_power(expected), _power(value - expected), _power(alone), _power(value - alone)))
    return powers


def _power(values: Floats) -> NDArray[np.float64]:
    """Sum of squares by channel, the last axis."""
    by_channel = values.reshape(-1, values.shape[-1]).astype(np.float64)
    found: NDArray[np.float64] = np.einsum("nc,nc->c", by_channel, by_channel)
    return found


def _added(first: _Powers, second: _Powers) -> _Powers:
    return _Powers(
        first.signal + second.signal,
        first.noise + second.noise,
        first.own_signal + second.own_signal,
        first.own_noise + second.own_noise,
    )


def _rows(
    steps: Sequence[Step], found: Mapping[int, Counterpart], lined: Sequence[_Lined], sums: Sequence[_Powers]
) -> tuple[LayerDrift, ...]:
    powers = {one.index: power for one, power in zip(lined, sums, strict=True)}
    merged: dict[int, str] = {}
    for one in lined:
        for index in merged_before(steps, one.index, found):
            merged.setdefault(index, steps[one.index].name)
    rows = []
    for index, step in enumerate(steps):
        if not step.inputs:
            continue
        if index not in powers:
            rows.append(
                LayerDrift(step.name, step.kind, step.shape, None, merged.get(index), None, None, None, None, ())
            )
            continue
        power = powers[index]
        channel = int(power.own_noise.argmax())
        rows.append(
            LayerDrift(
                layer=step.name,
                kind=step.kind,
                shape=step.shape,
                value=found[index].value,
                merged_with=None,
                snr_db=power_ratio_db(float(power.signal.sum()), float(power.noise.sum())),
                own_snr_db=power_ratio_db(float(power.own_signal.sum()), float(power.own_noise.sum())),
                covers=_covered(steps, index, found),
                worst_channel=channel,
                worst_channel_snr_db=power_ratio_db(float(power.own_signal.mean()), float(power.own_noise[channel])),
            )
        )
    return tuple(rows)


def _covered(steps: Sequence[Step], index: int, found: Mapping[int, Counterpart]) -> tuple[str, ...]:
    return tuple(steps[one].name for one in sorted((*merged_before(steps, index, found), index)))


def _equalized(package: Path) -> frozenset[str]:
    """Values whose channels the export scaled; packages without a sidecar were not exported by kewcore."""
    if not sidecar_path(package).exists():
        return frozenset()
    activations = load_sidecar(package).activations
    return frozenset(() if activations is None else activations.equalized)
