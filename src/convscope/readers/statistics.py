"""`convscope.summary`: in the place of torchinfo.summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from convscope.errors import SettingError
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from convscope.readers.torch.statistics import ModelStatistics


def summary(
    model: Any,
    input_size: Any = None,
    input_data: Any = None,
    batch_dim: int | None = None,
    cache_forward_pass: bool | None = None,
    col_names: Iterable[str] | None = None,
    col_width: int = 25,
    depth: int = 3,
    device: Any = None,
    dtypes: Sequence[Any] | None = None,
    mode: str | None = None,
    row_settings: Iterable[str] | None = None,
    verbose: int | None = None,
    **kwargs: Any,
) -> ModelStatistics:
    """Print a PyTorch module as torchinfo.summary does, and return an object that holds the same totals.

    model           a torch.nn.Module; nothing of it changes
    input_size      the shape of its input, batch included: (1, 3, 224, 224); several in a list; or input_data: what
                    it is called with (a list or a tuple is its arguments, a dict is by name). Without either,
                    parameters alone
    batch_dim       where the batch goes, if input_size is without it
    cache_forward_pass   taken as torchinfo takes it; every call runs the forward, so that no table is an old one
    col_names       input_size, output_size, num_params, params_percent, kernel_size, groups, mult_adds, trainable
    col_width       how wide each of them is
    depth           how many levels of modules are shown
    dtypes          of the inputs that are made
    device          where the forward runs: on a copy of the module there, if the module itself is elsewhere and stays
                    so; "meta" computes shapes and no numbers. By default where the module is
    mode            "eval" (the default), "train" or "same"
    row_settings    ascii_only, depth, hide_recursive_layers, var_names
    verbose         0 for no printing (where Python is spoken to, which shows what comes back), 1 for the table (the
                    default elsewhere), 2 with a row for every weight: its shape under kernel_size
    kwargs          what the module is called with by name

    The object has total_params, trainable_params, total_mult_adds, total_input, total_output_bytes and
    total_param_bytes (bytes), input_size, and summary_list with a line for each row; its str() is the table. Raises `SettingError` for what cannot be asked,
    `ForwardError` where the forward fails.

    >>> import torch
    >>> found = summary(torch.nn.Conv2d(3, 8, 5), input_size=(2, 3, 9, 10), verbose=0)
    >>> found.total_params, found.total_mult_adds
    (608, 36480)
    """
    import sys

    if "torch" not in sys.modules:
        raise SettingError(f"summary takes a torch.nn.Module, not {type(model).__name__}")
    from convscope.readers.torch.statistics import show, statistics

    found = statistics(
        model, input_size, input_data, batch_dim, col_names, col_width, depth, device, dtypes, mode,
        row_settings, verbose, kwargs,
    )  # fmt: skip
    show(found, verbose)
    return found
