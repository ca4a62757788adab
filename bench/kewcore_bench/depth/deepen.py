"""What a bench looks into beyond the images as they are: corruptions, other input pipelines, drift along the layers."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kewcore.runtime.loading import ExecutorChoice
from kewcore_bench.candidates import run_facts
from kewcore_bench.depth.drift import measure_drift
from kewcore_bench.depth.occlusion import choose_images, measure_occlusion
from kewcore_bench.depth.pipeline_run import measure_pipelines
from kewcore_bench.depth.robustness import measure_robustness
from kewcore_bench.engines.load import EngineSpec
from kewcore_bench.hosts import usable_cores
from kewcore_bench.images import LabelledImages, evenly_limited
from kewcore_bench.labels import REFERENCE, package_labels
from kewcore_bench.result import BenchResult, VariantResult

TRACE_IMAGES = 8
"""Enough for drift: every image has thousands of numbers a layer, and faults are in all of them."""


@dataclass(frozen=True)
class DepthOptions:
    """What to look into, and how.

    Attributes:
        robustness: Answers on corrupted images.
        pipelines: Answers on pixels of other input pipelines.
        trace_images: How many images drift is traced on; 0 traces none.
        occlusion_images: Of how many images of each variant occlusion maps are made; 0 makes none.
        executor: Of packages.
        threads: Threads of every engine; None takes all cores.
        cache: Folder in which the reference's answers are kept; None keeps none.
        seed: Of corruptions and bootstraps.
    """

    robustness: bool = False
    pipelines: bool = False
    trace_images: int = 0
    occlusion_images: int = 0
    executor: ExecutorChoice = "auto"
    threads: int | None = None
    cache: Path | None = None
    seed: int = 0


def deepen(result: BenchResult, images: LabelledImages, options: DepthOptions) -> BenchResult:
    """Adds to a result what `options` ask for.

    Args:
        result: What a bench found on the images.
        images: The same images.
        options: What to look into.

    Raises:
        KewError: An engine cannot be loaded or run.
    """
    variants = result.variants
    if options.robustness:
        variants = tuple(_with_robustness(variant, images, options) for variant in variants)
    if options.pipelines:
        variants = tuple(_with_pipelines(variant, images, options) for variant in variants)
    if options.trace_images:
        variants = tuple(_with_drift(variant, images, options) for variant in variants)
    if options.occlusion_images:
        variants = tuple(_with_occlusion(variant, images, options) for variant in variants)
    return replace(result, variants=variants)


def _with_robustness(variant: VariantResult, images: LabelledImages, options: DepthOptions) -> VariantResult:
    threads = options.threads or usable_cores()
    found = measure_robustness(
        EngineSpec("tensorflow", variant.run, "auto", threads),
        {str(one.path): EngineSpec("package", one.path, options.executor, threads) for one in variant.packages},
        images,
        model_sha256=variant.model_sha256,
        what=variant.variant,
        cache=options.cache,
        seed=options.seed,
    )
    packages = tuple(replace(one, robustness=found[str(one.path)]) for one in variant.packages)
    return replace(variant, packages=packages)


def _with_pipelines(variant: VariantResult, images: LabelledImages, options: DepthOptions) -> VariantResult:
    reference = EngineSpec("tensorflow", variant.run, "auto", options.threads or usable_cores())
    recipe = run_facts(variant.run).source.data
    found = measure_pipelines(reference, recipe, images, what=variant.variant, seed=options.seed)
    return replace(variant, pipelines=found)


def _with_drift(variant: VariantResult, images: LabelledImages, options: DepthOptions) -> VariantResult:
    chosen = evenly_limited([int(label) for label in images.labels], options.trace_images)
    pixels = np.stack([images.pixels[index] for index in chosen])
    packages = tuple(
        replace(
            one,
            drift=measure_drift(
                variant.run,
                one.path,
                pixels,
                executor=options.executor,
                threads=options.threads,
                what=f"{variant.variant} {one.mode} trace",
            ),
        )
        for one in variant.packages
    )
    return replace(variant, packages=packages)


def _with_occlusion(variant: VariantResult, images: LabelledImages, options: DepthOptions) -> VariantResult:
    threads = options.threads or usable_cores()
    engines = {REFERENCE: EngineSpec("tensorflow", variant.run, "auto", threads)} | {
        label: EngineSpec("package", one.path, options.executor, threads)
        for label, one in zip(package_labels(variant.packages), variant.packages, strict=True)
    }
    files = choose_images(variant.gallery, options.occlusion_images)
    return replace(variant, occlusion=measure_occlusion(engines, images, files, what=variant.variant))
