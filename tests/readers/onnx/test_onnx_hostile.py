"""Hostile ONNX files: each row of the safety rules, and seeded mutations of good files."""

from __future__ import annotations

import io
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_onnx
import numpy as np
import onnx
import onnx_models
import onnxruntime as ort
import pytest
from campaigns import rounds, thorough
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, helper
from work import peak

import convscope
from convscope.errors import ConvscopeError, EngineError, SourceError, SourceWarning

# conversions and leavings-out are said as warnings, and here no cause for alarm
pytestmark = pytest.mark.filterwarnings("ignore::convscope.errors.SourceWarning")

node = helper.make_node
KERNEL = np.ones((4, 3, 3, 2), np.float32)


def external(folder: Path, **told: str) -> Path:
    """Write a model whose kernel lies beside it, referred to as told; return the model's path."""
    given = {"location": "kernel.bin", "offset": "8", "length": str(KERNEL.nbytes)} | told
    if not (folder / "kernel.bin").exists():
        (folder / "kernel.bin").write_bytes(b"\0" * 8 + KERNEL.tobytes())
    model = onnx_models.model([node("Conv", ["x", "w"], ["y"])], {"x": [1, 3, 7, 9]}, ["y"])
    tensor = TensorProto(
        name="w", data_type=1, dims=KERNEL.shape, data_location=TensorProto.EXTERNAL
    )
    for key, value in given.items():
        if value:
            tensor.external_data.add(key=key, value=value)
    model.graph.initializer.append(tensor)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


# -- external data --------------------------------------------------------------------------------


def test_external_data_inside_the_folder_is_read_and_run(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path = external(tmp_path)
    image = np.random.default_rng(0).normal(size=(3, 7, 9)).astype(np.float32)
    net = convscope.open(path)
    assert net.layers[0].get_weights()[0].tolist() == KERNEL.tolist()
    run = net.run(image)
    assert run.output.shape == (4, 5, 8)
    assert run.trace("conv", (2, 3, 4)).facts.agrees
    os.rename(tmp_path / "kernel.bin", tmp_path / "deep" / "kernel.bin")
    again = convscope.open(external(tmp_path, location="deep/kernel.bin"))
    np.testing.assert_array_equal(again.run(image).output, run.output)


def test_external_data_goes_into_the_exported_file(tmp_path: Path) -> None:
    net = convscope.open(external(tmp_path))
    net.export(tmp_path / "whole.onnx")
    (tmp_path / "kernel.bin").unlink()
    again = convscope.open(tmp_path / "whole.onnx")
    assert again.layers[0].get_weights()[0].tolist() == KERNEL.tolist()


@pytest.mark.parametrize(
    "location",
    ["../kernel.bin", "/etc/passwd", "a/../../kernel.bin", "..", ".", "C:\\x", "..\\x", "x\0y", "*/_ORT_MEM_ADDR_/*"],
)  # fmt: skip
def test_a_location_outside_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "kernel.bin").write_bytes(b"\0" * 8 + KERNEL.tobytes())
    with pytest.raises(SourceError, match="'w' refers to"):
        convscope.open(external(inner, location=location))


def test_no_location_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'w' refers to ''"):
        convscope.open(external(tmp_path, location=""))


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "kernel.bin").write_bytes(b"\0" * 8 + KERNEL.tobytes())
    links: list[Callable[[Path, Path], None]] = [os.symlink, os.link]
    for number, link in enumerate(links):
        folder = tmp_path / str(number)
        folder.mkdir()
        link(secret / "kernel.bin", folder / "kernel.bin")
        with pytest.raises(SourceError, match=r"'w'.*plain file"):
            convscope.open(external(folder))
    folder = tmp_path / "dir"
    folder.mkdir()
    os.symlink(secret, folder / "deep")
    with pytest.raises(SourceError, match="cannot be opened as a plain file"):
        convscope.open(external(folder, location="deep/kernel.bin"))


