"""The settings of a recorded operator under the names of PyTorch's modules, and what may stand in their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convscope.aten.layer import Operator, Use
from convscope.aten.rule import Weight
from convscope.errors import SettingError, UnsupportedError
from convscope.model.editing import Edit, shown
from convscope.readers.torch.graph import TorchGraph
from convscope.typed import Record

LARGEST = 1 << 31


class Form(Record):
    """One setting: its value, and what may stand in its place.

    many    how many numbers "sizes" are
    words   that may stand there too
    """

    value: Any
    kind: str
    many: int = 0
    words: tuple[str, ...] = ()


def editable(graph: TorchGraph, layer: str) -> dict[str, dict[str, Any]]:
    """Return a layer's settings as a form can offer them; {} for what has none."""
    operator = graph.node(layer).layer
    if operator.opaque or not isinstance(operator, Operator):
        return {}
    found = {}
    for name, form in settings_of(operator.use).items():
        value = list(form.value) if isinstance(form.value, tuple) else form.value
        found[name] = {"value": value, "kind": form.kind}
        if form.kind == "sizes":
            found[name]["count"] = form.many
        if form.kind == "choice":
            found[name]["choices"] = list(form.words)
    return found


def spatial(use: Use) -> int:
    """Return along how many axes the window of an operator slides; 0 for an operator without one."""
    for count in (1, 2, 3):
        if use.op.removesuffix("_with_indices").endswith(f"{count}d"):
            return count
    return 0


def settings_of(use: Use) -> dict[str, Form]:
    """Return the settings of an operator under the names of PyTorch's modules."""
    given, count = dict(use.settings), spatial(use)
    slots = dict(use.slots)
    weight = slots.get("weight")

    def sizes(name: str, default: Any = 1) -> Form:
        value = given.get(name)
        value = default if value in (None, ()) else value
        if isinstance(value, str):
            return Form(value, "choice", count, ("same", "valid"))
        value = value if isinstance(value, tuple) else (value,)
        return Form(value * count if len(value) == 1 else value, "sizes", count)

    if use.op == "linear" and isinstance(weight, Weight):
        return {"out_features": Form(weight.shape[0], "int")}
    if not count:
        return {}
    if use.op.startswith("conv") and isinstance(weight, Weight):
        turned = "transpose" in use.op
        groups = given.get("groups", 1)
        many = weight.shape[1] * groups if turned else weight.shape[0]
        found = {
            "out_channels": Form(many, "int"),
            "kernel_size": Form(weight.shape[2:], "sizes", count),
            "stride": sizes("stride"),
            "padding": sizes("padding", 0),
        }
        if turned:
            found["output_padding"] = sizes("output_padding", 0)
        elif found["padding"].kind == "sizes":
            found["padding"] = found["padding"]._replace(words=("same", "valid"))
        return {**found, "dilation": sizes("dilation"), "groups": Form(groups, "int")}
    if use.op.startswith("adaptive_"):
        return {"output_size": sizes("output_size")}
    if "pool" in use.op:
        kernel = sizes("kernel_size")
        found = {
            "kernel_size": kernel,
            "stride": sizes("stride", kernel.value),
            "padding": sizes("padding", 0),
        }
        if use.op.startswith("max"):
            found["dilation"] = sizes("dilation")
        found["ceil_mode"] = Form(bool(given.get("ceil_mode")), "bool")
        if use.op.startswith("avg"):
            found["count_include_pad"] = Form(bool(given.get("count_include_pad", True)), "bool")
        return found
    return {}


def least(setting: str) -> int:
    return 0 if "padding" in setting else 1


def checked(edit: Edit, form: Form) -> Any:
    """Return the value of an edit; raise `SettingError` for one of another kind."""
    value = tuple(edit.value) if isinstance(edit.value, list) else edit.value
    name = edit.setting
    whole = type(value) is int or (
        isinstance(value, tuple) and all(type(v) is int for v in value) and value != ()
    )
    if isinstance(value, str) and form.words:
        if value in form.words:
            return value
        raise SettingError(f"{name} is {' or '.join(form.words)} or numbers, not {value!r}")
    lowest = least(name)
    if form.kind == "bool":
        if type(value) is not bool:
            raise SettingError(f"{name} is true or false, not {shown(value)}")
        return value
    if form.kind == "int":
        if type(value) is not int or not lowest <= value < LARGEST:
            raise SettingError(
                f"{name} must be a whole number of at least {lowest}, not {shown(edit.value)}"
            )
        return value
    value = (value,) * form.many if type(value) is int else value
    if not whole or len(value) != form.many or any(not lowest <= v < LARGEST for v in value):
        wanted = f"{form.many} of them" if form.many > 1 else "a single one"
        raise SettingError(
            f"{name} must be one whole number of at least {lowest}, or {wanted}, not {shown(edit.value)}"
        )
    return value


def editable_settings(graph: TorchGraph, layer: str) -> dict[str, Form]:
    """Return the settings of a layer that can be edited; raise where it has none."""
    operator = graph.node(layer).layer
    if operator.opaque or not isinstance(operator, Operator):
        raise UnsupportedError(
            f"{layer} ({operator.kind}) has no equation here, so that nobody could say what another "
            f"setting would change"
        )
    found = settings_of(operator.use)
    if not found:
        raise UnsupportedError(
            f"{layer} ({operator.kind}) is not edited here: convolutions, pooling and dense layers are; "
            f"change it where the module is written, and open that"
        )
    return found


def plain(known: Mapping[str, Form], edit: Edit) -> Any:
    value = known[edit.setting].value
    return list(value) if isinstance(value, tuple) else value
