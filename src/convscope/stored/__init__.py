"""Models as ONNX files hold them: read safely, folded, wired into a graph of operators.

source    bytes to a checked model, its external data read by our own rules
folding   what is already known when a file is read: constants and shape arithmetic
build     the graph of layers
opened    the network that people hold
"""
