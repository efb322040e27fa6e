"""Where a Keras file keeps each layer's weights, and whether they are those that the config promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile

from convscope.errors import SourceError, WeightsError
from convscope.model.naming import snake
from convscope.readers.keras.config import Part
from convscope.typed import TYPE_CHECKING, Array

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from convscope.files.hdf5 import Hdf5, Stored
    from convscope.readers.keras.shards import Shards

Shapes: TypeAlias = "Mapping[str, tuple[Any, ...]]"

SHOWN = 8
MOST_INSIDE = 8  # layers inside one another
CLASSES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Kinds whose class in Keras has another name, by which its weights are stored."""

HEADS = {
    "MultiHeadAttention": ("query_dense", "key_dense", "_gate_dense", "value_dense", "output_dense"),
    "GroupQueryAttention": (
        "_query_dense", "_key_dense", "_gate_dense", "_value_dense", "_output_dense",
    ),
}  # fmt: skip
"""Kinds whose weights are those of layers that Keras makes inside them, in their order."""

_OLD, _NEW = "_layer_checkpoint_dependencies", "layers"


class Weights:
    """The weights of a network in an HDF5 file, looked at when somebody first asks for one.

    Two formats, two subclasses: each says how what is stored is found (`look`, `of`).
    """

    again = "save"

    def __init__(self, opened: Callable[[], Hdf5 | Shards], what: str) -> None:
        self.what = what
        self._opened = opened
        self._hdf5: Hdf5 | Shards | None = None
        self._expected: list[tuple[Part, str, Shapes]] = []
        self._found: dict[tuple[int, str], Stored] | None = None
        self._unknown: dict[Part, dict[str, Stored]] = {}

    @property
    def hdf5(self) -> Hdf5 | Shards:
        if self._hdf5 is None:
            hdf5 = self._opened()
            self.look(hdf5)
            self._hdf5 = hdf5
        return self._hdf5

    def look(self, hdf5: Any) -> None:
        """List what is stored."""
        raise NotImplementedError

    def of(self, part: Part) -> list[tuple[str | None, Stored]]:
        """Return what is stored for a layer, in order, each with its name there if it has one."""
        raise NotImplementedError

    def objection(self, part: Part) -> str | None:
        """Return what else speaks against these being the layer's weights."""
        return None

    def expect(self, part: Part, name: str, shapes: Shapes) -> None:
        """Note what a layer's weights must be, to be compared when the first is asked for."""
        self._expected.append((part, name, shapes))

    def all_of(self, part: Part) -> dict[str, Stored]:
        """Return all that is stored for a layer nobody knows, each under some name."""
        return {name or str(n): stored for n, (name, stored) in enumerate(self.of(part))}

    def stored_shapes(self, part: Part) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all that is stored for a layer nobody knows."""
        _ = self.hdf5
        self._unknown[part] = self._each_once(self.all_of(part))
        return {name: stored.shape for name, stored in self._unknown[part].items()}

    def stored_bits(self, part: Part) -> dict[str, int]:
        """Return how many bits a number takes of what is stored for a layer nobody knows."""
        return {n: 8 * stored.dtype.itemsize for n, stored in self._unknown.get(part, {}).items()}

    def _each_once(self, found: dict[str, Stored]) -> dict[str, Stored]:
        """Return what is stored without a kernel that is stored again: a wrapper keeps its layer's too.

        Only arrays of several axes whose numbers differ are the same for certain.
        """
        kept: dict[str, Stored] = {}
        alike: dict[tuple[tuple[int, ...], str], list[Array]] = {}
        many = {(s.shape, str(s.dtype)) for s in found.values() if len(s.shape) > 1}
        if len(many) == sum(len(s.shape) > 1 for s in found.values()):
            return found
        for name, stored in found.items():
            if len(stored.shape) > 1:
                array = self.hdf5.numbers(stored)
                met = alike.setdefault((stored.shape, str(stored.dtype)), [])
                if any((array == other).all() for other in met) and (array != array.flat[0]).any():
                    continue
                met.append(array)
            kept[name] = stored
        return kept

    def fetch(self, part: Part, name: str) -> Array:
        """Return one weight as float32; the first time, all weights are compared with the config.

        Raises `WeightsError`, which lists every disagreement.
        """
        if part in self._unknown:
            return as_float32(self.hdf5.numbers(self._unknown[part][name]))
        if self._found is None:
            self._found = self._matched()
        return as_float32(self.hdf5.numbers(self._found[id(part), name]))

    def _matched(self) -> dict[tuple[int, str], Stored]:
        _ = self.hdf5
        found: dict[tuple[int, str], Stored] = {}
        wrong: list[str] = []
        for part, layer, shapes in self._expected:
            stored = self.of(part)
            problem = self.objection(part) or _disagreement(shapes, stored)
            if problem:
                wrong.append(f"{layer} ({part.kind}): {problem}")
                continue
            for name, item in _paired(shapes, stored):
                found[id(part), name] = item
        if wrong:
            more = f"; and {len(wrong) - SHOWN} more layers" if len(wrong) > SHOWN else ""
            raise WeightsError(
                f"{self.what}: the weights are not those that the config describes: "
                f"{'; '.join(wrong[:SHOWN])}{more}"
            )
        return found


def _paired(
    shapes: Shapes, stored: list[tuple[str | None, Stored]]
) -> Iterable[tuple[str, Stored]]:
    """Pair expected weights with stored ones: by name if all names are the same, else in order."""
    named = {name: item for name, item in stored}
    if set(named) == set(shapes) and len(named) == len(stored):
        return [(name, named[name]) for name in shapes]
    return zip(shapes, (item for _, item in stored), strict=True)


def _disagreement(shapes: Shapes, stored: list[tuple[str | None, Stored]]) -> str | None:
    if len(stored) != len(shapes):
        wanted = ", ".join(f"{n} {_text(s)}" for n, s in shapes.items())
        return f"{len(stored)} weights are stored, but it has {len(shapes)} ({wanted})"
    for name, item in _paired(shapes, stored):
        if tuple(shapes[name]) != item.shape:
            return f"its {name} is stored as {_text(item.shape)}, but must be {_text(shapes[name])}"
    return None


def _text(shape: Iterable[Any]) -> str:
    return f"({', '.join(map(str, shape))})"


def as_float32(array: Array) -> Array:
    """Return numbers of any stored type as float32: bfloat16 and float16 exactly, integers too if small.

    Float32 in the machine's byte order stays where it lies, unless it starts at an odd byte.
    """
    import numpy as np

    if array.dtype.kind == "V":  # bfloat16: the upper half of a float32
        wide = array.view("<u2").astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32)
    return np.require(array, dtype=np.float32, requirements=["C", "A"])


class ArchiveWeights(Weights):
    """The weights of a .keras archive: found by class and order, compared by name.

    before_3   whether Keras 2 wrote it, which counts otherwise where layers are met again
    """

    def __init__(
        self, opened: Callable[[], Hdf5 | Shards], what: str, top: Part, before_3: bool = False
    ) -> None:
        super().__init__(opened, what)
        self._top = top
        self._before_3 = before_3
        self._paths: dict[Part, str] = {}

    adapters_stored = False

    def look(self, hdf5: Hdf5 | Shards) -> None:
        arrays, self._groups = hdf5.walk()
        self._lists: dict[str, list[tuple[int, Stored]]] = {}
        for path, stored in arrays.items():
            group, _, name = path.rpartition("/")
            if group.endswith("vars") and name.isdecimal() and len(name) < 6:
                self._lists.setdefault(group, []).append((int(name), stored))
            if stored.dtype.kind == "V" and stored.dtype.itemsize != 2:
                raise SourceError(f"{self.what}: /{path} holds {stored.dtype}, not numbers")
        for items in self._lists.values():
            items.sort(key=lambda item: item[0])
        self._filled = {
            "/".join(parts[:n])
            for parts in (group.split("/") for group in self._lists)
            for n in range(1, len(parts) + 1)
        }
        old = _NEW not in self._groups and _OLD in self._groups
        self._place(self._top, "", _OLD if old else _NEW)

    def _place(self, container: Part, path: str, among: str) -> None:
        """Say where each part's weights lie: by class and order among its siblings, as Keras counts.

        Keras 2.12 and 2.13 go through a list in which each layer that has weights stands twice; 2.14
        and 2.15 pass over a layer that they have met before, anywhere, without counting it.
        """
        counts: dict[str, int] = {}
        for child in container.children:
            if child.operation or (container.sequential and child.kind == "InputLayer"):
                continue
            if child.first and self._before_3 and among == _NEW:
                continue
            base = snake(CLASSES.get(child.kind, child.kind))
            number = counts.get(base, 0)
            own = f"{path}{among}/{base}_{number}" if number else f"{path}{among}/{base}"
            self._paths[child] = own
            twice = among == _OLD and self._paths.get(child.first or child) in self._filled
            counts[base] = number + (2 if twice else 1)
            if child.container:
                self._place(child, f"{own}/", among)

    def _own(self, part: Part) -> list[tuple[int, Stored]]:
        return self._lists.get(f"{self._paths[part]}/vars", []) if part in self._paths else []

    def of(self, part: Part) -> list[tuple[str | None, Stored]]:
        if part not in self._paths:
            return []
        found = self._below(part.kind, part.settings, self._paths[part])
        return [(None, stored) for stored in found]

    def _below(self, kind: Any, settings: Any, path: str, depth: int = 0) -> list[Stored]:
        """Return what is stored for a kind at a path, and for what lies inside it, in Keras's order."""
        own = [stored for _, stored in self._lists.get(f"{path}/vars", [])]
        if isinstance(kind, str) and kind in HEADS:
            return [
                stored
                for name in HEADS[kind]
                for _, stored in self._lists.get(f"{path}/{name}/vars", [])
            ]
        if kind not in ("TimeDistributed", "SpectralNormalization") or depth > MOST_INSIDE:
            return own
        held = settings.get("layer") if isinstance(settings, dict) else None
        held = held if isinstance(held, dict) else {}
        inside = self._below(held.get("class_name"), held.get("config"), f"{path}/layer", depth + 1)
        # spectral normalisation keeps the kernel of the layer inside as its own, too, and then one vector
        return inside if kind == "TimeDistributed" else [*inside[:1], *own[-1:], *inside[1:]]

    def all_of(self, part: Part) -> dict[str, Stored]:
        path = self._paths[part]
        return {
            f"{group[len(path) + 1 :].removesuffix('vars')}{number}": stored
            for group, items in sorted(self._lists.items())
            if group.startswith(f"{path}/") and "seed_generator" not in group
            for number, stored in items
        }

    def objection(self, part: Part) -> str | None:
        path = self._paths[part]
        for other in part.again:
            if self._own(other):
                return (
                    f"its config says that {other.where} is the same layer, but weights are stored "
                    f"at /{path} and at /{self._paths[other]}"
                )
        name = None
        if f"{path}/vars" in self._groups:
            name = self.hdf5.attributes(f"{path}/vars").get("name")
        if name is None:
            return None
        from convscope.files.hdf5 import text_of

        found = text_of(name, f"{self.what}: the name at /{path}")
        return None if found == part.name else f"the weights at /{path} are those of {found!r}"


