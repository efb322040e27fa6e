"""What a Keras config says, read without Keras: containers, layers, and which call feeds which.

Every value is checked where it is used. Class names are only text here; nothing is looked up or run.

    Keras 3     inbound_nodes: [{"args": [{"class_name": "__keras_tensor__", "config": {…}}], "kwargs": {…}}]
    Keras 2     inbound_nodes: [[["name", 0, 0, {}]]]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from convscope.errors import SourceError, briefly
from convscope.files.json_text import read_json
from convscope.model.naming import snake
from convscope.notation.sizes import LARGEST
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any, TypeAlias

SEQUENTIAL = ("Sequential",)
FUNCTIONAL = ("Functional", "Model")
CALLED = {"GroupedQueryAttention": "GroupQueryAttention"}
"""Classes that Keras exports under another name, and writes into legacy files under their own."""

LONGEST_NAME = 400
MOST_LAYERS = 50_000

Place: TypeAlias = tuple[str, int, int]
"""A layer's name, which of its calls, which of the outputs."""

SizesSaid: TypeAlias = tuple[int | None, ...]
"""A shape as a config says it, without the batch."""


class Operand(Record):
    """One thing that a call was given: the output of another call, a number, or something else."""

    place: Place | None = None
    number: float | None = None
    shape: SizesSaid | None = None
    keyword: str | None = None


class CallArguments(Record):
    """What one call was given, as a file has it: in which order, and under which keywords."""

    args: Any
    keywords: Mapping[str, Any]


class Part:
    """A layer, an operation or a container of them, as its config says.

    calls     what each call of it was given
    given     the same as the file has it, where it says so: {"args": …, "kwargs": …}
    said      the shape that its config says it was built for, without the batch
    numbers   which of its calls a list of operands is, by its id
    shared    what marks it as a layer that stands in the config several times
    first     the part that is the same layer, met earlier
    again     the parts that are this layer, met later
    """

    def __init__(
        self,
        name: str,
        kind: str,
        module: str | None,
        registered: str | None,
        settings: dict[str, Any],
        where: str,
    ) -> None:
        self.name, self.kind, self.where = name, kind, where
        self.module, self.registered, self.settings = module, registered, settings
        self.calls: list[list[Operand]] = []
        self.given: list[CallArguments] = []
        self.numbers: dict[int, int] = {}
        self.said: SizesSaid | None = None
        self.children: list[Part] = []
        self.inputs: list[Place] = []
        self.outputs: list[Place] = []
        self.shared: int | None = None
        self.first: Part | None = None
        self.again: list[Part] = []

    def given_in(self, call: Sequence[Operand]) -> CallArguments | None:
        """Return one of its calls as the file has it; None for a layer in a row, which is called plainly."""
        if not self.numbers:
            self.numbers.update((id(one), n) for n, one in enumerate(self.calls))
        number = self.numbers.get(id(call))
        return None if number is None else self.given[number]

    @property
    def sequential(self) -> bool:
        return self.container and self.kind in SEQUENTIAL

    @property
    def container(self) -> bool:
        return "layers" in self.settings and self.kind in (*SEQUENTIAL, *FUNCTIONAL)

    @property
    def operation(self) -> bool:
        """Whether it is a bare operation (keras.ops), which has no weights and no group of its own."""
        if self.module is not None:
            return self.module.startswith("keras.src.ops")
        return "trainable" not in self.settings and self.kind != "InputLayer" and not self.container

    @property
    def of_keras(self) -> bool:
        """Whether the class is one of Keras's own, so that its name means what it says."""
        if self.module is None:
            return self.registered is None or self.registered == self.kind
        return self.module.split(".")[0] in ("keras", "tensorflow", "tf_keras") and (
            self.registered is None or ">" not in self.registered
        )

    def leaves(self) -> Iterator[Part]:
        """Yield every part that is no container, at any depth."""
        for child in self.children:
            if child.container:
                yield from child.leaves()
            else:
                yield child


