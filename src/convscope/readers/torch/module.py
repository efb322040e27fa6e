"""What stands behind a network that was opened from a live PyTorch module: PyTorch itself runs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from convscope.errors import EngineError, NotBuiltError
from convscope.model.graph import Graph
from convscope.notation.sizes import product, shape_text
from convscope.readers.torch.alone import Event, again, alone, held_back
from convscope.readers.torch.build import build
from convscope.readers.torch.calls import Recording, Value
from convscope.readers.torch.graph import TorchGraph
from convscope.readers.torch.inputs import Arguments, as_tensor
from convscope.readers.torch.recording import record
from convscope.readers.torch.shadow import parameters, tree
from convscope.typed import Array

if TYPE_CHECKING:
    from convscope.engine.backing import Backing
    from convscope.engine.runtime import Runner
    from convscope.model.editing import Edit, Edited
    from convscope.readers.torch.paths import Known
    from convscope.readers.torch.repeating import Plan


MOST_PATHS = 8
"""So many paths that a module took, beside that of its example, are known again."""


class RecordedGraph:
    """A recorded graph. One that was edited no module computes: ONNX Runtime does.

    live   whether its weights are a module's, which may change
    """

    def __init__(self, live: bool = False) -> None:
        self.live = live

    _seen: tuple[Graph, Mapping[str, str]] | None = None

    engine = "ONNX Runtime"
    advice = "net.trace(image, layer, position) computes a number from the equations"

    def at(self, graph: Graph, given: Mapping[str, Array]) -> Graph:
        """Return the graph; it is of one size, and `ShapeError` says so."""
        from convscope.engine.backing import at_sizes

        return at_sizes(graph, given)

    def elsewhere(self, graph: Graph) -> Mapping[str, str | None]:
        """Return the layers that ONNX has no operator for: nobody computes them."""
        return dict.fromkeys(self._unwritable(graph))

    def _unwritable(self, graph: Graph) -> Mapping[str, str]:
        from convscope.readers.torch.onnx_form import unwritable

        assert isinstance(graph, TorchGraph)
        if self._seen is None or self._seen[0] is not graph:
            self._seen = (graph, unwritable(graph))
        return self._seen[1]

    def runner(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        """Return ONNX Runtime on the graph."""
        from convscope.readers.torch.onnx_form import LiveEngine, engine_of

        assert isinstance(graph, TorchGraph)
        return LiveEngine(graph, keep) if self.live else engine_of(graph, keep)

    def write(self, graph: Graph, path: Path) -> None:
        """Write the graph as ONNX."""
        from convscope.readers.torch.onnx_form import export

        assert isinstance(graph, TorchGraph)
        export(graph, path)

    def editable(self, graph: Graph, layer: str) -> dict[str, dict[str, Any]]:
        """Return the settings of a layer under PyTorch's names; {} for what has none to edit."""
        from convscope.readers.torch.settings import editable

        assert isinstance(graph, TorchGraph)
        return editable(graph, layer)

    def edited(self, graph: Graph, edits: Sequence[Edit], seed: int) -> tuple[Backing, Edited]:
        """Return the graph with settings changed."""
        from convscope.readers.torch.editing import edited

        assert isinstance(graph, TorchGraph)
        return self, edited(graph, edits, seed)


