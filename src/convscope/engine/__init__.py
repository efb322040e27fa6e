"""ONNX Runtime: runs a network, keeps any activation, exports it. The second of the two answers."""
