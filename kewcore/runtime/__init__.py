"""ML Programs off-Apple: reader, verifier, op registry, reference and fast executors."""

from kewcore.runtime.classifier import OnnxClassifier, PackageClassifier
from kewcore.runtime.coremltools_patch import patch_coremltools
from kewcore.runtime.loading import load
from kewcore.runtime.model import Model
from kewcore.runtime.onnx_file import to_onnx
from kewcore.runtime.state import State

__all__ = ["Model", "OnnxClassifier", "PackageClassifier", "State", "load", "patch_coremltools", "to_onnx"]