def parse(config: Any, what: str) -> Part:
    """Return the network that a config describes; raise `SourceError` where it makes no sense."""
    _check_count(config, what)
    top = _part(mapping(config, what), what)
    if not top.container:
        raise SourceError(
            f"{what} describes a {top.kind}; convscope opens Sequential and Functional networks "
            f"(a subclassed model keeps its wiring in Python code, not in its file)"
        )
    return top


def _check_count(config: Any, what: str) -> None:
    """Raise `SourceError` for a config of very many layers, before anything is made of them."""
    count = 0
    waiting = [config] if isinstance(config, dict) else []
    while waiting:
        settings = waiting.pop().get("config")
        layers = settings.get("layers") if isinstance(settings, dict) else settings
        if isinstance(layers, list):
            count += len(layers)
            waiting += [layer for layer in layers if isinstance(layer, dict)]
        if count > MOST_LAYERS:
            raise SourceError(f"{what}: it has more than {MOST_LAYERS:,} layers")


def inner(config: Any, where: str) -> Part:
    """Return the layer that another one holds in its settings; raise `SourceError` where it makes no sense."""
    return _part(mapping(config, where), where)


def _part(config: dict[str, Any], where: str) -> Part:
    kind = text(config.get("class_name"), f"{where}: class_name")
    settings = config.get("config")
    if isinstance(settings, list):  # Keras before 2.3
        settings = {"layers": settings}
    settings = mapping(settings, f"{where}: config")
    name = config.get("name", settings.get("name", snake(kind)))
    name = text(name, f"{where}: name")
    if not name or len(name) > LONGEST_NAME:
        raise SourceError(f"{where}: a name must have 1 to {LONGEST_NAME} characters")
    where = f"{where}, {name}"
    module = config.get("module")
    registered = config.get("registered_name")
    plain = kind.rpartition(">")[2] or kind
    part = Part(
        name,
        CALLED.get(plain, plain),
        None if module is None else text(module, f"{where}: module"),
        kind if ">" in kind else None if registered is None else text(registered, where),
        settings,
        where,
    )
    built = config.get("build_config")
    if isinstance(built, dict):
        part.said = said_shape(built.get("input_shape"), where)
    shared = config.get("shared_object_id")
    if shared is not None and type(shared) is not int:
        raise SourceError(f"{where}: shared_object_id must be a whole number, not {shared!r:.80}")
    part.shared = shared
    part.calls, part.given = _calls(config.get("inbound_nodes"), f"{where}: inbound_nodes")
    if part.container:
        layers = sequence(settings["layers"], f"{where}: layers")
        part.children = [
            _part(mapping(layer, f"{where}: layers[{n}]"), where) for n, layer in enumerate(layers)
        ]
        if not part.sequential:
            part.inputs = list(places(settings.get("input_layers"), f"{where}: input_layers"))
            part.outputs = list(places(settings.get("output_layers"), f"{where}: output_layers"))
    return part


# -- calls ----------------------------------------------------------------------------------------


def _calls(given: Any, where: str) -> tuple[list[list[Operand]], list[CallArguments]]:
    if given is None:
        return [], []
    if isinstance(given, str):  # Keras 3 writes those of operations so into .h5 files
        given = read_json(given, where)
    calls, said = [], []
    for number, call in enumerate(sequence(given, where)):
        here = f"{where}[{number}]"
        if isinstance(call, dict):
            operands = list(_operands(call.get("args", []), None, here))
            keywords = mapping(call.get("kwargs", {}), here)
            for keyword, value in keywords.items():
                operands += _operands(value, keyword, here)
            said.append(CallArguments(call.get("args", []), keywords))
        else:
            operands = list(_older(sequence(call, here), here))
            said.append(CallArguments(None, _older_keywords(call)))
        calls.append(operands)
    return calls, said


