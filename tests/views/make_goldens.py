"""Make the golden summaries anew, with Keras itself.

    KERAS_BACKEND=torch COLUMNS=80 PYTHONPATH=src:tests python -m views.make_goldens KERAS2

KERAS2 is the unpacked wheel of Keras 2.3.1 (`pip download --no-deps keras==2.3.1`, `unzip`). Its
print_summary is run as it is, on stand-ins for its models that take their layers, nodes and counts
from the models of today's Keras; what else that module imports (TensorFlow) is not needed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from views.keras_networks import BUILDERS, DATA, GOLDEN, build, printed, summary_of, to_plain


def main(folder: Path) -> None:
    """Write every golden file."""
    old = keras2(folder)
    plain = {}
    for name in BUILDERS:
        model = build(name)
        plain[name] = to_plain(summary_of(model))
        (GOLDEN / f"keras_summary_{name}.txt").write_text(printed(model) + "\n")
        lines: list[str] = []
        old.print_summary(stand_in(model), print_fn=lines.append)
        (GOLDEN / f"keras2_summary_{name}.txt").write_text("\n".join(lines) + "\n")
    DATA.write_text(json.dumps(plain, indent=1) + "\n")


def keras2(folder: Path) -> Any:
    """Return Keras 2's module with print_summary, its imports replaced by empty ones."""
    package, utils = ModuleType("keras2"), ModuleType("keras2.utils")
    convert, backend = ModuleType("keras2.utils.conv_utils"), ModuleType("keras2.backend")
    convert.convert_kernel = None  # type: ignore[attr-defined]
    backend.count_params = len  # type: ignore[attr-defined]
    package.backend = backend  # type: ignore[attr-defined]
    for module in (package, utils, convert, backend):
        sys.modules[module.__name__] = module
        module.__path__ = []
    layer_utils = ModuleType("keras2.utils.layer_utils")
    layer_utils.__package__ = "keras2.utils"
    code = (folder / "keras/utils/layer_utils.py").read_text()
    exec(compile(code, "layer_utils.py", "exec"), layer_utils.__dict__)  # noqa: S102 (its purpose)
    return layer_utils


def stand_in(model: Any) -> Any:
    """Return something that Keras 2 takes for its own model."""
    sequential = type(model).__name__ == "Sequential"
    levels = (model._functional if sequential else model)._nodes_by_depth
    members = {id(n) for level in levels.values() for n in level}
    layers: dict[int, Any] = {}
    nodes: dict[int, Any] = {}

    def layer_of(real: Any) -> Any:
        if id(real) not in layers:
            used = [node for node in real._inbound_nodes if id(node) in members]
            shapes = {tuple(node.output_tensors[0].shape) for node in used}
            fake = type(type(real).__name__, (StandIn,), {})()
            fake.name = real.name
            fake.count_params = real.count_params
            if len(shapes) == 1:
                fake.output_shape = shapes.pop()
            layers[id(real)] = fake
            fake._inbound_nodes = [node_of(node) for node in used]
        return layers[id(real)]

    def node_of(real: Any) -> Any:
        if id(real) not in nodes:
            nodes[id(real)] = StandIn()
            fake: Any = nodes[id(real)]
            history = [tensor._keras_history for tensor in real.input_tensors]
            fake.inbound_layers = [layer_of(h.operation) for h in history]
            fake.node_indices = [h.node_index for h in history]
            fake.tensor_indices = [h.tensor_index for h in history]
        return nodes[id(real)]

    fake: Any = type("Sequential" if sequential else "Model", (StandIn,), {})()
    fake.name, fake._is_graph_network = model.name, True
    fake.layers = [layer_of(layer) for layer in model.layers]
    fake._nodes_by_depth = {depth: list(map(node_of, level)) for depth, level in levels.items()}
    fake._check_trainable_weights_consistency = lambda: None
    fake.trainable_weights = [range(_size(w)) for w in model.trainable_weights]
    fake.non_trainable_weights = [range(_size(w)) for w in model.non_trainable_weights]
    return fake


class StandIn:
    """Something to hang attributes on."""


def _size(weight: Any) -> int:
    size = 1
    for n in weight.shape:
        size *= n
    return size


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
