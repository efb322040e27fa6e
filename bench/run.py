"""Measures what convscope promises about speed, each figure against its peer in the same run.

    pip install -e '.[bench]'
    python bench/run.py            prints the table and writes it into bench/README.md
    python bench/run.py cone run   only those rows
    python bench/run.py explorer   only the explorer's; they need Chromium (apt-get install chromium)

Whole processes are started in turn, A B A B …, and their peak memory is the operating system's own
figure. The explorer is timed inside Chromium (see explorer.py). Everything else is timed in this
process, in turn as well. Medians, and ratios of medians.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import explorer
from row import Row

HERE = Path(__file__).parent

TWO_LAYERS = """
from {module} import Sequential
from {layers} import Conv2D
model = Sequential()
model.add(Conv2D(32, kernel_size=(3, 3), activation='relu', input_shape=(28, 28, 1)))
model.add(Conv2D(64, (3, 3), activation='relu'))
for l in model.layers:
    if len(l.get_weights()) > 0:
        print(l.get_weights()[0].shape)
model.summary()
"""


def process(code: str, **environment: str) -> tuple[float, float]:
    """Return (seconds, peak MiB) of a Python process that runs this code."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = {**os.environ, **environment}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages come compiled
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if child.returncode:
        raise SystemExit(f"the benchmark's process failed:\n{code}")
    return seconds, usage.ru_maxrss / 1024


def in_turn(
    *actions: Callable[[], Any], times: int, warm: int = 1, again: bool = False
) -> list[float]:
    """Return the median seconds of each action, called in turn.

    again   every turn is two calls, the second of which is timed: threads of ONNX Runtime spin on for a
            while after a run, and would otherwise be in the next action's way
    """
    taken: list[list[float]] = [[] for _ in actions]
    for number in range(times + warm):
        for place, action in enumerate(actions):
            if again:
                action()
            begun = time.perf_counter()
            action()
            if number >= warm:
                taken[place].append(time.perf_counter() - begun)
    return [statistics.median(t) for t in taken]


def two_layers() -> list[Row]:
    """The two-layer question as a whole process, against Keras on its PyTorch backend."""
    ours = TWO_LAYERS.format(module="convscope", layers="convscope")
    theirs = TWO_LAYERS.format(module="keras", layers="keras.layers")
    runs: dict[str, list[tuple[float, float]]] = {ours: [], theirs: []}
    for number in range(6):
        for code in (ours, theirs):
            found = process(code, KERAS_BACKEND="torch")
            if number:
                runs[code].append(found)
    a, b = (statistics.median(s for s, _ in runs[c]) for c in (ours, theirs))
    m, n = (statistics.median(m for _, m in runs[c]) for c in (ours, theirs))
    return [
        Row(
            "the two-layer question, whole process: build, weights' shapes, summary",
            f"{a:.3f} s", f"Keras {b:.2f} s", f"{b / a:.0f}× faster", "≥ 25×", b / a >= 25,
        ),
        Row(
            "the same, peak memory",
            f"{m:.0f} MiB", f"Keras {n:.0f} MiB", f"{n / m:.1f}× less", "≤ 60 MiB", m <= 60,
        ),
    ]  # fmt: skip


OUR_SUMMARY = "import convscope; convscope.open({path!r}).summary()"
THEIR_SUMMARY = "import keras; keras.saving.load_model({path!r}).summary()"


def file_rows() -> list[Row]:
    """Summaries of .keras files as whole processes, against Keras loading and summarising them."""
    import tempfile

    bounds = {"ResNet50": 20, "VGG16": 30}
    rows = []
    for name, bound in bounds.items():
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / f"{name}.keras")
            made = f"import keras; keras.applications.{name}(weights=None).save({path!r})"
            process(made, KERAS_BACKEND="torch")
            ours, theirs = OUR_SUMMARY.format(path=path), THEIR_SUMMARY.format(path=path)
            runs: dict[str, list[tuple[float, float]]] = {ours: [], theirs: []}
            for number in range(4):
                for code in (ours, theirs):
                    found = process(code, KERAS_BACKEND="torch")
                    if number:
                        runs[code].append(found)
            size = os.path.getsize(path) / 1e6
        a, b = (statistics.median(s for s, _ in runs[c]) for c in (ours, theirs))
        m, n = (statistics.median(m for _, m in runs[c]) for c in (ours, theirs))
        rows += [
            Row(
                f"summary of {name}.keras ({size:.0f} MB), whole process",
                f"{a:.3f} s", f"Keras {b:.2f} s", f"{b / a:.0f}× faster", f"≥ {bound}×", b / a >= bound,
            ),
            Row(
                "the same, peak memory",
                f"{m:.0f} MiB", f"Keras {n:.0f} MiB", f"{n / m:.1f}× less", "≤ 70 MiB", m <= 70,
            ),
        ]  # fmt: skip
    return rows


