"""Written by scripts/stubs.py from the layers themselves; not to be edited."""

from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias

from convscope.building import Input as Input
from convscope.building import Model as Model
from convscope.building import Sequential as Sequential
from convscope.layers.activation import Activation as _Activation
from convscope.layers.adaptive_pooling import AdaptiveAveragePooling1D as _AdaptiveAveragePooling1D
from convscope.layers.adaptive_pooling import AdaptiveAveragePooling2D as _AdaptiveAveragePooling2D
from convscope.layers.adaptive_pooling import AdaptiveAveragePooling3D as _AdaptiveAveragePooling3D
from convscope.layers.adaptive_pooling import AdaptiveMaxPooling1D as _AdaptiveMaxPooling1D
from convscope.layers.adaptive_pooling import AdaptiveMaxPooling2D as _AdaptiveMaxPooling2D
from convscope.layers.adaptive_pooling import AdaptiveMaxPooling3D as _AdaptiveMaxPooling3D
from convscope.layers.arithmetic import Arithmetic as _Arithmetic
from convscope.layers.attention import Attention as _Attention
from convscope.layers.batch_normalization import BatchNormalization as _BatchNormalization
from convscope.layers.center_crop import CenterCrop as _CenterCrop
from convscope.layers.concatenate import Concatenate as _Concatenate
from convscope.layers.convolution import Conv1D as _Conv1D
from convscope.layers.convolution import Conv2D as _Conv2D
from convscope.layers.convolution import Conv3D as _Conv3D
from convscope.layers.cropping import Cropping1D as _Cropping1D
from convscope.layers.cropping import Cropping2D as _Cropping2D
from convscope.layers.cropping import Cropping3D as _Cropping3D
from convscope.layers.dense import Dense as _Dense
from convscope.layers.depthwise import DepthwiseConv1D as _DepthwiseConv1D
from convscope.layers.depthwise import DepthwiseConv2D as _DepthwiseConv2D
from convscope.layers.dot import Dot as _Dot
from convscope.layers.dropout import ActivityRegularization as _ActivityRegularization
from convscope.layers.dropout import AlphaDropout as _AlphaDropout
from convscope.layers.dropout import Dropout as _Dropout
from convscope.layers.dropout import GaussianDropout as _GaussianDropout
from convscope.layers.dropout import GaussianNoise as _GaussianNoise
from convscope.layers.dropout import SpatialDropout1D as _SpatialDropout1D
from convscope.layers.dropout import SpatialDropout2D as _SpatialDropout2D
from convscope.layers.dropout import SpatialDropout3D as _SpatialDropout3D
from convscope.layers.einsum_dense import EinsumDense as _EinsumDense
from convscope.layers.elu import ELU as _ELU
from convscope.layers.embedding import Embedding as _Embedding
from convscope.layers.flatten import Flatten as _Flatten
from convscope.layers.global_pooling import GlobalAveragePooling1D as _GlobalAveragePooling1D
from convscope.layers.global_pooling import GlobalAveragePooling2D as _GlobalAveragePooling2D
from convscope.layers.global_pooling import GlobalAveragePooling3D as _GlobalAveragePooling3D
from convscope.layers.global_pooling import GlobalMaxPooling1D as _GlobalMaxPooling1D
from convscope.layers.global_pooling import GlobalMaxPooling2D as _GlobalMaxPooling2D
from convscope.layers.global_pooling import GlobalMaxPooling3D as _GlobalMaxPooling3D
from convscope.layers.group_normalization import GroupNormalization as _GroupNormalization
from convscope.layers.identity import Identity as _Identity
from convscope.layers.input_layer import InputLayer as _InputLayer
from convscope.layers.layer_normalization import LayerNormalization as _LayerNormalization
from convscope.layers.layer_scale import CustomScaleLayer as _CustomScaleLayer
from convscope.layers.layer_scale import LayerScale as _LayerScale
from convscope.layers.leaky_relu import LeakyReLU as _LeakyReLU
from convscope.layers.merging import Add as _Add
from convscope.layers.merging import Average as _Average
from convscope.layers.merging import Maximum as _Maximum
from convscope.layers.merging import Minimum as _Minimum
from convscope.layers.merging import Multiply as _Multiply
from convscope.layers.merging import Subtract as _Subtract
from convscope.layers.multi_head_attention import GroupQueryAttention as _GroupQueryAttention
from convscope.layers.multi_head_attention import MultiHeadAttention as _MultiHeadAttention
from convscope.layers.normalization import Normalization as _Normalization
from convscope.layers.operation import Operation as _Operation
from convscope.layers.permute import Permute as _Permute
from convscope.layers.pooling import AveragePooling1D as _AveragePooling1D
from convscope.layers.pooling import AveragePooling2D as _AveragePooling2D
from convscope.layers.pooling import AveragePooling3D as _AveragePooling3D
from convscope.layers.pooling import MaxPooling1D as _MaxPooling1D
from convscope.layers.pooling import MaxPooling2D as _MaxPooling2D
from convscope.layers.pooling import MaxPooling3D as _MaxPooling3D
from convscope.layers.prelu import PReLU as _PReLU
from convscope.layers.relu import ReLU as _ReLU
from convscope.layers.repeat_vector import RepeatVector as _RepeatVector
from convscope.layers.rescaling import Rescaling as _Rescaling
from convscope.layers.reshape import Reshape as _Reshape
from convscope.layers.resizing import Resizing as _Resizing
from convscope.layers.rms_normalization import RMSNormalization as _RMSNormalization
from convscope.layers.separable import SeparableConv1D as _SeparableConv1D
from convscope.layers.separable import SeparableConv2D as _SeparableConv2D
from convscope.layers.softmax import Softmax as _Softmax
from convscope.layers.transposed import Conv1DTranspose as _Conv1DTranspose
from convscope.layers.transposed import Conv2DTranspose as _Conv2DTranspose
from convscope.layers.transposed import Conv3DTranspose as _Conv3DTranspose
from convscope.layers.unit_normalization import UnitNormalization as _UnitNormalization
from convscope.layers.up_sampling import UpSampling1D as _UpSampling1D
from convscope.layers.up_sampling import UpSampling2D as _UpSampling2D
from convscope.layers.up_sampling import UpSampling3D as _UpSampling3D
from convscope.layers.wrapping import SpectralNormalization as _SpectralNormalization
from convscope.layers.wrapping import TimeDistributed as _TimeDistributed
from convscope.layers.zero_padding import ZeroPadding1D as _ZeroPadding1D
from convscope.layers.zero_padding import ZeroPadding2D as _ZeroPadding2D
from convscope.layers.zero_padding import ZeroPadding3D as _ZeroPadding3D
from convscope.learning import callbacks as callbacks
from convscope.learning import constraints as constraints
from convscope.learning import losses as losses
from convscope.learning import metrics as metrics
from convscope.learning import optimizers as optimizers
from convscope.learning import regularizers as regularizers
from convscope.network import Network as Network
from convscope.network.run import Run as Run
from convscope.readers import open as open
from convscope.readers.comparison import compare as compare
from convscope.readers.statistics import summary as summary
from convscope.version import __version__ as __version__

