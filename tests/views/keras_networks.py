"""The networks of the golden summaries: built in Keras, and read from it as plain rows."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from convscope.parts import Summary, SummaryRow, SummaryTotals

GOLDEN = Path(__file__).parents[1] / "golden"
DATA = GOLDEN / "summary_networks.json"


def build(name: str) -> Any:
    """Return the Keras model of that name; its weights take no memory."""
    import keras

    keras.utils.clear_session(free_memory=False)
    with keras.device("meta"):
        return BUILDERS[name](keras, keras.layers)


def _question(keras: Any, L: Any) -> Any:
    model = keras.Sequential([keras.Input((28, 28, 1))])
    model.add(L.Conv2D(32, kernel_size=(3, 3), activation="relu"))
    model.add(L.Conv2D(64, (3, 3), activation="relu"))
    return model


def _question_no_bias(keras: Any, L: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((28, 28, 3)),
            L.Convolution2D(32, 5, activation="relu", use_bias=False),
            L.Convolution2D(64, 5, activation="relu", use_bias=False),
        ]
    )


def _long_names(keras: Any, L: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            L.Conv2D(7, 3, name="the_first_convolution_of_the_encoder_on_the_left"),
            L.SeparableConv2D(11, 3, name="stem separable block"),
            L.GlobalAveragePooling2D(name="encoder.pool[all]"),
            L.Dense(5, name="x" * 40),
        ],
        name="a_network_whose_name_is_long_but_not_too_long",
    )


def _pool_norm_dense(keras: Any, L: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((32, 31, 3)),
            L.Conv2D(24, 3, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
            L.MaxPooling2D(),
            L.Dropout(0.25),
            L.Flatten(),
            L.Dense(1200, activation="relu"),
            L.Dense(10, activation="softmax"),
        ]
    )


def _gigabytes(keras: Any, L: Any) -> Any:
    frozen = L.Dense(16384, name="frozen", trainable=False)
    return keras.Sequential([keras.Input((16384,)), frozen, L.Dense(20000), L.Dense(3)])


def _chain(keras: Any, L: Any) -> Any:
    x = image = keras.Input((28, 28, 1))
    x = L.Conv2D(32, 3)(x)
    return keras.Model(image, L.Flatten()(x))


def _residual(keras: Any, L: Any) -> Any:
    x = image = keras.Input((16, 16, 3), name="image")
    x = L.Conv2D(8, 3, padding="same")(x)
    y = L.BatchNormalization()(x)
    y = L.Activation("relu")(y)
    y = L.Conv2D(8, 3, padding="same")(y)
    x = L.Add(name="a_sum_with_a_rather_long_name_of_its_own")([y, x])
    return keras.Model(image, x, name="residual")


def _shared(keras: Any, L: Any) -> Any:
    left = keras.Input((20, 21, 3), name="left")
    right = keras.Input((20, 21, 3), name="right")
    eye = L.Conv2D(6, 3, name="eye")
    pool = L.GlobalMaxPooling2D(name="pool")
    both = L.Concatenate()([pool(eye(right)), pool(eye(left))])
    return keras.Model([left, right], L.Dense(2)(both), name="twins")


def _shared_sizes(keras: Any, L: Any) -> Any:
    image = keras.Input((20, 21, 4), name="image")
    conv = L.Conv2D(4, 3, name="again")
    return keras.Model(image, L.Flatten()(conv(conv(image))), name="twice")


def _branches(keras: Any, L: Any) -> Any:
    image = keras.Input((12, 12, 3), name="image")
    extra = keras.Input((5,), name="extra")
    a = L.Conv2D(4, 1, name="a")(image)
    b = L.Conv2D(4, 3, padding="same", name="b2")(L.Conv2D(2, 1, name="b1")(image))
    c = L.MaxPooling2D(3, 1, "same", name="c")(image)
    merged = L.Concatenate(name="merged")([a, b, c])
    flat = L.GlobalAveragePooling2D(name="flat")(merged)
    scores = L.Dense(3, name="scores")(L.Concatenate(name="with_extra")([flat, extra]))
    return keras.Model([image, extra], [scores, flat], name="branches")


BUILDERS: dict[str, Any] = {
    "question": _question,
    "question_no_bias": _question_no_bias,
    "long_names": _long_names,
    "pool_norm_dense": _pool_norm_dense,
    "gigabytes": _gigabytes,
    "chain": _chain,
    "residual": _residual,
    "shared": _shared,
    "shared_sizes": _shared_sizes,
    "branches": _branches,
}


def printed(model: Any, line_length: int | None = None) -> str:
    """Return what Keras prints as the model's summary."""
    texts: list[str] = []
    model.summary(print_fn=texts.append, line_length=line_length)
    return "".join(texts).rstrip("\n")