class LegacyWeights(Weights):
    """The weights of a legacy .h5 file: found by the names that each layer's group lists."""

    adapters_stored = True

    def __init__(self, opened: Callable[[], Hdf5], what: str, top: Part) -> None:
        super().__init__(opened, what)
        self._homes: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._place(top, "", ())

    def _place(self, container: Part, home: str, path: tuple[str, ...]) -> None:
        for child in container.children:
            outer = home or child.name
            inner = (*path, child.name)
            if child.container:
                self._place(child, outer, inner)
            self._homes[id(child)] = (outer, inner)

    def look(self, hdf5: Hdf5) -> None:
        from convscope.files.hdf5 import texts_of

        self._top = "model_weights" if hdf5.group("model_weights") is not None else ""
        arrays, groups = hdf5.walk(self._top)
        self._named: dict[str, list[tuple[tuple[str, ...], Stored]]] = {}
        for layer in texts_of(hdf5.attributes(self._top), "layer_names", self.what) or ():
            path = f"{self._top}/{layer}".lstrip("/")
            if path not in groups:
                raise SourceError(f"{self.what} lists the layer {layer!r} but has no group for it")
            listed = []
            for name in (
                texts_of(hdf5.attributes(path), "weight_names", f"{self.what}: {path}") or ()
            ):
                if f"{path}/{name}" not in arrays:
                    raise SourceError(
                        f"{self.what} lists the weight {path}/{name} but does not have it"
                    )
                steps = tuple(
                    name.rpartition(":")[0].split("/") if ":" in name else name.split("/")
                )
                listed.append((steps, arrays[f"{path}/{name}"]))
            self._named[layer] = listed

    def of(self, part: Part) -> list[tuple[str | None, Stored]]:
        return [(steps[-1], stored) for steps, stored in self._listed(part)]

    def all_of(self, part: Part) -> dict[str, Stored]:
        # names repeat within a layer (the kernels of attention), their paths do not
        listed = self._listed(part)
        across = zip(*(steps[:-1] for steps, _ in listed), strict=False)
        shared = len(list(takewhile(lambda same: len(set(same)) == 1, across)))
        return {"/".join(steps[shared:]): stored for steps, stored in listed}

    def _listed(self, part: Part) -> list[tuple[tuple[str, ...], Stored]]:
        """Return what is stored for a layer, each with the steps of its path."""
        home, inner = self._homes[id(part)]
        listed = self._named.get(home, [])
        if len(inner) > 1:
            for length in range(len(inner), 0, -1):
                wanted = inner[-length:]
                mine = [i for i in listed if i[0][-1 - length : -1] == wanted]
                if mine:
                    listed = mine
                    break
            else:
                listed = []
        return listed