OUR_RUN = """
import numpy, convscope
image = numpy.random.default_rng(0).random((224, 224, 3), dtype=numpy.float32)
convscope.open({path!r}).run(image)
"""
THEIR_RUN = """
import numpy, keras
image = numpy.random.default_rng(0).random((1, 224, 224, 3), dtype=numpy.float32)
keras.saving.load_model({path!r}).predict(image, verbose=0)
"""


def memory_rows() -> list[Row]:
    """Peak memory of a fresh process that opens VGG16 and runs one image, every activation kept.

    The operating system's figure for the whole process: the interpreter and all libraries count, and so
    does every page of the mapped file that was looked at.
    """
    import tempfile

    weights = 138_357_544 * 4 / 2**20  # Keras's documentation: 138.4 million parameters
    most = 1.5 * weights
    with tempfile.TemporaryDirectory() as folder:
        stored, exported = (str(Path(folder) / f"VGG16.{kind}") for kind in ("keras", "onnx"))
        made = f"import keras; keras.applications.VGG16(weights=None).save({stored!r})"
        process(made, KERAS_BACKEND="torch")
        process(f"import convscope; convscope.open({stored!r}).export({exported!r})")
        runs: dict[str, list[float]] = {"keras": [], "onnx": [], "peer": []}
        for _ in range(3):
            runs["keras"].append(process(OUR_RUN.format(path=stored))[1])
            runs["onnx"].append(process(OUR_RUN.format(path=exported))[1])
            theirs = process(THEIR_RUN.format(path=stored), KERAS_BACKEND="torch")
            runs["peer"].append(theirs[1])
    a, b, peer = (statistics.median(runs[name]) for name in ("keras", "onnx", "peer"))
    return [
        Row(
            f"running VGG16.{kind}, one image, every activation kept: peak memory of the process",
            f"{found:.0f} MiB", f"Keras, output only, {peer:.0f} MiB",
            f"{found / weights:.2f}× its weights ({weights:.0f} MiB)", "≤ 1.5×", found <= most,
        )
        for kind, found in (("keras", a), ("onnx", b))
    ]  # fmt: skip


def activation_rows() -> list[Row]:
    """All activations of ResNet-50, against its output alone and against TorchLens.

    The network is transformers' (random weights), as PyTorch exports it: batch normalisation folded into
    the convolutions. TorchLens keeps those apart, and so does the file that is compared with it.
    """
    import tempfile
    import warnings

    import numpy as np
    import onnxruntime as ort
    import torch
    import torchlens
    from transformers import ResNetConfig, ResNetForImageClassification

    import convscope

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    model = ResNetForImageClassification(ResNetConfig(num_labels=1000)).eval()
    model.config.return_dict = False
    x = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    given = torch.from_numpy(x)

    def bare(path: Path, image: Any) -> Callable[[], Any]:
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda: session.run(None, {name: image})

    def ratio(path: Path, net: Any, image: Any) -> tuple[float, float, int]:
        ours, theirs = in_turn(
            lambda: net.run(image[0]), bare(path, image), times=40, warm=5, again=True
        )
        return ours, theirs, len(net.graph.nodes)

    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        folded, apart, stored, exported = (
            Path(folder) / name for name in ("folded.onnx", "apart.onnx", "own.keras", "own.onnx")
        )
        torch.onnx.export(model, (given,), folded, dynamo=True, verbose=False)
        torch.onnx.export(model, (given,), apart, dynamo=False, do_constant_folding=False)
        made = f"import keras; keras.applications.ResNet50(weights=None).save({str(stored)!r})"
        process(made, KERAS_BACKEND="torch")
        own = convscope.open(stored)
        own.export(exported)
        found = [
            ("as PyTorch exports it", *ratio(folded, convscope.open(folded), x)),
            (
                "ResNet50.keras, batch normalisation apart",
                *ratio(exported, own, np.ascontiguousarray(x.transpose(0, 2, 3, 1))),
            ),
        ]
        net = convscope.open(apart)
        assert np.allclose(net.run(x[0]).output, model(given)[0][0].numpy(), atol=1e-3)
        assert all(op.has_saved_activation for op in torchlens.trace(model, given).layer_list)
        ours, theirs = in_turn(
            lambda: net.run(x[0]), lambda: torchlens.trace(model, given), times=7, again=True
        )
    rows = [
        Row(
            f"all {count} activations of ResNet-50, one image ({what})",
            f"{a * 1e3:.1f} ms", f"bare ONNX Runtime, output only, {b * 1e3:.1f} ms",
            f"{a / b:.2f}×", "≤ 1.4×", a / b <= 1.4,
        )
        for what, a, b, count in found
    ]  # fmt: skip
    faster = theirs / ours
    rows.append(
        Row(
            f"all {len(net.graph.nodes)} activations of ResNet-50, one image (PyTorch's own, nothing folded)",
            f"{ours * 1e3:.1f} ms", f"TorchLens {theirs:.2f} s",
            f"{faster:.0f}× faster", "≥ 25×", faster >= 25,
        )
    )  # fmt: skip
    return rows


