"""From ML Programs to ONNX graphs: rewrites, one lowering an operation, and the cut into segments."""
