"""The small model that detectors hold behind their network: of boxes that overlap, the most confident stays.

Source: `mlmodel/format/NonMaximumSuppression.proto` of github.com/apple/coremltools 9.0.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Suppression:
    """A model of kind `nonMaximumSuppression`; thresholds hold unless a prediction is given others.

    Attributes:
        iou_threshold: A box goes if its intersection over union with a more confident one is larger; 0…1.
        confidence_threshold: A box goes if the largest of its confidences is smaller.
        per_class: Whether only boxes of the same class suppress each other.
        class_labels: Names of the columns of the confidences; may be empty.
        confidence_input: Name of the input of confidences `[N, C]`.
        coordinates_input: Name of the input of boxes `[N, 4]`: x and y of the centre, width, height.
        iou_threshold_input: Name of the input that replaces `iou_threshold`; may be empty.
        confidence_threshold_input: Name of the input that replaces `confidence_threshold`; may be empty.
        confidence_output: Name of the output of confidences, one row for each box that stays.
        coordinates_output: Name of the output of boxes.
    """

    iou_threshold: float
    confidence_threshold: float
    per_class: bool
    class_labels: tuple[str | int, ...]
    confidence_input: str
    coordinates_input: str
    iou_threshold_input: str
    confidence_threshold_input: str
    confidence_output: str
    coordinates_output: str

    @property
    def threshold_inputs(self) -> frozenset[str]:
        """Names of the inputs that a prediction may leave out."""
        return frozenset({self.iou_threshold_input, self.confidence_threshold_input} - {""})