def ledger_row() -> list[Row]:
    """The ledger of one number of 3·3·512 terms, activations at hand."""
    import numpy as np

    from convscope import Conv2D, Sequential

    model = Sequential([Conv2D(16, 3, activation="relu", input_shape=(14, 12, 512))])
    run = model.run(np.random.default_rng(0).normal(size=(14, 12, 512)))
    (taken,) = in_turn(lambda: run.trace("conv2d", (5, 7, 3)), times=200, warm=20)
    return [
        Row(
            "ledger of one number, 3·3·512 = 4,608 terms",
            f"{taken * 1e3:.2f} ms", "–", "–", "≤ 1 ms", taken <= 1e-3,
        )
    ]  # fmt: skip


def cone_row() -> list[Row]:
    """One number of the second layer of a 4096×4096 image, against running the network on it."""
    import numpy as np

    from convscope import Conv2D, Sequential

    model = Sequential(
        [
            Conv2D(32, 3, activation="relu", input_shape=(4096, 4096, 1)),
            Conv2D(64, 3, activation="relu"),
        ]
    )
    image = np.random.default_rng(0).random((4096, 4096, 1), dtype=np.float32)
    small = Sequential(
        [
            Conv2D(32, 3, activation="relu", input_shape=(64, 64, 1)),
            Conv2D(64, 3, activation="relu"),
        ]
    )
    where = (2000, 31, 12)
    ours, least = in_turn(
        lambda: model.trace(image, "conv2d_1", where),
        lambda: small.trace(image[:64, :64], "conv2d_1", (20, 31, 12)),
        times=50,
        warm=5,
    )
    (theirs,) = in_turn(lambda: model.run(image, keep=["conv2d_1"]), times=1, warm=0)
    ratio = theirs / ours
    return [
        Row(
            "one number of conv2d_1, 4096×4096 image, by the cone",
            f"{ours * 1e3:.2f} ms", f"running the network {theirs:.1f} s",
            f"{ratio:,.0f}× faster", "≥ 1,000×", ratio >= 1000,
        ),
        Row(
            "the same on a 64×64 image: the cost does not grow with the image",
            f"{least * 1e3:.2f} ms", f"4096×4096: {ours * 1e3:.2f} ms",
            f"{ours / least:.2f}×", "≤ 1.5×", ours / least <= 1.5,
        ),
    ]  # fmt: skip