def _older_keywords(call: Any) -> Mapping[str, Any]:
    """Return what a call was given by keywords, as Keras 2 writes it."""
    found: dict[str, Any] = {}
    for item in call if call and not isinstance(call[0], str) else [call]:
        if isinstance(item, list) and len(item) > 3 and isinstance(item[3], dict):
            found |= item[3]
    return found


def is_tensor(value: Any) -> bool:
    """Whether a value of a call stands for the output of another layer."""
    return (isinstance(value, dict) and value.get("class_name") == "__keras_tensor__") or _is_place(
        value
    )


def _operands(value: Any, keyword: str | None, where: str) -> Iterator[Operand]:
    """Yield what a call was given, lists laid flat."""
    if isinstance(value, list):
        for item in value:
            yield from _operands(item, keyword, where)
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = mapping(value.get("config"), where)
        shape = said_shape(config.get("shape"), where)
        yield Operand(_place(config.get("keras_history"), where), None, shape, keyword)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield Operand(number=_finite(value, where), keyword=keyword)
    elif value is not None:
        yield Operand(keyword=keyword)


def _older(call: list[Any], where: str) -> Iterator[Operand]:
    """Yield what a call was given, as Keras 2 writes it."""
    if call and isinstance(call[0], str):
        call = [call]
    for item in call:
        parts = sequence(item, where)
        if len(parts) > 3 and parts[0] == "_CONSTANT_VALUE":
            yield from _operands(parts[2], None, where)
        else:
            yield Operand(_place(parts, where))
        if len(parts) > 3 and isinstance(parts[3], dict):
            for keyword, value in parts[3].items():
                if _is_place(value):
                    yield Operand(_place(value, where), keyword=keyword)
                else:
                    yield from _operands(value, keyword, where)


def places(given: Any, where: str) -> Iterator[Place]:
    """Yield the places in any nesting of lists and dicts."""
    if _is_place(given):
        yield _place(given, where)
    elif isinstance(given, list):
        for item in given:
            yield from places(item, where)
    elif isinstance(given, dict):
        for item in given.values():
            yield from places(item, where)
    else:
        raise SourceError(f"{where} must list [name, call, output], not {given!r:.80}")


def _is_place(given: Any) -> bool:
    return (
        isinstance(given, list)
        and len(given) >= 3
        and isinstance(given[0], str)
        and type(given[1]) is int
        and type(given[2]) is int
    )


def _place(given: Any, where: str) -> Place:
    if not _is_place(given) or min(given[1:3]) < 0:
        raise SourceError(f"{where} must name [layer, call, output], not {given!r:.80}")
    return (given[0], given[1], given[2])


# -- leaves of the JSON ---------------------------------------------------------------------------


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Return an object of the JSON; raise `SourceError` for anything else."""
    if not isinstance(value, dict):
        raise SourceError(f"{where} must be an object, not {value!r:.80}")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """Return a list of the JSON; raise `SourceError` for anything else."""
    if not isinstance(value, list):
        raise SourceError(f"{where} must be a list, not {value!r:.80}")
    return value


def text(value: Any, where: str) -> str:
    """Return a text of the JSON; raise `SourceError` for anything else."""
    if not isinstance(value, str):
        raise SourceError(f"{where} must be a text, not {value!r:.80}")
    return value


def said_shape(value: Any, where: str) -> SizesSaid | None:
    """Return a shape that a config states with its batch, without it; None if it states none."""
    if not isinstance(value, list) or not value:
        return None
    if not all(v is None or (type(v) is int and v > 0) for v in value[1:]):
        return None
    if any(v is not None and v > LARGEST for v in value[1:]):
        raise SourceError(
            f"{where}: it states the shape {briefly(value)}; no axis is longer than {LARGEST:,}"
        )
    return tuple(value[1:])


def _finite(value: float, where: str) -> float:
    try:
        found = float(value)
    except OverflowError:
        found = float("inf")
    if found - found != 0:
        raise SourceError(f"{where}: {value!r:.80} is too large a number")
    return found