_Int: TypeAlias = SupportsIndex  # a whole number, numpy's too
_Extent: TypeAlias = _Int | str  # or the name of a symbol
_Shape: TypeAlias = Sequence[_Extent | None]
_Ints: TypeAlias = _Int | Sequence[_Int]
_Pair: TypeAlias = _Int | tuple[_Int, _Int] | list[int]  # before and after
_Extents1: TypeAlias = _Extent | tuple[_Extent] | list[int] | list[str] | list[_Extent]
_Whole1: TypeAlias = _Int | tuple[_Int] | list[int]
_Borders1: TypeAlias = _Pair | tuple[_Pair] | list[list[int]] | list[tuple[int, int]]
_Extents2: TypeAlias = _Extent | tuple[_Extent, _Extent] | list[int] | list[str] | list[_Extent]
_Whole2: TypeAlias = _Int | tuple[_Int, _Int] | list[int]
_Borders2: TypeAlias = _Int | list[int] | tuple[_Pair, _Pair] | list[list[int]] | list[tuple[int, int]]
_Extents3: TypeAlias = _Extent | tuple[_Extent, _Extent, _Extent] | list[int] | list[str] | list[_Extent]
_Whole3: TypeAlias = _Int | tuple[_Int, _Int, _Int] | list[int]
_Borders3: TypeAlias = _Int | list[int] | tuple[_Pair, _Pair, _Pair] | list[list[int]] | list[tuple[int, int]]