def deep_row() -> list[Row]:
    """A graph of 10,000 layers: built, and summarised as text."""
    import io

    from convscope import BatchNormalization, Conv2D, ReLU, Sequential

    def build(count: int) -> Sequential:
        model = Sequential(name="deep")
        model.add(Conv2D(8, 3, padding="same", input_shape=(32, 30, 3)))
        kinds = (
            lambda n: Conv2D(8 + n % 9, 3, padding="same"),
            lambda n: BatchNormalization(),
            lambda n: ReLU(),
        )
        for n in range(count - 1):
            model.add(kinds[n % 3](n))
        return model

    def fresh(count: int) -> float:
        model = build(count)
        begun = time.perf_counter()
        model.summary(file=io.StringIO())
        return time.perf_counter() - begun

    def whole(count: int) -> float:
        begun = time.perf_counter()
        build(count).summary(file=io.StringIO())
        return time.perf_counter() - begun

    fresh(200)
    half = statistics.median(fresh(5000) for _ in range(5))
    full = statistics.median(fresh(10000) for _ in range(5))
    everything = statistics.median(whole(10000) for _ in range(3))
    return [
        Row(
            "a graph of 10,000 layers summarised",
            f"{full:.2f} s ({everything:.2f} s with building it)", f"5,000 layers: {half:.2f} s",
            f"{full / half:.2f}× for twice the layers", "≤ 1 s, linear", full <= 1 and full / half < 2.6,
        )
    ]  # fmt: skip


def onnx_row() -> list[Row]:
    """An ONNX file of 10,000 nodes: opened, and summarised as text."""
    import io
    import tempfile

    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    import convscope

    def write(count: int, path: Path) -> None:
        rng = np.random.default_rng(0)
        nodes, weights, name, channels = [], [], "x", 3

        def drawn(*shape: int) -> str:
            array = rng.random(shape, dtype=np.float32)
            weights.append(numpy_helper.from_array(array, f"w{len(weights)}"))
            return f"w{len(weights) - 1}"

        for n in range(count):
            if n % 3 == 0:
                kernel, channels = drawn(8 + n % 9, channels, 3, 3), 8 + n % 9
                nodes.append(helper.make_node("Conv", [name, kernel], [f"t{n}"], pads=[1] * 4))
            elif n % 3 == 1:
                held = [drawn(channels) for _ in range(4)]
                nodes.append(helper.make_node("BatchNormalization", [name, *held], [f"t{n}"]))
            else:
                nodes.append(helper.make_node("Relu", [name], [f"t{n}"]))
            name = f"t{n}"
        image = helper.make_tensor_value_info("x", 1, ["n", 3, 32, 30])
        result = helper.make_tensor_value_info(name, 1, None)
        graph = helper.make_graph(nodes, "deep", [image], [result], weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)

    def whole(path: Path) -> float:
        begun = time.perf_counter()
        convscope.open(path).summary(file=io.StringIO())
        return time.perf_counter() - begun

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{count}.onnx" for count in (5000, 10000)]
        for path, count in zip(paths, (5000, 10000), strict=True):
            write(count, path)
        whole(paths[0])
        half, full = (statistics.median(whole(path) for _ in range(3)) for path in paths)
    return [
        Row(
            "an ONNX file of 10,000 nodes opened and summarised",
            f"{full:.2f} s", f"5,000 nodes: {half:.2f} s",
            f"{full / half:.2f}× for twice the nodes", "≤ 2 s", full <= 2,
        )
    ]  # fmt: skip


def run_rows() -> list[Row]:
    """Running through convscope, against bare ONNX Runtime on the same network written by hand."""
    import numpy as np
    import onnxruntime as ort

    from convscope import BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D, ReLU, Sequential

    rng = np.random.default_rng(0)
    plain = Sequential(
        [
            Conv2D(32, 3, activation="relu", input_shape=(112, 112, 3)),
            Conv2D(64, 3, activation="relu"),
            MaxPooling2D(2),
            Conv2D(128, 3, activation="relu"),
            Conv2D(128, 3, activation="relu"),
            MaxPooling2D(2),
            Flatten(),
            Dense(10, activation="softmax"),
        ],
        name="plain",
    )
    normed = Sequential(
        [
            Conv2D(32, 3, strides=2, use_bias=False, input_shape=(160, 160, 3)),
            BatchNormalization(),
            ReLU(),
            Conv2D(64, 3, use_bias=False),
            BatchNormalization(),
            ReLU(),
            Conv2D(128, 3, strides=2, use_bias=False),
            BatchNormalization(),
            ReLU(),
        ],
        name="normed",
    )
    rows = []
    for model in (plain, normed):
        x = rng.random((4, *model.input_shape), dtype=np.float32)
        bare = ort.InferenceSession(
            channels_first(model).SerializeToString(), providers=["CPUExecutionProvider"]
        )
        moved = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        expected = bare.run(None, {"x": moved})[0]
        if expected.ndim == 4:
            expected = expected.transpose(0, 2, 3, 1)
        assert np.allclose(model.predict(x), expected, atol=1e-4)
        ours, theirs = in_turn(
            lambda model=model, x=x: model.predict(x, verbose=0),
            lambda bare=bare, moved=moved: bare.run(None, {"x": moved}),
            times=40,
            warm=5,
        )
        ratio = ours / theirs
        rows.append(
            Row(
                f"running {model.name}, batch of 4, {len(model.layers)} layers",
                f"{ours * 1e3:.1f} ms", f"bare ONNX Runtime {theirs * 1e3:.1f} ms",
                f"{ratio:.2f}×", "≤ 1.05×", ratio <= 1.05,
            )
        )  # fmt: skip
    return rows


