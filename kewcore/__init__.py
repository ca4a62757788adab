"""kewcore: Keras image classifiers to quantised Core ML packages, run and checked off a Mac.

Importing this package imports nothing heavy: TensorFlow, coremltools, ONNX Runtime and the plotting libraries are
imported inside the functions that need them.
"""

__version__ = "0.1.0"