def test_a_pipe_as_external_data_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kernel.bin")
    with pytest.raises(SourceError, match="no plain file"):
        convscope.open(external(tmp_path))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"offset": "9"}, "needs 288 bytes from 9 on"),
        ({"offset": "-8"}, "no whole number"),
        ({"offset": "9" * 30}, "no whole number"),
        ({"length": "287"}, "needs 288 bytes, but refers to 287"),
        ({"length": "9" * 12}, "needs 288 bytes"),
        ({"basepath": "/etc"}, "refers to other data by 'basepath'"),
        ({"__class__": "x"}, "refers to other data by '__class__'"),
    ],
)
def test_references_that_do_not_add_up_are_refused(
    tmp_path: Path, told: dict[str, str], words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        convscope.open(external(tmp_path, **told))


def test_a_live_model_may_refer_to_no_file(tmp_path: Path) -> None:
    model = ModelProto.FromString(external(tmp_path).read_bytes())
    with pytest.raises(SourceError, match="refers to data in other files"):
        convscope.open(model)


def test_a_tensor_inside_a_node_or_a_subgraph_may_refer_to_no_file() -> None:
    tensor = TensorProto(name="t", data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    held = node("Constant", [], ["c"], value=tensor)
    inner = helper.make_graph([held], "inner", [], [helper.make_tensor_value_info("c", 1, [2])])
    branch = node("If", ["b"], ["y"], then_branch=inner, else_branch=inner)
    for nodes in ([held, node("Add", ["x", "c"], ["y"])], [branch]):
        model = onnx_models.model(nodes, {"x": [1, 2], "b": []}, ["y"])
        with pytest.raises(SourceError, match="inside a node or a subgraph refers to another file"):
            convscope.open(model)


# -- the file itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x80\x04\x95pickle", "is a pickle"),
        (b"PK\x03\x04" + b"x" * 40, "is a damaged zip archive"),
        (b"\x08\x07", "holds no graph"),
        (b"\x3a\xff\xff\xff\xff\x07", "is no ONNX model"),
        (b"\x3a" * 2000, "is no ONNX model"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=words):
        convscope.open(path)


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "folder.onnx").mkdir()
    for name in ("pipe.onnx", "folder.onnx"):
        with pytest.raises(SourceError, match=r"no plain file|is a folder"):
            convscope.open(tmp_path / name)
    with pytest.raises(SourceError, match="there is no file"):
        convscope.open(tmp_path / "absent.onnx")


def test_subgraphs_in_subgraphs_without_end_are_refused(tmp_path: Path) -> None:
    graph = helper.make_graph([node("Relu", ["x"], ["y"])], "g", [], [])
    data = graph.SerializeToString()
    for _ in range(60):
        outer = onnx.GraphProto(name="g", node=[node("If", ["b"], ["y"])])
        attribute = outer.node[0].attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH)
        try:
            attribute.g.ParseFromString(data)
        except DecodeError:  # protobuf itself stops at its depth
            break
        data = outer.SerializeToString()
    path = tmp_path / "deep.onnx"
    length = len(data)
    prefix = b"\x3a"
    while length > 127:
        prefix, length = prefix + bytes([length & 127 | 128]), length >> 7
    path.write_bytes(b"\x08\x08" + prefix + bytes([length]) + data)
    with pytest.raises(ConvscopeError):
        convscope.open(path)


# -- settings -------------------------------------------------------------------------------------

HUGE = 1 << 62


IMPOSSIBLE: list[tuple[str, dict[str, Any], str]] = [
    ("Conv", {"strides": [0, 1]}, r"strides = \[0, 1\]: every number must lie in 1 …"),
    ("Conv", {"strides": [1]}, "strides must be 2 whole numbers"),
    ("Conv", {"strides": [HUGE, 1]}, "strides"),
    ("Conv", {"dilations": [1, -1]}, "dilations"),
    ("Conv", {"pads": [-1, 0, 0, 0]}, "pads"),
    ("Conv", {"pads": [0, HUGE, 0, 0]}, "pads"),
    ("Conv", {"group": 0}, "group must lie in 1 …"),
    ("Conv", {"group": 2}, "channels"),
    ("Conv", {"kernel_shape": [5, 5]}, "kernel_shape"),
    ("Conv", {"auto_pad": "SAME"}, "auto_pad must be a word, one of"),
    ("Conv", {"strides": 2.5}, "strides must be"),
    ("MaxPool", {"kernel_shape": [0, 2]}, "kernel_shape"),
    ("MaxPool", {}, "kernel_shape is missing"),
    ("MaxPool", {"kernel_shape": [99, 2]}, "a window of 99 rows does not fit"),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [0, 0]}, "strides"),
    ("LRN", {"size": 0}, "size must lie in 1 …"),
    ("Flatten", {"axis": 9}, "axis = 9 does not exist"),
    ("Softmax", {"axis": -9}, "axis = -9 does not exist"),
    ("Transpose", {"perm": [0, 0, 1, 2]}, "perm"),
    ("DepthToSpace", {"blocksize": 0}, "blocksize"),
    ("GroupNormalization", {"num_groups": 0}, "num_groups"),
    ("Concat", {"axis": HUGE}, "axis"),
]
FIRST = [settings for _, settings, _ in IMPOSSIBLE[::4]]