def summary_of(model: Any) -> Summary:
    """Return a Keras model's layers as rows, in the order of their first use."""
    import keras

    sequential = isinstance(model, keras.Sequential)
    nodes = sorted(
        (node for level in model._functional._nodes_by_depth.values() for node in level)
        if sequential
        else (node for level in model._nodes_by_depth.values() for node in level),
        key=_moment,
    )
    names: dict[int, str] = {}
    rows: list[SummaryRow] = []
    inputs = {}
    for node in nodes:
        layer = node.operation
        again = [other for other in layer._inbound_nodes if other in nodes].index(node)
        name = f"{layer.name}#{again}" if again else layer.name
        names.update((id(tensor), name) for tensor in node.output_tensors)
        shape = tuple(node.output_tensors[0].shape)
        if node.is_input:
            inputs[name] = shape
            continue
        size = layer.count_params()
        rows.append(
            SummaryRow(
                name,
                type(layer).__name__,
                tuple(names[id(tensor)] for tensor in node.input_tensors),
                tuple(tuple(tensor.shape) for tensor in node.input_tensors),
                shape,
                {w.name: tuple(w.shape) for w in layer.weights},
                size,
                size - sum(_size(w) for w in layer.non_trainable_weights),
                shared_with=layer.name if again else None,
            )
        )
    order = {row.name: n for n, row in enumerate(rows)}
    total = sum(map(_size, model.weights))
    frozen = sum(map(_size, model.non_trainable_weights))
    return Summary(
        model.name,
        tuple(sorted(rows, key=lambda row: order[row.name])),
        SummaryTotals(total, total - frozen, frozen, None, 4 * total),
        inputs=inputs,
        outputs=tuple(names[id(tensor)] for tensor in model.outputs),
        sequential=sequential,
    )


def _size(weight: Any) -> int:
    size = 1
    for n in weight.shape:
        size *= n
    return size


def _moment(node: Any) -> tuple[int, int]:
    """Return a key that puts nodes after what feeds them."""
    depth = 0
    for tensor in node.input_tensors:
        parent = tensor._keras_history
        depth = max(depth, _moment(parent.operation._inbound_nodes[parent.node_index])[0] + 1)
    return depth, node.operation._inbound_nodes.index(node)


# -- the rows as a file, for when there is no Keras -----------------------------------------------


def to_plain(summary: Summary) -> dict[str, Any]:
    """Return a summary as JSON can hold it, with all that Keras's styles need."""
    return {
        "name": summary.name,
        "inputs": {name: list(shape) for name, shape in summary.inputs.items()},
        "outputs": list(summary.outputs),
        "sequential": summary.sequential,
        "totals": summary.totals.to_dict(),
        "rows": [row.to_dict() | {"shared_with": row.shared_with} for row in summary.rows],
    }


def from_plain(plain: dict[str, Any]) -> Summary:
    """Return the summary that `to_plain` wrote down."""
    rows = [
        SummaryRow(
            **row
            | {
                "inputs": tuple(row["inputs"]),
                "receptive_field": row["receptive_field"]
                and SimpleNamespace(**row["receptive_field"]),
            }
        )
        for row in plain["rows"]
    ]
    return Summary(
        plain["name"],
        tuple(rows),
        SummaryTotals(**plain["totals"]),
        inputs=plain["inputs"],
        outputs=tuple(plain["outputs"]),
        sequential=plain["sequential"],
    )


def stored() -> dict[str, Summary]:
    """Return the networks as they were read from Keras when the golden files were made."""
    return {name: from_plain(plain) for name, plain in json.loads(DATA.read_text()).items()}
