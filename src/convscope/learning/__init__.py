"""Networks that learn: Keras's way of compiling and fitting, on steps that ONNX Runtime runs."""