@pytest.mark.parametrize(("op", "settings", "words"), IMPOSSIBLE)
def test_a_node_of_impossible_settings_is_opaque(
    op: str, settings: dict[str, Any], words: str
) -> None:
    more = {"Conv": ["w"], "GroupNormalization": ["s", "s"]}.get(op, [])
    model = onnx_models.model(
        [node("Relu", ["x"], ["r"]), node(op, ["r", *more], ["y"], "here", **settings)],
        {"x": [1, 3, 7, 9]},
        ["y"],
        {"w": KERNEL, "s": np.ones(3, np.float32)},
    )
    net = convscope.open(model)
    assert [row.opaque for row in net.facts().rows] == [False, True]
    assert re.search(rf"here \({op}\) has no equation: .*{words}", net.warnings[-1])
    assert re.search(words, str(net.explain("here")))
    if not (
        thorough() or settings in FIRST
    ):  # the engine is started anew after each that it refuses
        return
    image = np.ones((3, 7, 9), np.float32)
    try:  # whether it can run nobody but the engine says
        session = ort.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        expected = session.run(None, {"x": image[np.newaxis]})[0]
    except Exception:  # noqa: BLE001 - its errors share no base class
        with pytest.raises(EngineError):
            net.run(image)
    else:
        np.testing.assert_array_equal(net.run(image).output, expected[0])


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Relu", ["nothing"], ["y"])], "reads 'nothing', which nothing before it gives"),
        ([node("Relu", ["y"], ["y"])], "reads 'y'"),
        ([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])], "'y' is given twice"),
        ([node("Relu", ["x"], ["z"])], "its output 'y' is given by no node"),
    ],
)
def test_a_graph_that_is_none_is_refused(nodes: list[Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        convscope.open(onnx_models.model(nodes, {"x": [1, 3]}, ["y"]))


def test_weights_that_disagree_with_their_shape_are_reported() -> None:
    model = onnx_models.small()
    model.graph.initializer[0].dims[0] = 7
    with pytest.raises(SourceError, match=r"'stem.weight' says \(7, 3, 3, 5\) of float32"):
        convscope.open(model)
    model.graph.initializer[0].dims[0] = 1 << 50
    with pytest.raises(SourceError, match=r"'stem\.weight' has the impossible shape"):
        convscope.open(model)


# -- time and memory ------------------------------------------------------------------------------


def test_a_loop_without_end_is_stopped() -> None:
    net = convscope.open(hostile_onnx.endless_loop())
    net.summary(file=io.StringIO())
    net.backing.time_limit = 1.0  # type: ignore[attr-defined]
    with pytest.raises(
        EngineError, match="running made in ONNX Runtime was stopped after 1 seconds"
    ):
        net.run(np.ones((3,), np.float32))


def test_a_model_that_brings_the_converter_down_is_refused() -> None:
    said = "converting the ModelProto by onnx crashed: its process ended by SIG"
    with pytest.raises(SourceError, match=said):
        convscope.open(hostile_onnx.crashing_conversion())


def test_a_model_that_brings_shape_inference_down_opens_with_a_warning() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        net = convscope.open(hostile_onnx.aborting_inference())
    crashed = "the shapes of made by onnx crashed: its process ended"
    assert (
        sum(issubclass(o.category, SourceWarning) and crashed in str(o.message) for o in said) == 1
    )
    assert net.facts().rows[-1].output_shape is None or net.graph.nodes
    assert sum(crashed in one for one in net.warnings) == 1  # however often it is read


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_shape_inference_that_takes_gigabytes_is_ended() -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of other tests' processes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SourceWarning)
        net = convscope.open(hostile_onnx.flooding_inference())
    net.summary(file=io.StringIO())
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert most < max(3 << 20, before + 1)  # KiB; 16 GiB without a limit


def test_functions_are_multiplied_out_before_they_are_written_out() -> None:
    with pytest.raises(SourceError, match=r"written out it has 1,073,741,824 nodes; 1,000,000 at"):
        convscope.open(hostile_onnx.doubling_functions())
    with pytest.raises(SourceError, match=r"its function 'F[01]' calls itself"):
        convscope.open(hostile_onnx.function_of_itself())
    net = convscope.open(hostile_onnx.doubling_functions(4))
    assert [row.kind for row in net.facts().rows] == ["Neg"] * 16


def test_a_tensor_of_terabytes_is_summarised_and_not_run() -> None:
    nodes = [
        node("ConstantOfShape", ["sizes"], ["huge"]),
        node("Add", ["x", "huge"], ["y"]),
    ]
    sizes = {"sizes": np.array([1024, 1024, 1024, 1024], np.int64)}
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 1]}, ["y"], sizes))
    assert net.facts().rows[-1].output_shape == (None, 1024, 1024, 1024, 1024)
    with pytest.raises(EngineError, match="GiB, and this machine has"):
        net.run(np.ones((1,), np.float32))


