"""ML Programs off-Apple: reader, verifier, op registry, reference and fast executors."""

from kewcore.runtime.classifier import OnnxClassifier, PackageClassifier
from kewcore.runtime.loading import load
from kewcore.runtime.model import Model
from kewcore.runtime.onnx_file import to_onnx

__all__ = ["Model", "OnnxClassifier", "PackageClassifier", "load", "to_onnx"]