__all__ = [
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AlphaDropout",
    "Arithmetic",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "CenterCrop",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "CustomScaleLayer",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "ELU",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Identity",
    "Input",
    "InputLayer",
    "LayerNormalization",
    "LayerScale",
    "LeakyReLU",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "Model",
    "MultiHeadAttention",
    "Multiply",
    "Network",
    "Normalization",
    "Operation",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Resizing",
    "Run",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "Sequential",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpectralNormalization",
    "Subtract",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "callbacks",
    "compare",
    "constraints",
    "losses",
    "metrics",
    "optimizers",
    "regularizers",
    "summary",
]

class Activation(_Activation):
    """An activation function applied to every number: the shape stays as it is."""

    def __init__(
        self,
        activation: str | None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class ActivityRegularization(_ActivityRegularization):
    """Every number as it is; during training large ones are penalised."""

    def __init__(
        self,
        l1: float = 0.0,
        l2: float = 0.0,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AdaptiveAveragePooling1D(_AdaptiveAveragePooling1D):
    """The mean of each of so many parts of each channel: (steps, channels) → (size, channels)."""

    def __init__(
        self,
        output_size: _Whole1,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AdaptiveAveragePooling2D(_AdaptiveAveragePooling2D):
    """The mean of each of so many parts of each map: (rows, columns, channels) → (height, width, channels)."""

    def __init__(
        self,
        output_size: _Whole2,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AdaptiveAveragePooling3D(_AdaptiveAveragePooling3D):
    """The mean of each of so many parts of each volume: (planes, rows, columns, channels) → (depth, height, width, channels)."""

    def __init__(
        self,
        output_size: _Whole3,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AdaptiveMaxPooling1D(_AdaptiveMaxPooling1D):
    """The largest number of each of so many parts of each channel: (steps, channels) → (size, channels)."""

    def __init__(
        self,
        output_size: _Whole1,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AdaptiveMaxPooling2D(_AdaptiveMaxPooling2D):
    """The largest number of each of so many parts of each map: (rows, columns, channels) → (height, width, channels)."""

    def __init__(
        self,
        output_size: _Whole2,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AdaptiveMaxPooling3D(_AdaptiveMaxPooling3D):
    """The largest number of each of so many parts of each volume: (planes, rows, columns, channels) → (depth, height, width, channels)."""

    def __init__(
        self,
        output_size: _Whole3,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Add(_Add):
    """The sum of the inputs at each position."""

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AlphaDropout(_AlphaDropout):
    """Every number as it is; during training a share is set to where selu saturates."""

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Arithmetic(_Arithmetic):
    """Every number and one constant, added, subtracted, multiplied, divided, or the larger of the two."""

    def __init__(
        self,
        operation: str,
        value: float,
        reverse: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Attention(_Attention):
    """A weighed mean of values for each query: (T, d) and (S, o) → (T, o)."""

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = 'dot',
        dropout: float = 0.0,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Average(_Average):
    """The mean of the inputs at each position."""

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AveragePooling1D(_AveragePooling1D):
    """The mean of each window of steps: (steps, channels) → (fewer steps, channels)."""

    def __init__(
        self,
        pool_size: _Extents1 = 2,
        strides: _Extents1 | None = None,
        padding: str = 'valid',
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AveragePooling2D(_AveragePooling2D):
    """The mean of each window: (rows, columns, channels) → (fewer, fewer, channels)."""

    def __init__(
        self,
        pool_size: _Extents2 = 2,
        strides: _Extents2 | None = None,
        padding: str = 'valid',
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class AveragePooling3D(_AveragePooling3D):
    """The mean of each window of planes, rows and columns."""

    def __init__(
        self,
        pool_size: _Extents3 = 2,
        strides: _Extents3 | None = None,
        padding: str = 'valid',
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class BatchNormalization(_BatchNormalization):
    """Each channel shifted and scaled by numbers found in training; the shape stays as it is."""

    def __init__(
        self,
        axis: _Int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = 'zeros',
        gamma_initializer: Any = 'ones',
        moving_mean_initializer: Any = 'zeros',
        moving_variance_initializer: Any = 'ones',
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class CenterCrop(_CenterCrop):
    """The middle of each map: (rows, columns, channels) → (height, width, channels)."""

    def __init__(
        self,
        height: _Int,
        width: _Int,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Concatenate(_Concatenate):
    """One input after another along an axis, as when maps of two branches are stacked."""

    def __init__(
        self,
        axis: _Int = -1,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Conv1D(_Conv1D):
    """A convolution along one axis: (steps, channels) → (steps', filters)."""

    def __init__(
        self,
        filters: _Extent | None,
        kernel_size: _Extents1,
        strides: _Extents1 = 1,
        padding: str = 'valid',
        data_format: str | None = None,
        dilation_rate: _Extents1 = 1,
        groups: _Int = 1,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Conv1DTranspose(_Conv1DTranspose):
    """A transposed convolution along one axis: (steps, channels) → (more steps, filters)."""

    def __init__(
        self,
        filters: _Extent | None,
        kernel_size: _Extents1,
        strides: _Extents1 = 1,
        padding: str = 'valid',
        output_padding: _Whole1 | None = None,
        data_format: str | None = None,
        dilation_rate: _Extents1 = 1,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Conv2D(_Conv2D):
    """A convolution over rows and columns: (rows, columns, channels) → (rows', columns', filters)."""

    def __init__(
        self,
        filters: _Extent | None,
        kernel_size: _Extents2,
        strides: _Extents2 = 1,
        padding: str = 'valid',
        data_format: str | None = None,
        dilation_rate: _Extents2 = 1,
        groups: _Int = 1,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Conv2DTranspose(_Conv2DTranspose):
    """A transposed convolution: every pixel is spread over a window of a larger map."""

    def __init__(
        self,
        filters: _Extent | None,
        kernel_size: _Extents2,
        strides: _Extents2 = 1,
        padding: str = 'valid',
        output_padding: _Whole2 | None = None,
        data_format: str | None = None,
        dilation_rate: _Extents2 = 1,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Conv3D(_Conv3D):
    """A convolution over planes, rows and columns, as for volumes and films."""

    def __init__(
        self,
        filters: _Extent | None,
        kernel_size: _Extents3,
        strides: _Extents3 = 1,
        padding: str = 'valid',
        data_format: str | None = None,
        dilation_rate: _Extents3 = 1,
        groups: _Int = 1,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Conv3DTranspose(_Conv3DTranspose):
    """A transposed convolution over planes, rows and columns."""

    def __init__(
        self,
        filters: _Extent | None,
        kernel_size: _Extents3,
        strides: _Extents3 = 1,
        padding: str = 'valid',
        data_format: str | None = None,
        output_padding: _Whole3 | None = None,
        dilation_rate: _Extents3 = 1,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Cropping1D(_Cropping1D):
    """The steps without the first and last few: (steps, channels) → (fewer steps, channels)."""

    def __init__(
        self,
        cropping: _Borders1 = (1, 1),
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Cropping2D(_Cropping2D):
    """Each map without its border: (rows, columns, channels) → (fewer, fewer, channels)."""

    def __init__(
        self,
        cropping: _Borders2 = ((0, 0), (0, 0)),
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Cropping3D(_Cropping3D):
    """Each volume without its border."""

    def __init__(
        self,
        cropping: _Borders3 = ((1, 1), (1, 1), (1, 1)),
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class CustomScaleLayer(_CustomScaleLayer):
    """The first input plus the second times a constant, as in Inception-ResNet."""

    def __init__(
        self,
        scale: float,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Dense(_Dense):
    """A dense (fully connected) layer: (…, channels) → (…, units)."""

    def __init__(
        self,
        units: _Extent | None,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class DepthwiseConv1D(_DepthwiseConv1D):
    """A depthwise convolution along one axis: (steps, channels) → (steps', channels · M)."""

    def __init__(
        self,
        kernel_size: _Extents1,
        strides: _Extents1 = 1,
        padding: str = 'valid',
        depth_multiplier: _Int = 1,
        data_format: str | None = None,
        dilation_rate: _Whole1 = 1,
        activation: str | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class DepthwiseConv2D(_DepthwiseConv2D):
    """A depthwise convolution: each map is convolved by filters of its own, and stays apart."""

    def __init__(
        self,
        kernel_size: _Extents2,
        strides: _Extents2 = 1,
        padding: str = 'valid',
        depth_multiplier: _Int = 1,
        data_format: str | None = None,
        dilation_rate: _Whole2 = 1,
        activation: str | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Dot(_Dot):
    """Products of two inputs, summed along one axis of each: (a, k) and (b, k) → (a, b)."""

    def __init__(
        self,
        axes: _Ints,
        normalize: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Dropout(_Dropout):
    """Every number as it is; during training a share `rate` of them is set to 0."""

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class ELU(_ELU):
    """Every x below 0 becomes alpha · (e^x − 1); the shape stays as it is."""

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class EinsumDense(_EinsumDense):
    """A dense layer over any axes, named by letters: "abc,cd->abd" sums over c at each a and b."""

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: str | None = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        gptq_unpacked_column_size: None = None,
        quantization_config: None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Embedding(_Embedding):
    """A row of numbers for each whole number: (…) → (…, output_dim)."""

    def __init__(
        self,
        input_dim: _Int,
        output_dim: _Int,
        embeddings_initializer: Any = 'uniform',
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Flatten(_Flatten):
    """All numbers in one row: (rows, columns, channels) → (rows · columns · channels,)."""

    def __init__(
        self,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GaussianDropout(_GaussianDropout):
    """Every number as it is; during training each is multiplied by noise around 1."""

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GaussianNoise(_GaussianNoise):
    """Every number as it is; during training noise is added."""

    def __init__(
        self,
        stddev: float,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GlobalAveragePooling1D(_GlobalAveragePooling1D):
    """The mean of each channel: (steps, channels) → (channels,)."""

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GlobalAveragePooling2D(_GlobalAveragePooling2D):
    """The mean of each map: (rows, columns, channels) → (channels,)."""

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GlobalAveragePooling3D(_GlobalAveragePooling3D):
    """The mean of each volume: (planes, rows, columns, channels) → (channels,)."""

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GlobalMaxPooling1D(_GlobalMaxPooling1D):
    """The largest number of each channel: (steps, channels) → (channels,)."""

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GlobalMaxPooling2D(_GlobalMaxPooling2D):
    """The largest number of each map: (rows, columns, channels) → (channels,)."""

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GlobalMaxPooling3D(_GlobalMaxPooling3D):
    """The largest number of each volume: (planes, rows, columns, channels) → (channels,)."""

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GroupNormalization(_GroupNormalization):
    """Groups of neighbouring channels, each over the whole map, shifted to mean 0 and scaled to variance 1."""

    def __init__(
        self,
        groups: _Int = 32,
        axis: _Int = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = 'zeros',
        gamma_initializer: Any = 'ones',
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class GroupQueryAttention(_GroupQueryAttention):
    """Attention in heads of which several share a key and a value: (T, c) and (S, c) → (T, c)."""

    def __init__(
        self,
        head_dim: _Int,
        num_query_heads: _Int,
        num_key_value_heads: _Int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: None = None,
        flash_attention: Any = None,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Identity(_Identity):
    """Every number as it is."""

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class InputLayer(_InputLayer):
    """The images as they are given: it only says what shape they have."""

    def __init__(
        self,
        shape: _Shape | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: _Shape | None = None,
        input_tensor: None = None,
        optional: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
    ) -> None: ...

class LayerNormalization(_LayerNormalization):
    """Each place's channels shifted to mean 0 and scaled to variance 1; the shape stays as it is."""

    def __init__(
        self,
        axis: _Ints = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = 'zeros',
        gamma_initializer: Any = 'ones',
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class LayerScale(_LayerScale):
    """Every number times a learned factor of its channel, as in ConvNeXt."""

    def __init__(
        self,
        init_values: float,
        projection_dim: _Extent | None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class LeakyReLU(_LeakyReLU):
    """Every number below 0 is made smaller instead of 0; the shape stays as it is."""

    def __init__(
        self,
        negative_slope: float = 0.3,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class MaxPooling1D(_MaxPooling1D):
    """The largest of each window of steps: (steps, channels) → (fewer steps, channels)."""

    def __init__(
        self,
        pool_size: _Extents1 = 2,
        strides: _Extents1 | None = None,
        padding: str = 'valid',
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class MaxPooling2D(_MaxPooling2D):
    """The largest number of each window: (rows, columns, channels) → (fewer, fewer, channels)."""

    def __init__(
        self,
        pool_size: _Extents2 = 2,
        strides: _Extents2 | None = None,
        padding: str = 'valid',
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class MaxPooling3D(_MaxPooling3D):
    """The largest number of each window of planes, rows and columns."""

    def __init__(
        self,
        pool_size: _Extents3 = 2,
        strides: _Extents3 | None = None,
        padding: str = 'valid',
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Maximum(_Maximum):
    """The largest of the inputs at each position."""

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Minimum(_Minimum):
    """The smallest of the inputs at each position."""

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class MultiHeadAttention(_MultiHeadAttention):
    """Attention in heads: (T, c) and (S, c) → (T, c), or over the rows and columns of maps."""

    def __init__(
        self,
        num_heads: _Int,
        key_dim: _Int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: _Ints | None = None,
        sliding_window: None = None,
        flash_attention: Any = None,
        kernel_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Multiply(_Multiply):
    """The product of the inputs at each position."""

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Normalization(_Normalization):
    """Every channel shifted to mean 0 and scaled to variance 1, by numbers that do not depend on the image."""

    def __init__(
        self,
        axis: _Ints | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Operation(_Operation):
    """One operation of keras.ops: on every number, along axes, or on where numbers lie."""

    def __init__(
        self,
        operation: str,
        options: Mapping[str, Any] | None = None,
        given: Sequence[Any] | None = None,
        output: _Int = 0,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class PReLU(_PReLU):
    """Every number below 0 is multiplied by a learned slope; the shape stays as it is."""

    def __init__(
        self,
        alpha_initializer: Any = 'zeros',
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: _Ints | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Permute(_Permute):
    """The axes in another order: Permute((3, 1, 2)) puts the third first."""

    def __init__(
        self,
        dims: Sequence[int],
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class RMSNormalization(_RMSNormalization):
    """Each place's channels divided by the root of their mean square; the shape stays as it is."""

    def __init__(
        self,
        axis: _Ints = -1,
        epsilon: float = 1e-06,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class ReLU(_ReLU):
    """Every number below 0 becomes 0; the shape stays as it is."""

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class RepeatVector(_RepeatVector):
    """The same row n times: (channels,) → (n, channels)."""

    def __init__(
        self,
        n: _Extent | None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Rescaling(_Rescaling):
    """Every number · scale + offset; the shape stays as it is."""

    def __init__(
        self,
        scale: Any,
        offset: Any = 0.0,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Reshape(_Reshape):
    """The same numbers in the same order, in another shape."""

    def __init__(
        self,
        target_shape: _Shape | None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Resizing(_Resizing):
    """Each map made of another size: (rows, columns, channels) → (height, width, channels)."""

    def __init__(
        self,
        height: _Int,
        width: _Int,
        interpolation: str = 'bilinear',
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = 'constant',
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class SeparableConv1D(_SeparableConv1D):
    """A separable convolution along one axis: (steps, channels) → (steps', filters)."""

    def __init__(
        self,
        filters: _Extent | None,
        kernel_size: _Extents1,
        strides: _Extents1 = 1,
        padding: str = 'valid',
        data_format: str | None = None,
        dilation_rate: _Whole1 = 1,
        depth_multiplier: _Int = 1,
        activation: str | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = 'glorot_uniform',
        pointwise_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class SeparableConv2D(_SeparableConv2D):
    """A separable convolution: each map by a filter of its own, then mixed at each place."""

    def __init__(
        self,
        filters: _Extent | None,
        kernel_size: _Extents2,
        strides: _Extents2 = 1,
        padding: str = 'valid',
        data_format: str | None = None,
        dilation_rate: _Whole2 = 1,
        depth_multiplier: _Int = 1,
        activation: str | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = 'glorot_uniform',
        pointwise_initializer: Any = 'glorot_uniform',
        bias_initializer: Any = 'zeros',
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Softmax(_Softmax):
    """Numbers along an axis become shares that add up to 1; the shape stays as it is."""

    def __init__(
        self,
        axis: _Ints = -1,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class SpatialDropout1D(_SpatialDropout1D):
    """Every number as it is; during training whole channels are set to 0."""

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class SpatialDropout2D(_SpatialDropout2D):
    """Every number as it is; during training whole maps are set to 0."""

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class SpatialDropout3D(_SpatialDropout3D):
    """Every number as it is; during training whole volumes are set to 0."""

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class SpectralNormalization(_SpectralNormalization):
    """A layer whose kernel training divides by its largest singular value; once trained, the layer itself."""

    def __init__(
        self,
        layer: Any,
        power_iterations: _Int = 1,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class Subtract(_Subtract):
    """The first input minus the second at each position."""

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class TimeDistributed(_TimeDistributed):
    """The same layer at every step: (steps, …) → (steps, whatever the layer makes of …)."""

    def __init__(
        self,
        layer: Any,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class UnitNormalization(_UnitNormalization):
    """Each place's channels divided by the root of the sum of their squares; the shape stays as it is."""

    def __init__(
        self,
        axis: _Ints = -1,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class UpSampling1D(_UpSampling1D):
    """Every step several times: (steps, channels) → (steps · size, channels)."""

    def __init__(
        self,
        size: _Whole1 = 2,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class UpSampling2D(_UpSampling2D):
    """Each map enlarged: (rows, columns, channels) → (rows · size, columns · size, channels)."""

    def __init__(
        self,
        size: _Whole2 = (2, 2),
        data_format: str | None = None,
        interpolation: str = 'nearest',
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class UpSampling3D(_UpSampling3D):
    """Each volume enlarged by whole factors."""

    def __init__(
        self,
        size: _Whole3 = (2, 2, 2),
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class ZeroPadding1D(_ZeroPadding1D):
    """Zeros before the first step and after the last: (steps, channels) → (more steps, channels)."""

    def __init__(
        self,
        padding: _Borders1 = 1,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class ZeroPadding2D(_ZeroPadding2D):
    """A border of zeros around each map: (rows, columns, channels) → (more, more, channels)."""

    def __init__(
        self,
        padding: _Borders2 = 1,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

class ZeroPadding3D(_ZeroPadding3D):
    """A border of zeros around each volume."""

    def __init__(
        self,
        padding: _Borders3 = 1,
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: _Shape | None = None,
        batch_input_shape: _Shape | None = None,
        batch_shape: _Shape | None = None,
        input_dim: _Extent | None = None,
        weights: Sequence[Any] | None = None,
        trainable: bool = True,
        dtype: str | None = None,
    ) -> None: ...

AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
Convolution1D = Conv1D
Convolution1DTranspose = Conv1DTranspose
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
Convolution3D = Conv3D
Convolution3DTranspose = Conv3DTranspose
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