def test_constants_that_would_grow_are_not_computed() -> None:
    nodes = [
        node("Add", ["row", "column"], ["large"]),
        node("Concat", ["row"] * 3000, ["long"], axis=0),
        node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest",
             coordinate_transformation_mode="align_corners"),
        node("Add", ["large", "column"], ["z"]),
    ]  # fmt: skip
    weights = {
        "row": np.ones((1, 9000), np.float32), "column": np.ones((9000, 1), np.float32),
        "sizes": np.array([1, 1, 1, 65536]),
    }  # fmt: skip
    model = onnx_models.model(nodes, {"x": [1, 1, 1, 65535]}, ["y", "z"], weights)
    assert convscope.open(model).graph.shape("add") == (9000, 9000)
    assert peak(lambda: convscope.open(model)) < 4 << 20  # of 324 MB


# -- settings that no form can show ----------------------------------------------------------------


def test_odd_attributes_are_left_out_of_a_form() -> None:
    """A sparse tensor, a reference and a list of texts where lists of numbers belong."""
    model = onnx_models.small()
    stem, deep = model.graph.node[0], model.graph.node[3]
    strides = next(a for a in stem.attribute if a.name == "strides")
    strides.type = strides.SPARSE_TENSOR
    pads = next(a for a in deep.attribute if a.name == "pads")
    pads.ref_attr_name = "Gather"
    group = next(a for a in deep.attribute if a.name == "group")
    group.type = group.GRAPHS
    net = convscope.open(model)
    for name in net.graph.nodes:
        for setting in net.editable(name):
            try:
                net.whatif([(name, setting, 3)])
            except ConvscopeError as error:
                assert str(error)


@pytest.mark.parametrize("opset", [1 << 40, -3, 0, 10_000])
def test_an_operator_set_that_there_is_not(opset: int) -> None:
    model = onnx_models.small()
    model.opset_import[0].version = opset
    try:
        net = convscope.open(model)
    except SourceError:
        return
    for name in net.graph.nodes:
        assert isinstance(net.editable(name), dict)


def test_what_no_check_foresaw_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last catch of every reader: of a live model, of an ONNX file, of a Keras file."""

    def unforeseen(*_: Any) -> Any:
        raise KeyError("x" * 1000)

    monkeypatch.setattr("convscope.readers.onnx.opened.build", unforeseen)
    with pytest.raises(
        SourceError, match="the ModelProto makes no sense: KeyError: 'xxx"
    ) as caught:
        convscope.open(onnx_models.small())
    assert len(str(caught.value)) < 300


# -- mutations ------------------------------------------------------------------------------------

MUTATIONS = rounds(60, 300)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes with something changed: bits, a stretch doubled, removed or taken from elsewhere."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(found)))
        length = int(rng.integers(1, 12))
        match int(rng.integers(5)):
            case 0:
                found[place] ^= 1 << int(rng.integers(8))
            case 1:
                found[place] = int(rng.choice([0, 1, 127, 128, 255]))
            case 2:
                del found[place : place + length]
            case 3:
                found[place:place] = found[place : place + length]
            case 4:
                other = int(rng.integers(len(found)))
                found[place : place + length] = found[other : other + length]
    return bytes(found)


def looked_at(data: bytes, path: Path) -> str:
    """Open, summarise and explain a file; return how it ended."""
    path.write_bytes(data)
    try:
        net = convscope.open(path)
        net.summary(file=io.StringIO())
        str(net.explain())
    except ConvscopeError as error:
        assert str(error)
        return "refused"
    return "opened"


def test_mutations_end_well(tmp_path: Path) -> None:
    rng = np.random.default_rng(20)
    old = onnx_models.model(
        [
            node("BatchNormalization", ["x", "s", "s", "s", "s"], ["a"], is_test=1),
            node("Reshape", ["a", "shape"], ["y"]),
        ],
        {"x": [1, 3, 5, 4]},
        ["y"],
        {"s": np.ones(3, np.float32), "shape": np.array([0, -1])},
        6,
    )
    good = [model.SerializeToString() for model in (onnx_models.small(), old)]
    path = tmp_path / "mutated.onnx"
    ends = [looked_at(mutated(good[n % 2], rng), path) for n in range(MUTATIONS)]
    assert {"opened", "refused"} == set(ends)
