"""Pages that nobody writes: one for each layer kind, operator, command, public name and form of JSON.

All that they say of an operation is derived from its equation, as `convscope explain` derives it. The examples are the
samples that the tests run.
"""

from __future__ import annotations

import copy
import inspect
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from making import docstrings, schemas
from making.pictures import picture

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
PAGES = DOCS / "generated"
MOST = 3
"""Examples on an operator's page."""

COMPLETED = ("channels_last", "linear")
"""What a setting that was left out is completed to."""


def write(name: str, text: str) -> None:
    """Write a page, if it is not as it would be written."""
    path = PAGES / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def index(folder: str, title: str, words: str, names: list[tuple[str, str]]) -> None:
    """Write a folder's first page: a table of what is in it, and its place in the order of pages."""
    rows = "\n".join(f"| [{name}]({name}.md) | {said} |" for name, said in names)
    inside = "\n".join(name for name, _ in names)
    write(
        f"{folder}/index",
        f"# {title}\n\n{words}\n\n| name | what it is |\n|---|---|\n{rows}\n\n"
        f"```{{toctree}}\n:hidden:\n\n{inside}\n```\n",
    )


def cell(text: str) -> str:
    return docstrings.prose(" ".join(text.split()))


def first(thing: Any) -> str:
    """Return the first line of a docstring, as a cell of a table."""
    return cell((inspect.getdoc(thing) or "").split("\n\n")[0])


def explained(network: Any, layer: str) -> str:
    """Return what `explain` says of a layer, without its heading."""
    text = network.explain(layer).markdown()
    return re.sub(r"^## .*\n+", "", text, count=1)


# -- layer kinds ----------------------------------------------------------------------------------


def layers() -> None:
    from convscope.layers import kinds

    found = kinds()
    for name, kind in found.items():
        write(f"layers/{name}", layer(name, kind))
    index(
        "layers",
        "Layer kinds",
        f"The {len(found)} kinds that have an equation, under Keras's names. On each page: the equation, shapes and why, parameters, "
        "work, the window, how it learns, its form in ONNX, and the samples that the tests run. A kind that is not here is opaque: "
        "it keeps its name, shapes and weights, and says that it has no equation.",
        [(name, first(kind)) for name, kind in found.items()],
    )


def network_of(sample: Any) -> Any:
    from convscope import Input, Model

    inputs = [Input(shape) for shape in sample.shapes]
    layer = copy.deepcopy(sample.layer)
    layer.name = "layer"
    return Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))


