"""One or more nodes of every ONNX operator that has a rule: inputs, constants and settings, all sizes different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class Case(NamedTuple):
    """A node.

    given      shapes of what is fed, drawn anew; or arrays
    held       what the file gives, in the places after those: shapes, arrays, or None for what is left out
    settings   its attributes
    outputs    how many outputs it has
    wide       numbers are drawn from −3 … 3, else from 0.2 … 1.8
    opset      the version of the operators
    """

    op: str
    given: Sequence[Shape | Array]
    held: Sequence[Shape | Array | np.floating[Any] | None] = ()
    settings: Mapping[str, Any] = {}
    outputs: int = 1
    wide: bool = True
    opset: int = 20


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def _one(op: str, wide: bool = True, **settings: Any) -> Case:
    return Case(op, [(1, 3, 5, 4)], (), settings, wide=wide)


def _two(op: str, wide: bool = True, **settings: Any) -> Case:
    return Case(op, [(1, 3, 5, 4), (5, 1)], (), settings, wide=wide)


TRUE = np.random.default_rng(4).integers(0, 2, (1, 3, 5, 4)).astype(bool)
COUNTED = np.random.default_rng(5).integers(-9, 9, (1, 3, 5, 4))
MASK = np.random.default_rng(6).integers(0, 2, (5, 1)).astype(bool)
# places within a map and far beyond it
GRID = np.random.default_rng(7).uniform(-2.3, 2.3, (1, 3, 7, 2)).astype(np.float32)
BOXES = np.random.default_rng(8).uniform(-1.3, 1.3, (1, 2, 3, 4, 3)).astype(np.float32)

PLACED = np.array([[[5, 0, -2, 0], [1, 3, 3, 2]]])
PAIRS = np.array([[[0, 4], [3, -1], [1, 0]], [[0, 4], [-2, 2], [3, 3]]])

# boxes within a map, beyond its edges, of no size, and far away
REGIONS = np.array(
    [[0.6, 1.2, 9.3, 7.1], [3, 5, 3, 5], [-4, -3.5, 4, 2], [7, 4, 40, 31], [60, 60, 80, 90]],
    np.float32,
)
IMAGED = np.concatenate([np.zeros((5, 1)), REGIONS * 2], 1).astype(np.float32)
FAR = np.random.default_rng(9).uniform(-3, 3, (1, 24, 4, 5)).astype(np.float32)
STOOD = np.array([[[[29, 3, 8], [21, 0, 34]], [[40, 57, 49], [31, 59, 51]]]])
SEVERAL = np.array([[[[3, -1], [0, 2]], [[1, 0], [2, 4]], [[3, 3], [-4, 1]]]])

CASES: list[Case] = [
    # 6 heads of queries share 3 of keys; 4 queries, 2 keys from before and 5 new ones
    Case(
        "Attention", [(1, 6, 4, 5), (1, 3, 5, 5), (1, 3, 5, 7), (6, 4, 7), (1, 3, 2, 5), (1, 3, 2, 7)], (),
        {"is_causal": 1, "softcap": 1.5, "scale": 0.7}, outputs=3, opset=23,
    ),
    Case("Attention", [(1, 4, 10), (1, 7, 10), (1, 7, 6)], (), {"q_num_heads": 2, "kv_num_heads": 2}, opset=23),
    Case("RotaryEmbedding", [(1, 3, 5, 8), (1, 5, 3), (1, 5, 3)], (), {"rotary_embedding_dim": 6}, opset=23),
    Case(
        "RotaryEmbedding", [(1, 4, 12), (9, 3), (9, 3)], (whole(7, 0, 3, 3).reshape(1, 4),),
        {"num_heads": 2, "interleaved": 1}, opset=23,
    ),
    *(_one(op) for op in (
        "Relu", "Sigmoid", "Softplus", "Softsign", "HardSwish", "Mish", "Tanh", "Exp", "Abs", "Erf", "Neg", "LeakyRelu",
        "Elu", "Celu", "Selu", "HardSigmoid", "Gelu", "ThresholdedRelu", "Shrink", "Identity", "Round", "Sign",
        "Floor", "Ceil", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Asinh", "IsNaN",
    )),
    *(_one(op, wide=False) for op in ("Log", "Sqrt", "Reciprocal")),
    Case("Asin", [np.linspace(-0.9, 0.9, 15, dtype=np.float32).reshape(1, 3, 5)]),
    Case("Acos", [np.linspace(-0.9, 0.9, 15, dtype=np.float32).reshape(1, 3, 5)]),
    Case("Atanh", [np.linspace(-0.9, 0.9, 15, dtype=np.float32).reshape(1, 3, 5)]),
    Case("Acosh", [np.linspace(1.1, 7, 15, dtype=np.float32).reshape(1, 3, 5)]),
    Case("Swish", [(1, 3, 5)], (), {"alpha": 1.5}, opset=24),
    _one("Gelu", approximate="tanh"),
    _one("Shrink", bias=0.2, lambd=0.7),
    Case("Abs", [COUNTED]), Case("Sign", [COUNTED]), Case("Neg", [COUNTED]),
    Case("Clip", [(1, 3, 5)], [np.float32(-0.5), np.float32(1.25)]),
    Case("PRelu", [(1, 3, 5, 4)], [(3, 1, 1)]),
    _one("Softmax", axis=1), _one("Softmax"), _one("LogSoftmax", axis=-2), _one("Hardmax", axis=1),
    Case("Softmax", [(1, 3, 5, 4)], (), {"axis": 2}, opset=11),
    *(_two(op) for op in ("Add", "Sum", "Sub", "Mul", "Max", "Min", "Mean", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")),
    _two("Div", wide=False), _two("Pow", wide=False),
    Case("Add", [(1, 3, 5)], [(3, 1)]),
    Case("Sub", [COUNTED], [whole(2, 3, 4, 5)]),
    Case("Mod", [(1, 3, 4)], [(3, 1)], {"fmod": 1}, wide=False),
    Case("Mod", [COUNTED], [whole(2, -3, 4, 5)]), Case("Mod", [COUNTED], [whole(2, -3, 4, 5)], {"fmod": 1}),
    Case("Equal", [COUNTED], [whole(2, 3, -4, 5)]),
    Case("Equal", [COUNTED, COUNTED[:, :, ::-1].copy()]),
    Case("Pow", [(1, 3, 5)], [np.array([0.5, 2.5, -1.5, 3, 0], np.float32)], wide=False),
    Case("Pow", [(1, 3, 5)], [np.float32(3)]),
    Case("Pow", [(1, 3, 5)], [np.float32(11)]),
    Case("And", [TRUE], [MASK]), Case("Or", [TRUE], [MASK]), Case("Xor", [TRUE], [MASK]), Case("Not", [TRUE]),
    Case("Where", [TRUE, (3, 1, 4), (1, 3, 5, 1)]),
    Case("Where", [TRUE, (1, 3, 5, 4)], [np.float32(-7.5)]),
    Case("Concat", [(1, 3, 5), (1, 2, 5)], (), {"axis": 1}),
    Case("Concat", [(1, 3, 5), (1, 3, 2)], (), {"axis": -1}),
    Case("Cast", [(1, 3, 5)], (), {"to": 7}), Case("Cast", [COUNTED], (), {"to": 1}),
    Case("Cast", [COUNTED], (), {"to": 9}), Case("Cast", [TRUE], (), {"to": 1}),
    Case("Constant", [(1, 3, 5)], [(1, 3, 5)]),
    # windows
    Case("Conv", [(1, 6, 9, 11)], [(9, 2, 2, 3), (9,)], {"group": 3, "strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]}),
    Case("Conv", [(1, 3, 11)], [(4, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2]}),
    Case("Conv", [(1, 2, 5, 6, 7)], [(3, 2, 2, 3, 4)]),
    Case("ConvTranspose", [(1, 6, 4, 5)], [(6, 2, 4, 3), (4,)], {"group": 2, "strides": [3, 2], "pads": [1, 0, 2, 1], "output_padding": [1, 0]}),
    Case("MaxPool", [(1, 3, 9, 11)], (), {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 0, 1], "dilations": [1, 2], "ceil_mode": 1}, 2),
    Case("MaxPool", [COUNTED.astype(np.int8)], (), {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 0, 0, 1]}),
    Case("MaxPool", [(1, 3, 11)], (), {"kernel_shape": [3], "strides": [2]}, 2),
    Case("MaxPool", [(1, 2, 5, 6, 7)], (), {"kernel_shape": [2, 1, 3], "dilations": [2, 1, 1]}, 2),
    Case("AveragePool", [(1, 3, 9, 11)], (), {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1], "count_include_pad": 1}),
    Case("AveragePool", [(1, 3, 8, 11)], (), {"kernel_shape": [3, 3], "strides": [2, 3], "ceil_mode": 1, "count_include_pad": 1}),
    Case("AveragePool", [(1, 3, 8, 10)], (), {"kernel_shape": [4, 3], "strides": [3, 2], "pads": [2, 1, 2, 1], "ceil_mode": 1, "count_include_pad": 1}),
    Case("AveragePool", [(1, 3, 5, 6, 7)], (), {"kernel_shape": [2, 3, 1], "auto_pad": "SAME_LOWER"}),
    _one("GlobalAveragePool"), _one("GlobalMaxPool"), _one("GlobalLpPool", p=3),
    Case("LpPool", [(1, 3, 9, 11)], (), {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1], "strides": [2, 1]}),
    Case("LpPool", [(1, 3, 11)], (), {"kernel_shape": [3], "p": 3}),
    Case("MaxUnpool", [(1, 2, 2, 3), STOOD], (), {"kernel_shape": [2, 3], "strides": [3, 2], "pads": [0, 1, 0, 0]}, opset=11),
    Case("MaxUnpool", [(1, 2, 2, 3), STOOD], [whole(1, 2, 5, 7)], {"kernel_shape": [2, 3], "strides": [3, 2]}, opset=11),
    # taps that lie far apart, in two groups of their own, each weighed
    Case("DeformConv", [(1, 6, 6, 7), (4, 3, 3, 2), FAR * 0.8], (), {"strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 3], "group": 2, "offset_group": 2}, opset=19),
    Case("DeformConv", [(1, 4, 6, 5), (6, 2, 2, 3), FAR[:, :, :, :3], (6,), (1, 12, 4, 3)], (), {"strides": [1, 2], "pads": [0, 1, 0, 1], "group": 2, "offset_group": 2, "dilations": [2, 1]}, opset=22),
    *(Case("RoiAlign", [(1, 3, 6, 8), REGIONS, whole(0, 0, 0, 0, 0)], (), {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.7, **more}, opset=opset)
      for opset, more in ((16, {}), (16, {"coordinate_transformation_mode": "output_half_pixel"}), (10, {}))),
    Case("RoiAlign", [(2, 3, 6, 8), REGIONS, whole(1, 0, 1, 1, 0)], (), {"output_height": 1, "output_width": 2, "sampling_ratio": 3}, opset=16),
    Case("MaxRoiPool", [(1, 3, 6, 8), IMAGED], (), {"pooled_shape": [2, 3], "spatial_scale": 0.5}, opset=20),
    Case("MaxRoiPool", [(2, 3, 6, 8), IMAGED + np.array([[1.4, 0, 0, 0, 0], [0.3, 0, 0, 0, 0]] * 3, np.float32)[1:]], (), {"pooled_shape": [3, 2], "spatial_scale": 0.43}, opset=20),
    # whole numbers of few bits; what reaches them goes beyond their bounds
    Case("QuantizeLinear", [(1, 3, 5, 4)], [np.float32(0.011), np.array(130, np.uint8)]),
    Case("QuantizeLinear", [(1, 3, 5, 4)], [np.array([0.02, 0.3, 0.01], np.float32), np.array([-100, 3, 0], np.int8)]),
    Case("QuantizeLinear", [(1, 3, 5)], [np.float32(0.25)]),
    Case("QuantizeLinear", [(6, 4)], [np.linspace(0.01, 0.3, 8, dtype=np.float32).reshape(2, 4), np.arange(8, dtype=np.int16).reshape(2, 4)], {"axis": 0, "block_size": 3}, opset=21),
    Case("DequantizeLinear", [COUNTED.astype(np.int8)], [np.float32(0.07), np.array(-3, np.int8)]),
    Case("DequantizeLinear", [COUNTED.astype(np.int32)], [np.array([0.02, 0.3, 0.01], np.float32)]),
    Case("DequantizeLinear", [(COUNTED + 9).astype(np.uint8)], [np.array([0.02, 0.3, 0.01, 0.5], np.float32), np.array([0, 9, 4, 200], np.uint8)], {"axis": -1}),
    Case("QLinearConv", [(COUNTED * 9).astype(np.int8)], [
        np.float32(0.04), np.array(-7, np.int8), np.random.default_rng(3).integers(-90, 90, (4, 3, 2, 3)).astype(np.int8),
        np.array([0.01, 0.02, 0.03, 0.005], np.float32), np.zeros(4, np.int8), np.float32(0.37), np.array(-11, np.int8),
        np.array([90, -300, 20, 7], np.int32)], {"pads": [1, 0, 0, 2], "strides": [2, 1]}),
    Case("QLinearConv", [(COUNTED + 40).astype(np.uint8)], [
        np.float32(0.04), np.array(37, np.uint8), np.random.default_rng(3).integers(0, 200, (6, 1, 2, 3)).astype(np.uint8),
        np.float32(0.01), np.array(90, np.uint8), np.float32(0.11), np.array(100, np.uint8)], {"group": 3, "pads": [1, 0, 0, 2]}),
    # products
    Case("Gemm", [(1, 6)], [(4, 6), (4,)], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    Case("Gemm", [(6, 1)], [(6, 4), (1, 4)], {"transA": 1}),
    Case("MatMul", [(1, 3, 4, 5)], [(5, 6)]), Case("MatMul", [(1, 3, 4, 5), (3, 5, 6)]),
    Case("Einsum", [(1, 3, 4), (1, 5, 4)], (), {"equation": "bij,bkj->bik"}),
    Case("Einsum", [(1, 3, 4)], [(4, 5)], {"equation": "...j,jk"}),
    Case("Einsum", [(1, 2, 3, 3)], (), {"equation": "b...ii->b...i"}),
    Case("Einsum", [(1, 3, 4)], (), {"equation": "bij->bji"}),
    # normalisation
    Case("BatchNormalization", [(1, 3, 5, 4)], [(3,), (3,), (3,), (3,)], {"epsilon": 1e-3}, wide=False),
    Case("BatchNormalization", [(1, 3, 5, 4)], [(3,), (3,), (3,), (3,)], {"training_mode": 1, "momentum": 0.7}, 3, wide=False),
    Case("InstanceNormalization", [(1, 3, 5, 4)], [(3,), (3,)]),
    Case("GroupNormalization", [(1, 6, 5, 4)], [(6,), (6,)], {"num_groups": 2}, opset=21),
    Case("LayerNormalization", [(1, 3, 5, 4)], [(5, 4), (5, 4)], {"axis": -2}),
    Case("RMSNormalization", [(1, 3, 5)], [(5,)], {"epsilon": 1e-3}, opset=23),
    _one("LpNormalization", axis=1), _one("LpNormalization", p=1),
    Case("LRN", [(1, 6, 5, 4)], (), {"size": 3, "alpha": 0.2, "bias": 2.0}),
    Case("MeanVarianceNormalization", [(1, 3, 5, 4)], (), {"axes": [0, 2, 3]}),
    # reductions
    *(Case(op, [(1, 3, 5, 4)], [whole(-1, 1)], {"keepdims": 0}, wide=False) for op in (
        "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum",
        "ReduceLogSumExp", "ReduceProd",
    )),
    Case("ReduceSum", [COUNTED], [whole(2)]), Case("ReduceMax", [COUNTED], [whole(2)]),
    _one("ArgMax", axis=2), _one("ArgMax", axis=-1, keepdims=0), Case("ArgMax", [COUNTED], (), {"axis": 2, "select_last_index": 1}),
    Case("ArgMin", [COUNTED], (), {"axis": 2}), _one("ArgMin", axis=1, keepdims=0),
    Case("TopK", [(1, 3, 7)], [whole(4)], {}, 2), Case("TopK", [(1, 7, 3)], [whole(7)], {"axis": 1, "largest": 0}, 2),
    Case("CumSum", [(1, 3, 5)], [np.array(2)]), Case("CumSum", [(1, 3, 5)], [np.array(-2)], {"exclusive": 1, "reverse": 1}),
    # places named twice, or counted from the end, and updates of fewer rows than there are
    *(Case("ScatterElements", [(1, 3, 6), PLACED, (1, 2, 4)], (), {"axis": 2, "reduction": how}, opset=18) for how in ("none", "add", "mul", "max", "min")),
    *(Case("ScatterND", [(4, 5, 3)], [PAIRS, (2, 3, 3)], {"reduction": how}, opset=18) for how in ("add", "mul", "max")),
    Case("ScatterElements", [(1, 3, 6)], [PLACED, (1, 2, 4)], {"axis": 2}), Case("ScatterElements", [(1, 3, 6)], [PLACED, (1, 2, 4)], {"axis": 2, "reduction": "add"}, opset=18),
    Case("GatherElements", [(1, 3, 6), PLACED], (), {"axis": 2}),
    Case("Scatter", [(1, 3, 6), PLACED, (1, 2, 4)], (), {"axis": 2}, opset=10),
    *(Case("ScatterND", [(4, 5, 3), PAIRS, (2, 3, 3)], (), {"reduction": how}, opset=18) for how in ("none", "add", "mul", "max", "min")),
    Case("ScatterND", [(4, 5, 3)], [PAIRS, (2, 3, 3)]), Case("ScatterND", [(4, 5, 3)], [whole(2).reshape(1, 1), (1, 5, 3)]),
    *(Case("GridSample", [(1, 3, 5, 4), GRID], (), {"mode": mode, "padding_mode": beyond, "align_corners": aligned})
      for mode, beyond, aligned in (
          ("linear", "zeros", 0), ("linear", "border", 1), ("linear", "reflection", 0), ("nearest", "zeros", 1),
          ("nearest", "border", 0), ("nearest", "reflection", 0), ("cubic", "zeros", 0), ("cubic", "border", 0),
          ("cubic", "reflection", 1), ("cubic", "reflection", 0),
      )),
    Case("GridSample", [(1, 3, 5, 4), GRID], (), {"mode": "bilinear"}, opset=16),
    Case("GridSample", [(1, 2, 4, 5, 6), BOXES], (), {"padding_mode": "border"}),
    Case("GridSample", [(1, 2, 4, 5, 6), BOXES], (), {"mode": "nearest", "padding_mode": "reflection", "align_corners": 1}),
    Case("GridSample", [(1, 3, 5, 4)], [GRID]),
    Case("AffineGrid", [(1, 2, 3)], [whole(1, 3, 5, 4)]), Case("AffineGrid", [(1, 3, 4)], [whole(1, 2, 3, 5, 4)], {"align_corners": 1}),
    # resizing
    Case("Resize", [(1, 3, 5, 4)], [None, np.array([1, 1, 2, 3], np.float32)], {"mode": "nearest"}),
    Case("Resize", [(1, 3, 5, 4)], [None, None, whole(1, 3, 8, 9)], {"mode": "nearest", "coordinate_transformation_mode": "align_corners", "nearest_mode": "floor"}),
    Case("Resize", [(1, 3, 5, 4)], [None, None, whole(1, 3, 8, 3)], {"mode": "linear"}),
    Case("Resize", [(1, 3, 7)], [None, None, whole(1, 3, 10)], {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    Case("Resize", [(1, 2, 3, 5, 4)], [None, None, whole(1, 2, 4, 7, 3)], {"mode": "linear"}),
    Case("Resize", [(1, 3, 5, 4)], [None, np.array([1, 1, 1.7, 0.6], np.float32)], {"mode": "cubic", "exclude_outside": 1}),
    Case("Resize", [(1, 3, 15, 14)], [None, None, whole(1, 3, 6, 9)], {"mode": "cubic", "antialias": 1}),
    Case("Resize", [(1, 3, 5, 4)], [np.array([0, 0, 0.3, -0.2, 1, 1, 1.3, 0.7], np.float32), None, whole(1, 3, 8, 9)],
         {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 9.0}),
    Case("Upsample", [(1, 3, 5, 4)], [np.array([1, 1, 2, 3], np.float32)], {"mode": "nearest"}, opset=9),
    # moved
    Case("Reshape", [(1, 3, 4, 5)], [whole(0, -1, 5)]), Case("Reshape", [COUNTED], [whole(1, 15, 4)]),
    _one("Flatten"), Case("Squeeze", [(1, 3, 1, 5)], [whole(2)]), Case("Unsqueeze", [(1, 3, 5)], [whole(-1, 1)]),
    _one("Transpose", perm=[0, 3, 1, 2]), Case("Transpose", [TRUE], (), {"perm": [0, 2, 3, 1]}),
    Case("Slice", [(1, 7, 9)], [whole(1, -2), whole(6, -9), whole(1, 2), whole(2, -3)]),
    Case("Slice", [COUNTED], [whole(1), whole(4), whole(2)]),
    Case("Split", [(1, 7, 5)], [whole(2, 4, 1)], {"axis": 1}, 3),
    Case("Gather", [(1, 7, 5)], [whole(6, 0, 2, 2)], {"axis": 1}),
    Case("Gather", [(1, 7, 5)], [np.array([[6, 0, 2], [1, -1, 4]])], {"axis": 1}),
    Case("Gather", [(1, 7, 5)], [np.array(-2)], {"axis": 2}),
    Case("Gather", [(1, 7, 5), np.array([6, 0, -2])], (), {"axis": 1}),
    Case("Gather", [np.array([[5, 0, -1, 2]])], [(6, 3)], {"axis": 0}),
    Case("GatherElements", [(1, 3, 4)], [np.array([[[3, 0], [1, 1], [-1, 2]]])], {"axis": 2}),
    Case("GatherND", [(2, 3, 4)], [np.array([[1, 2], [0, -1], [1, 0]])]),
    Case("GatherND", [(4, 5, 3), SEVERAL[0]], ()), Case("GatherND", [(1, 5, 4, 3), SEVERAL[:, :, :, :1]], (), {"batch_dims": 1}),
    Case("GatherND", [(1, 3, 4, 5, 2), SEVERAL], (), {"batch_dims": 2}),
    Case("Pad", [(1, 3, 5, 4)], [whole(0, 0, 1, 2, 0, 0, 3, 0), np.float32(1.5)]),
    Case("Pad", [(1, 3, 5, 4)], [whole(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "reflect"}),
    Case("Pad", [(1, 3, 5, 4)], [whole(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "edge"}),
    Case("Pad", [(1, 3, 5, 4)], [whole(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "wrap"}, opset=19),
    Case("Expand", [(1, 3, 1)], [whole(1, 3, 5)]), Case("Tile", [(1, 3, 5)], [whole(1, 2, 3)]),
    Case("DepthToSpace", [(1, 8, 3, 5)], (), {"blocksize": 2}), Case("DepthToSpace", [(1, 8, 3, 5)], (), {"blocksize": 2, "mode": "CRD"}),
    Case("SpaceToDepth", [(1, 3, 4, 6)], (), {"blocksize": 2}),
    Case("Col2Im", [(1, 12, 15)], [whole(5, 6), whole(2, 3)], {"strides": [1, 2], "pads": [0, 1, 1, 0], "dilations": [1, 1]}),
    Case("Trilu", [(1, 3, 5, 4)], [np.array(1)]), Case("Trilu", [(1, 3, 5, 4)], [np.array(-1)], {"upper": 0}),
    _one("Dropout"),
]  # fmt: skip