def channels_first(model: Any) -> Any:
    """Return a model as ONNX written by hand, channels first throughout, as an exporter would."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, name = [], [], "x"
    rows = model.input_shape

    def keep(array: Any) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array), f"w{len(weights)}"))
        return str(weights[-1].name)

    def node(op: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [f"n{len(nodes)}"], **attributes))
        return f"n{len(nodes) - 1}"

    shape = tuple(rows)
    for layer in model.layers:
        held = layer.get_weights()
        facts = model.graph.facts[layer.name]
        if layer.kind == "Conv2D":
            inputs = [keep(held[0].transpose(3, 2, 0, 1)), *map(keep, held[1:])]
            name = node("Conv", name, *inputs, strides=list(layer.strides))
            if layer.activation.name == "relu":
                name = node("Relu", name)
        elif layer.kind == "BatchNormalization":
            name = node("BatchNormalization", name, *map(keep, held), epsilon=layer.epsilon)
        elif layer.kind == "ReLU":
            name = node("Relu", name)
        elif layer.kind == "MaxPooling2D":
            name = node("MaxPool", name, kernel_shape=[2, 2], strides=[2, 2])
        elif layer.kind == "Flatten":
            shape = facts.input_shapes[0]
            name = node("Flatten", name)
        elif layer.kind == "Dense":
            h, w, c = shape
            kernel = held[0].reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(h * w * c, -1)
            name = node("Softmax", node("Gemm", name, keep(kernel), keep(held[1])))
    rank = len(model.output_shape) + 1
    graph = helper.make_graph(
        nodes,
        "bare",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", rows[2], rows[0], rows[1]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "two_layers": two_layers,
    "files": file_rows,
    "memory": memory_rows,
    "ledger": ledger_row,
    "cone": cone_row,
    "deep": deep_row,
    "onnx": onnx_row,
    "run": run_rows,
    "activations": activation_rows,
    **explorer.BENCHES,
}


def main(names: list[str]) -> int:
    """Run the benches of these names (all by default); return 1 if a bound was not held."""
    wanted = set()
    for name in names or BENCHES:
        found = {b for b in BENCHES if b == name or b.startswith(f"{name}_")}
        if not found:
            raise SystemExit(f"no bench {name}; there are {', '.join(BENCHES)}")
        wanted |= found
    # in this order: a process is charged with the memory of the one that started it, which must be small
    rows = [row for name in BENCHES if name in wanted for row in BENCHES[name]()]
    lines = ["| work | convscope | peer | ratio | to reach | held |", "|---|---|---|---|---|---|"]
    for r in rows:
        held = "yes" if r.held else "**no**"
        lines.append(f"| {r.what} | {r.ours} | {r.peer} | {r.ratio} | {r.bound} | {held} |")
    table = "\n".join(lines)
    print(table)
    if not names:
        from importlib.metadata import version

        machine = (
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
            f"Python {platform.python_version()}, Keras {version('keras')} on PyTorch, "
            f"ONNX Runtime {version('onnxruntime')}"
        )
        page = HERE / "README.md"
        before = page.read_text(encoding="utf-8").split("<!-- table -->")[0]
        page.write_text(f"{before}<!-- table -->\n\n{machine}\n\n{table}\n", encoding="utf-8")
    return 0 if all(r.held for r in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
