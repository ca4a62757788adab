"""Parity of input pipelines: what other ways of decoding, greying and resizing change in pixels and in the answer."""

from dataclasses import dataclass

from kewcore.parity.intervals import Interval
from kewcore.parity.paired import PairedAccuracy


@dataclass(frozen=True)
class PipelineParity:
    """The reference's answers on pixels of another input pipeline, beside those on kewcore's, from the same files.

    Attributes:
        pipeline: Short name, such as `tensorflow`.
        description: What it does, in one sentence.
        n: Files that both pipelines decode.
        skipped: Files that this one cannot decode.
        mean_abs_pixel: Mean difference of a pixel, in levels of 0…255.
        max_abs_pixel: Largest difference of a pixel.
        pixels_equal: Part of the pixels that are equal, 0…1.
        top1_agreement: Part of the files on which the top class stays, 0…1.
        top1_agreement_interval: Its 95 % Wilson interval.
        max_abs_dp: Largest difference of a probability.
        mean_abs_dp: Mean of it.
        accuracy: With kewcore's pixels (first) and with these (second), and their paired difference.
    """

    pipeline: str
    description: str
    n: int
    skipped: int
    mean_abs_pixel: float
    max_abs_pixel: int
    pixels_equal: float
    top1_agreement: float
    top1_agreement_interval: Interval
    max_abs_dp: float
    mean_abs_dp: float
    accuracy: PairedAccuracy