def layer(name: str, kind: Any) -> str:
    samples = list(kind.samples())
    parts = [f"# {name}", docstrings.of(kind)]
    others = list(getattr(kind, "spellings", ()))
    if others:
        parts.append(f"Also spelled {', '.join(f'`{o}`' for o in others)}.")
    settings = ["## Settings"]
    taken = [
        p
        for p in list(inspect.signature(kind.__init__).parameters.values())[1:]
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    if taken:
        rows = [
            f"| `{p.name}` | {'needed' if p.default is p.empty else f'`{p.default!r}`'} |"
            for p in taken
        ]
        settings.append("| setting | default |\n|---|---|\n" + "\n".join(rows))
    settings.append("Every kind also takes `name`, `input_shape`, `trainable` and `dtype`.")
    if samples:
        network = network_of(samples[0])
        called = ", ".join(map(shape_text, samples[0].shapes))
        parts.append(f"## An example\n\n`{written(samples[0].layer)}` on {called}:")
        equation = network.graph.facts["layer"].equation
        parts += [picture(equation)] if equation is not None else []
        parts.append(explained(network, "layer"))
    parts += settings
    if samples:
        parts += [onnx_form(network), table(samples)]
    return "\n\n".join(filter(None, parts)) + "\n"


def written(layer: Any) -> str:
    """Return a layer as it would be written, without what is at its default."""
    signature = inspect.signature(type(layer).__init__).parameters
    said = []
    for setting, value in layer.settings().items():
        default = signature[setting].default if setting in signature else None
        plain = getattr(value, "kind", None)
        if plain is not None:
            said.append(f"{setting}={written(value)}")
        elif value == default or same(value, default) or (default is None and value in COMPLETED):
            continue
        else:
            said.append(f"{setting}={value!r}")
    return f"{layer.kind}({', '.join(said)})"


def same(value: Any, default: Any) -> bool:
    """Whether a setting that was completed says what its default says: (1, 1) for 1."""
    return isinstance(value, tuple) and bool(value) and all(v == default for v in value)


def shape_text(shape: Any) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def onnx_form(network: Any) -> str:
    """Return the operators that the layer is written as."""
    import onnx

    from convscope.errors import ConvscopeError

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        try:
            network.export(path)
        except ConvscopeError as error:
            return f"## In ONNX\n\n{docstrings.prose(str(error))}"
        made = onnx.load(path)
    lines = []
    for node in made.graph.node:
        settings = ", ".join(setting(a) for a in node.attribute)
        lines.append(
            f"{', '.join(node.output)} = {node.op_type}({', '.join(i or '–' for i in node.input)})"
            + (f"  {settings}" if settings else "")
        )
    return (
        "## In ONNX\n\nWhat ONNX Runtime is given, which shares no code with the equation:\n\n```text\n"
        + "\n".join(lines)
        + "\n```"
    )


def setting(attribute: Any) -> str:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        value = value.decode()
    elif not isinstance(value, (int, float, str)):
        try:
            value = [v if isinstance(v, (int, float)) else str(v) for v in value]
        except TypeError:
            value = "…"
    return f"{attribute.name}={value}"


def table(samples: list[Any]) -> str:
    """Return every sample with what follows from it."""
    from convscope.notation.sizes import show

    rows = []
    for sample in samples:
        facts = network_of(sample).facts().to_dict()
        (row,) = (one for one in facts["layers"] if one["name"] == "layer")
        goes_in = " and ".join(map(shape_text, sample.shapes))
        comes_out = shape_text(row["output_shape"][1:])
        weights = ", ".join(f"{n} {shape_text(s)}" for n, s in row["weights"].items()) or "–"
        counts = (
            f"{row[n]:,}"
            if isinstance(row[n], int)
            else "unknown"
            if row[n] is None
            else show(row[n])
            for n in ("params", "macs")
        )
        rows.append(
            " | ".join(
                [
                    f"| `{written(sample.layer)}`",
                    goes_in,
                    comes_out,
                    weights.replace("_", r"\_"),
                    *counts,
                ]
            )
            + " |"
        )
    head = "| layer | in | out | weights | params | MACs |\n|---|---|---|---|---:|---:|\n"
    return "## Samples\n\n" + head + "\n".join(rows)


# -- operators ------------------------------------------------------------------------------------


def operators() -> None:
    """Write a page for each ONNX operator with a rule, from the nodes that the tests run."""
    from onnx.defs import get_all_schemas
    from operators.cases import CASES
    from operators.test_every_rule import model_of

    import convscope
    from convscope.operators import rules

    known = {
        schema.name for schema in get_all_schemas() if not schema.domain and not schema.deprecated
    }
    others = ", ".join(f"`{name}`" for name in sorted(known - set(rules())))

    def shown(name: str) -> Iterator[tuple[Any, str, str]]:
        for case in [c for c in CASES if c.op == name][:MOST]:
            net = convscope.open(model_of(case)[0])
            settings = ", ".join(f"{k}={v}" for k, v in case.settings.items())
            shapes = ", ".join(shape_text(getattr(g, "shape", g)) for g in case.given)
            held = ", ".join(shape_text(getattr(h, "shape", h)) for h in case.held if h is not None)
            beside = f", with {held} from the file" if held else ""
            yield net, next(iter(net.graph.nodes)), f"{name}({settings})\n\nOn {shapes}{beside}:"

    dialect(
        "onnx",
        "ONNX operators",
        rules(),
        "ONNX's operator `{}`. What it computes is ONNX's own documentation's to say; this is what convscope derives from it.",
        shown,
        "operators of ONNX have an equation. The nodes on each page are those that the tests compare with ONNX Runtime, "
        "and whose gradients they compare with differences. Any other operator is opaque: it keeps its name, shapes and values. "
        f"Of the standard's own these are {others}. What depends on constants or shapes alone is worked out when a file is opened.",
    )


def pytorch() -> None:
    """Write a page for each PyTorch operator with a rule, from the calls that the tests run."""
    from aten.cases import CASES, Called

    import convscope
    from convscope.aten import rules

    def shown(name: str) -> Iterator[tuple[Any, str, str]]:
        for case in [c for c in CASES if c.op == name][:1]:
            module = Called(case).eval()
            net = convscope.open(module, *module.inputs())
            for node, held in net.graph.nodes.items():
                if getattr(getattr(held.layer, "use", None), "op", "") == name:
                    yield net, node, f"On {', '.join(map(shape_text, case.given))}"
                    break

    dialect(
        "pytorch",
        "PyTorch operators",
        rules(),
        "PyTorch's operator `aten::{}`, as a recording of a module's forward holds it.",
        shown,
        "operators of PyTorch (ATen) have an equation. The calls on each page are those that the tests compare with PyTorch, "
        "and whose gradients they compare with autograd's.",
    )


def dialect(
    folder: str,
    title: str,
    names: Iterable[str],
    lead: str,
    shown: Callable[[str], Iterator[tuple[Any, str, str]]],
    words: str,
) -> None:
    """Write a page for each operator of a dialect, and the table of them.

    shown   what of an operator its page shows: networks, each with the name of a layer and a heading
    """
    from convscope.errors import ConvscopeError

    said = []
    for name in sorted(names):
        parts, equation = [f"# {name}", lead.format(name)], ""
        try:
            found = list(shown(name))
        except ConvscopeError as error:  # what cannot be recorded says why
            found = []
            parts.append(docstrings.prose(str(error)))
        for net, node, heading in found:
            parts.append(f"## {heading}")
            stated = net.graph.facts[node].equation
            if stated is not None:
                parts.append(picture(stated))
                equation = equation or str(stated)
            parts.append(explained(net, node))
        page = f"{name}-operator" if name == "index" else name
        short = len(equation) < 110 and "|" not in equation
        said.append((page, f"`{equation}`" if equation and short else ""))
        write(f"{folder}/{page}", "\n\n".join(filter(None, parts)) + "\n")
    index(folder, title, f"{len(said)} {words}", said)


# -- the command line -----------------------------------------------------------------------------


def commands() -> None:
    import click

    from convscope.cli.program import main

    context = click.Context(main, info_name="convscope")
    said = []
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        inner = click.Context(
            command, info_name=name, parent=context, max_content_width=92, terminal_width=92
        )
        usage = command.get_usage(inner).removeprefix("Usage: ")
        help_text = inspect.cleandoc((command.help or "").replace("\b\n", "\n").replace("\b", ""))
        parts = [f"# convscope {name}", f"```text\n{usage}\n```", docstrings.markdown(help_text)]
        rows = []
        for parameter in command.get_params(inner):
            record = parameter.get_help_record(inner)
            if record:
                rows.append(
                    f"`{record[0]}`\n: {docstrings.prose(' '.join(record[1].split())) or '–'}"
                )
        if rows:
            parts.append("## Options\n\n" + "\n\n".join(rows))
        write(f"commands/{name}", "\n\n".join(parts) + "\n")
        said.append((name, cell(command.get_short_help_str(200))))
    words = (
        "MODEL is an ONNX file (explained in its own layout, run as it is stored), a `.keras` or `.h5` file (Keras need not be installed), "
        "a `.pt2` file of torch.export, `file.py:attribute` or `module:attribute` (a network, a PyTorch module, or a class or function that "
        "makes one; a name may lead on, as in `file.py:model.features.0`), or `demo`, `demo:groups`, `demo:resnet`. A LAYER is a name or a place from 1. Settings are those that Keras's layers take "
        "(`filters`, `kernel_size=3,5`, …); an ONNX model's are its nodes' attributes (`kernel_shape`, `pads`, …) and `filters` or `units`.\n\n"
        "What is longer than the screen goes through your pager (`convscope --no-pager …` writes it at once), and what takes a moment says so on "
        "stderr. Every command that prints facts takes `--json`. Exit status: 0 done; 1 a failure, arithmetic that does not agree with the engine, "
        "or something that `check` or `compare` found; 2 wrong usage or something unreadable; 130 after Ctrl-C."
    )
    index("commands", "Commands", words, said)


# -- Python ---------------------------------------------------------------------------------------

ROOMS = ("optimizers", "losses", "metrics", "callbacks", "regularizers", "constraints")
NAMES = ("open", "summary", "compare", "Sequential", "Model", "Input", "Network", "Run")


def python() -> None:
    import convscope

    said = []
    for name in NAMES:
        thing = getattr(convscope, name)
        write(f"python/{name}", api(f"convscope.{name}", thing))
        said.append((name, first(thing)))
    for name in ROOMS:
        room = getattr(convscope, name)
        parts = [f"# convscope.{name}", docstrings.of(room)]
        for inner, thing in sorted(vars(room).items()):
            if (
                inspect.isclass(thing)
                and thing.__module__ == room.__name__
                and not inner.startswith("_")
            ):
                parts.append(
                    f"## {inner}\n\n```text\n{inner}{signature(thing.__init__)}\n```\n\n{docstrings.of(thing)}"
                )
        write(f"python/{name}", "\n\n".join(parts) + "\n")
        said.append((name, first(room)))
    index(
        "python",
        "Python",
        "What `import convscope` offers, from its docstrings. Layers are names of the module too: see [layer kinds](../layers/index.md). "
        "Every example is run as a test.",
        said,
    )


def api(name: str, thing: Any) -> str:
    """Return the page of a function or a class."""
    parts = [f"# {name}"]
    made = thing.__init__ if inspect.isclass(thing) else thing
    parts.append(f"```text\n{name.rpartition('.')[2]}{signature(made)}\n```")
    parts.append(docstrings.of(thing))
    if inspect.isclass(thing):
        for inner in sorted(n for n in dir(thing) if not n.startswith("_")):
            value = inspect.getattr_static(thing, inner)
            value = getattr(value, "fget", None) or getattr(value, "func", None) or value
            if callable(value) and inspect.getdoc(value):
                is_method = inspect.isfunction(inspect.getattr_static(thing, inner))
                head = (
                    f"```text\n{inner}{signature(value)}\n```\n\n"
                    if is_method
                    else "A property.\n\n"
                )
                parts.append(f"## {inner}\n\n{head}{docstrings.of(value)}")
    return "\n\n".join(parts) + "\n"


def signature(thing: Any) -> str:
    """Return a signature, an argument to a line where it is long."""
    found = inspect.signature(thing)
    kept = [
        p.replace(
            annotation=str(p.annotation).strip("'") if p.annotation is not p.empty else p.empty
        )
        for p in found.parameters.values()
        if p.name != "self"
    ]
    shown = [str(p) for p in kept]
    shown = [re.sub(r"^(\**\w+): '(.*?)'( = .*)?$", r"\1: \2\3", s) for s in shown]
    for n, p in enumerate(kept):
        if p.kind is p.KEYWORD_ONLY and not any(
            q.kind in (q.KEYWORD_ONLY, q.VAR_POSITIONAL) for q in kept[:n]
        ):
            shown.insert(n, "*")
    line = f"({', '.join(shown)})"
    return line if len(line) < 70 else "(\n    " + ",\n    ".join(shown) + ",\n)"


# -- errors ---------------------------------------------------------------------------------------


def errors() -> str:
    """Return the tree of errors as it is in the code."""
    from convscope import errors as room

    text = inspect.cleandoc(room.__doc__ or "")
    tree = [line for line in text.splitlines() if "ConvscopeError" in line or "──" in line]
    return "```text\n" + "\n".join(tree) + "\n```\n"


# -- all ------------------------------------------------------------------------------------------


def made() -> Iterator[str]:
    """Write every page; yield what was written."""
    for room in (layers, operators, pytorch, commands, python):
        room()
        yield room.__name__
    for name, text in schemas.pages():
        write(f"json/{name}", text)
    write("errors/tree", "---\norphan: true\n---\n\n# The tree of errors\n\n" + errors())
    yield "json"


def generate(app: Sphinx) -> None:
    sys.path.insert(0, str(DOCS.parent / "tests"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in made():
            pass


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