class TorchModule(RecordedGraph):
    """A live module behind a network. Its forward is recorded for every image that goes in.

    arguments   what it was opened with; None where it was opened without an example
    training    whether its modules keep their own flags
    prints_to   where what its forward prints goes, if not to stdout
    """

    engine = "PyTorch"
    advice = ""
    prints_to: Any = None

    def __init__(
        self, module: Any, arguments: Arguments | None, batched: bool, training: bool
    ) -> None:
        super().__init__(live=True)
        self.module, self.arguments = module, arguments
        self.batched, self.training = batched, training
        self._latest = threading.local()
        self._others: list[TorchGraph] = []
        self._paths = 0
        self._known: dict[int, tuple[TorchGraph, Known]] = {}  # by how many rows

    def at(self, graph: Graph, given: Mapping[str, Array]) -> Graph:
        """Return the graph of these inputs: the same one where the forward takes the same path.

        Raises `InputError` for inputs of other shapes, `EngineError` where the forward fails.
        """
        assert isinstance(graph, TorchGraph)
        if self.arguments is None:
            self.needs_example(graph)
        counts = {len(a) for a in given.values()}
        if counts != {1}:
            return graph
        found = self._graph_of(graph, given)
        self._latest.recorded, self._latest.given = found, given
        if found.nodes is graph.nodes:
            found = graph
        self._latest.graph = found
        return found

    def _graph_of(self, graph: TorchGraph, given: Mapping[str, Array]) -> TorchGraph:
        """Return the graph of these inputs, with its values: the same nodes where the path is the same."""
        rows = len(next(iter(given.values())))
        of, known = self._known.get(rows, (None, None))
        if of is None or of.nodes is not graph.nodes:
            known = None
        along, said = False, None
        if known is not None and known.plan is not None and not known.left:
            along = True
            values, said = self._repeated(graph, known, known.plan, given)
            if values is not None:
                return graph.holding(values)
        with self._aside(), again(said):
            recording = self._recorded(graph, given)
        fetched = None
        if known is not None:
            fetched = known.followed(recording)
            known.left = fetched is None
            if along and fetched is not None:
                known.plan = None  # it cannot be told while it is taken
        if fetched is None:
            found = build(recording, graph.name, self.batched, graph.rowed)
            if not graph.same_as(found):
                recording.settle()
                return self._other(found)
            from convscope.readers.torch.paths import known_path

            fetched = found.fetched
            if path := known_path(recording, fetched):
                self._known[rows] = graph, path
        recording.settle()
        return graph.holding(fetched)

    def _other(self, found: TorchGraph) -> TorchGraph:
        """Return the graph of another path with its values: the same nodes where that path was taken before."""
        for other in self._others:
            if other.same_as(found):
                return other.holding(found.fetched)
        self._paths += 1
        found.path = self._paths
        self._others = [*self._others[1 - MOST_PATHS :], found.holding({})]
        return found

    def _repeated(
        self, graph: TorchGraph, known: Known, plan: Plan, given: Mapping[str, Array]
    ) -> tuple[dict[str, Value] | None, Sequence[Event]]:
        """Return the values of the graph's nodes where the forward takes the known path once more, and what it has said."""
        from convscope.readers.torch.repeating import repeated

        called = self._called_with(graph, given)
        with self._aside(), held_back() as words:
            values = repeated(
                plan, self.module, called.args, called.kwargs, called.inputs, self.training
            )
            if values is None:  # it runs again, and speaks again
                return None, words.said
            words.say()
        fetched = graph.fetched
        return {n: fetched[n].holding(values[place]) for n, place in known.names.items()}, ()

    def grouped(
        self, graph: TorchGraph, given: Mapping[str, Array]
    ) -> tuple[TorchGraph, TorchGraph] | None:
        """Return the graph of several rows in one forward, without values and with these rows' own.

        None unless each of them is as it is alone.
        """
        from convscope.readers.torch.paths import known_path
        from convscope.readers.torch.rows import apart, same

        if not apart(graph):
            return None
        with self._aside(), held_back() as words:
            try:
                recording = self._recorded(graph, given)
            except EngineError:  # it takes no several
                return None
            found = build(recording, graph.name, self.batched)
            # where its way depends on numbers, rows may go different ways
            if recording.warnings or not same(graph, found):
                recording.settle()
                return None
            words.say()
        if path := known_path(recording, found.fetched):
            self._known[len(next(iter(given.values())))] = found, path
        values = {name: value.holding(value.tensor) for name, value in found.fetched.items()}
        recording.forget()
        recording.settle()
        return found, found.holding(values)

    def together(self, graph: TorchGraph, given: Mapping[str, Array]) -> TorchGraph | None:
        """Return the graph that `grouped` gave, with the values of these rows; None where they take another path."""
        found = self._graph_of(graph, given)
        return found if found.nodes is graph.nodes else None

    def recorded(self, graph: Graph, given: Mapping[str, Array]) -> Recording:
        """Return the recording of one forward, all values kept."""
        with self._aside():
            return self._recorded(graph, given)

    def _aside(self) -> AbstractContextManager[Any]:
        """Let what a forward prints go where that is to go."""
        return _printing_to(self.prints_to) if self.prints_to else nullcontext()

    def _recorded(self, graph: Graph, given: Mapping[str, Array]) -> Recording:
        self.needs_example(graph)
        arguments = self._called_with(graph, given)
        found = record(
            self.module, arguments.args, arguments.kwargs, arguments.inputs, True, self.training
        )
        if found.failure is not None:
            from convscope.engine.child import first_line

            error = found.failure.error
            where = f" in {found.failure.frame.path}" if found.failure.frame.path else ""
            raise EngineError(
                f"the forward of {graph.name} failed{where}: {type(error).__name__}: {first_line(error)}"
            ) from error
        return found

    def needs_example(self, graph: Graph) -> Arguments:
        """Return what the module was opened with; raise `NotBuiltError` where that was nothing."""
        if self.arguments is None:
            raise NotBuiltError(
                f"{graph.name} was opened without an example, so that only its parameters are known: "
                f"open(module, shape=(3, 224, 224)) or open(module, example)"
            )
        if any(t.is_meta for t in parameters(tree(self.module))):
            raise EngineError(
                f"the parameters of {graph.name} are on the meta device: they have shapes, but no "
                f"numbers to run with"
            )
        return self.arguments

    def _called_with(self, graph: Graph, given: Mapping[str, Array]) -> Arguments:
        arguments = self.arguments
        assert arguments is not None
        tensors = {}
        for name, (key, like) in zip(graph.inputs, arguments.inputs.items(), strict=True):
            array = given[name]
            batched = len(graph.inputs[name]) < like.ndim
            tensors[key] = as_tensor(array if batched else array[0], like)
        return arguments.with_inputs(tensors)

    def elsewhere(self, graph: Graph) -> Mapping[str, str | None]:
        """Return {}: PyTorch runs the whole module."""
        return {}

    def runner(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        """Return what runs the module and keeps these values."""
        assert isinstance(graph, TorchGraph)
        self.needs_example(graph)
        return _Recorded(self, graph, keep)

    def take(self, graph: TorchGraph, given: Mapping[str, Array]) -> TorchGraph:
        """Return the graph of these inputs with its values, recorded now unless that was just done."""
        latest = self._latest.__dict__
        known, recorded = latest.pop("given", None), latest.pop("recorded", None)
        last = latest.pop("graph", None)
        same = last is not None and last.nodes is graph.nodes and known is not None
        if same and recorded is not None and all(_equal(known[n], given[n]) for n in known):
            return recorded  # type: ignore[no-any-return]
        return self._graph_of(graph, given)

    def edited(self, graph: Graph, edits: Sequence[Edit], seed: int) -> tuple[Backing, Edited]:
        """Return the recorded graph with settings changed, which ONNX Runtime runs."""
        self.needs_example(graph)
        return RecordedGraph(live=True).edited(graph, edits, seed)

    def write(self, graph: Graph, path: Path) -> None:
        """Write the recorded graph as ONNX."""
        self.needs_example(graph)
        super().write(graph, path)


class BothEngines(TorchModule):
    """A live module whose recorded graph is written as ONNX and run there, and compared with PyTorch.

    differences   of the latest run: layer → the largest difference between the two, by the largest number
    """

    engine = "ONNX Runtime"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.differences: dict[str, float] = {}

    def elsewhere(self, graph: Graph) -> Mapping[str, str | None]:
        """Return the layers that ONNX Runtime cannot compute: PyTorch does."""
        return dict.fromkeys(graph.behind(self._unwritable(graph)), "PyTorch")

    def runner(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        """Return what runs both and gives ONNX Runtime's values."""
        assert isinstance(graph, TorchGraph)
        return _Compared(self, graph, keep)


APART = 1e-3
"""Two engines that differ by more than this share of a layer's largest number do not compute the same."""

ROUNDINGS = 32
"""So many roundings of the type that it computes in, where that is coarser: ONNX Runtime computes in float32."""


class _Compared:
    """Runs a module in PyTorch, and its graph in ONNX Runtime."""

    def __init__(self, backing: BothEngines, graph: TorchGraph, keep: tuple[str, ...]) -> None:
        from convscope.readers.torch.onnx_form import LiveEngine

        self.backing, self.graph = backing, graph
        self.own = _Recorded(backing, graph, keep)
        apart = backing.elsewhere(graph)
        both = tuple(name for name in keep if name not in apart)
        self.other = LiveEngine(graph, both) if both else None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return ONNX Runtime's values; raise `EngineError` where PyTorch's are others."""
        import numpy as np

        from convscope.notation.rounding import ROUNDING

        ours = self.own.run(inputs)
        theirs = self.other.run(inputs) if self.other is not None else {}
        coarse = max(ROUNDING.get(kind, 0.0) for kind in self.graph.kinds)
        apart = max(APART, ROUNDINGS * coarse)
        for name in theirs:
            if ours[name].shape != theirs[name].shape:
                raise EngineError(
                    f"PyTorch and ONNX Runtime differ at {name}: {shape_text(ours[name].shape)} in the one, "
                    f"{shape_text(theirs[name].shape)} in the other"
                )
            away = _apart(ours[name], theirs[name])
            self.backing.differences[name] = away
            if not away <= apart:
                size = float(np.abs(ours[name]).max())
                raise EngineError(
                    f"PyTorch and ONNX Runtime differ at {name} by {away:.2g} of its largest number {size:.6g}"
                )
        return {**ours, **theirs}


def _apart(ours: Array, theirs: Array) -> float:
    """Return how far numbers are apart, as a share of the largest; NaN where one alone is infinite or NaN."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        away = np.abs(ours - theirs)
    away[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0
    if not np.isfinite(away).all():
        return float("nan")
    size = np.abs(ours[np.isfinite(ours)]).max(initial=0.0)
    return float(away.max(initial=0.0)) / max(float(size), 1e-30)


BESIDE = 1 << 29
"""Rows go through together as long as what is computed beside what is asked for, and held until the end, is within so many bytes."""


class _Recorded:
    """Runs a module and gives the values that it computed in its own forward.

    Several rows go through in one forward where each is computed as it is alone, else one by one.
    """

    def __init__(self, backing: TorchModule, graph: TorchGraph, keep: tuple[str, ...]) -> None:
        self.backing, self.graph, self.keep = backing, graph, keep
        self._grouped: dict[int, TorchGraph | None] = {}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the kept activations for a batch: name → array with a batch axis."""
        rows = len(next(iter(inputs.values())))
        if rows == 1:
            return self._one(inputs)
        import numpy as np

        from convscope.engine.runtime import one_by_one

        parts: list[dict[str, Array]] = []
        for first in range(0, rows, self._most) if self._most > 1 else ():
            part = self._together({n: a[first : first + self._most] for n, a in inputs.items()})
            if part is None:
                return one_by_one(self._one, inputs)
            parts.append(part)
        if len(parts) < 2:
            return parts[0] if parts else one_by_one(self._one, inputs)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @cached_property
    def _most(self) -> int:
        """How many rows go through in one forward at most."""
        facts = self.graph.facts
        beside = [n for n in facts if n not in self.keep and facts[n].equation is not None]
        size = 4 * sum(int(product(facts[name].output_shape)) for name in beside)
        return 1 << max(1, BESIDE // max(1, size)).bit_length() - 1

    def _together(self, inputs: Mapping[str, Array]) -> dict[str, Array] | None:
        """Return the kept activations of rows that go through in one forward; None where they have to go one by one."""
        rows = len(next(iter(inputs.values())))
        if rows == 1:
            return self._one(inputs)
        if rows in self._grouped:
            graph = self._grouped[rows]
            found = None if graph is None else self.backing.together(graph, inputs)
        else:
            graph, found = self.backing.grouped(self.graph, inputs) or (None, None)
            self._grouped[rows] = graph
        if found is None:
            return None
        arrays = {name: numbers(found.fetched[name]) for name in self.keep}
        return {name: array for name, array in arrays.items() if array is not None}

    def _one(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        import numpy as np

        graph = self.backing.take(self.graph, inputs)
        found = {}
        for name in self.keep:
            if name not in graph.fetched:
                raise EngineError(
                    f"this input takes another path through {graph.name}, without {name}: use run(image)"
                )
            array = numbers(graph.fetched[name])
            if array is not None:
                if place := graph.places.get(name, 0):
                    array = np.moveaxis(array, place, 0)
                found[name] = array[:1] if name in graph.batched else array[None]
        return found


@contextmanager
def _printing_to(file: Any) -> Iterator[None]:
    """Let what a forward prints go elsewhere, one forward at a time: stdout is everybody's."""
    with alone(), redirect_stdout(file):
        yield


def numbers(value: Value) -> Array | None:
    """Return a recorded value as numpy's; None for one that holds no real numbers."""
    tensor = value.tensor
    if tensor is not None and tensor.dtype is torch.float32:
        try:  # as nearly all are: at hand, in its own memory
            array: Array = tensor.numpy()
            return array if array.size else None
        except (RuntimeError, TypeError):
            pass
    if tensor is not None and tensor.is_mkldnn:  # in blocks of channels
        tensor = tensor.to_dense()
    if tensor is None or tensor.layout is not torch.strided or tensor.dtype.is_complex:
        return None
    if tensor.is_nested:
        return None
    if tensor.dtype in (torch.bfloat16, torch.float16, torch.bool):
        tensor = tensor.to(torch.float32)
    if tensor.numel() == 0 or tensor.is_quantized:
        return None
    found: Array = tensor.detach().cpu().numpy()
    return found


def _equal(a: Array, b: Array) -> bool:
    import numpy as np

    return a is b or np.array_equal(a, b, equal_nan=True)
