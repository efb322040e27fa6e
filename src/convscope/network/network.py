"""A network as people hold it: look at it, run it, take it apart, edit it.

>>> from convscope import Conv2D, Sequential
>>> model = Sequential([Conv2D(32, 3, input_shape=(28, 28, 1)), Conv2D(64, 3)])
>>> model.explain("conv2d_1").to_dict()["filter_shape"]
[3, 3, 32]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from os.path import splitext

from convscope.errors import (
    InputError,
    OutputError,
    SettingError,
)
from convscope.layers.base import Layer
from convscope.model.graph import Which
from convscope.network.learning import Trainable, to_watch
from convscope.notation.sizes import is_known
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Self, TextIO

    from convscope.model.editing import Edit
    from convscope.model.graph import Graph
    from convscope.network.reports import (
        ChangesReport,
        CheckedReport,
        ExplanationReport,
        GradientReport,
        NetworksReport,
        TraceReport,
    )
    from convscope.network.run import Run
    from convscope.network.streaming import Streamed
    from convscope.parts import Summary
    from convscope.survey.survey import Survey


LONG = 100
"""The summary of so many layers is many objects."""


class Network(Trainable):
    """A network: what `Sequential`, `Model` and `convscope.open` give.

    `graph` holds its layers wired up, with the facts that follow from their equations; `backing` is what
    stands behind it: how it runs, is written and is edited; `warnings` says what was left out or changed
    when it was opened.
    """

    # -- running ----------------------------------------------------------------------------------

    def run(self, image: Any, keep: Iterable[str] | None = None) -> Run:
        """Return the run of one image: every activation, ready to be taken apart.

        image   a path (PNG, JPEG, WebP, BMP, GIF; pixels are divided by 255), a Pillow image, or an
                array or tensor of the input's shape, neither scaled nor resized; a list or dict of them for
                several inputs. It goes in as float32, or in the type that an opened file or module takes
        keep    the layers whose activations to keep; all by default

        A layer without an equation is computed by whoever can (a live Keras model). Where nobody can, what
        comes before it is computed, and the run's `missing` names what depends on it.
        """
        given = self._as_taken(self._given(image))
        return self._run(self.backing.at(self.graph, given), given, keep)

    def _run(self, graph: Graph, given: Mapping[str, Any], keep: Iterable[str] | None) -> Run:
        """Return the run of inputs with a batch axis, in the types that it takes, on the graph of their sizes."""
        from convscope.network.run import Run

        names = tuple(graph.nodes) if keep is None else tuple(graph.node(n).name for n in keep)
        names = (*names, *(n for n in graph.outputs if n not in names))
        missing = self._missing(graph)
        names = tuple(name for name in names if name not in missing)
        engine = (
            self._engine(names, graph) if names else None
        )  # refuses what memory is too small for
        values = {} if engine is None else engine.run(given)
        real = {n: a for n, a in given.items() if a.dtype.kind != "c"}
        found = {n: a[0] for n, a in (real | values).items()}
        by = self.backing.elsewhere(graph)
        return Run(self, graph, found, missing, {n: who for n, who in by.items() if who})

    def survey(
        self,
        data: Any,
        *,
        layers: Iterable[str] | None = None,
        top: int = 9,
        prepare: Iterable[str] = (),
        histograms: str = "auto",
        out: str | Path | None = None,
        resume: bool = False,
        force: bool = False,
        workers: int | None = None,
        scheduler: str | None = None,
        verbose: str | int = "auto",
    ) -> Survey:
        """Return what every map does over a whole data set: a `Survey`.

        data        a folder of images (sub-folders are labels), a .zip or .tar of images, an .npy, .npz, IDX, CIFAR
                    or Parquet file, arrays, (arrays, labels), or any iterable of arrays or (image, label). Pixels go
                    in as `pixel_scale` says; arrays that are not uint8 as they are
        layers      those to survey; all by default
        top         how many of the largest responses of each map are kept, one for each image
        prepare     what is done to each picture before: "grey", "rgb", "invert", "background:white", "crop-and-resize", …
        histograms  "maps": one a map; "layers": one a layer; "auto": one a map up to 20,000 maps
        out         a FILE.survey that is written at the end and every half a minute; an existing one is kept, unless
                    it is to be gone on with, `resume`, or replaced, `force`
        workers     so many processes on this machine; or `scheduler`, the address of a Dask scheduler. They open the
                    network and the data themselves, from the files that both come from
        verbose     0 for silence; otherwise a progress bar on stderr, and where that is no terminal a line every half a minute

        An image that cannot be taken is skipped, counted and named. Activations are counted batch by batch and let
        go. Raises `InputError` for data that cannot be surveyed, `OutputError` for a file that cannot be written,
        `UnsupportedError` for a network of several inputs.

        >>> from convscope import Conv2D, Sequential
        >>> import numpy as np
        >>> model = Sequential([Conv2D(4, 3, input_shape=(9, 8, 1), activation="relu")])
        >>> found = model.survey(np.random.default_rng(0).random((50, 9, 8, 1)))
        >>> found.images, found["conv2d"][2].numbers, len(found["conv2d"][2].top)
        (50, 2100, 9)
        """
        from pathlib import Path

        from convscope.survey.bar import Bar
        from convscope.survey.measuring import Asked
        from convscope.survey.work import survey

        layers = (layers,) if isinstance(layers, str) else layers
        names = None if layers is None else tuple(self.graph.node(layer).name for layer in layers)
        steps = (prepare,) if isinstance(prepare, str) else tuple(prepare)
        asked = Asked(names, top, histograms, steps)
        with Bar() as bar:
            return survey(
                self, data, asked, out=None if out is None else Path(out), resume=resume, force=force,
                workers=workers, scheduler=scheduler, progress=bar.show if verbose else None,
            )  # fmt: skip

    def export(
        self,
        path: str | Path,
        image: Any = None,
        *,
        limit: float = 64,
        lesson: Any = None,
        film: Any = None,
        survey: Any = None,
    ) -> None:
        """Write the network as an ONNX file, or, with an image, as the explorer in one HTML file.

        path    FILE.onnx: the file carries the layers' names, passes onnx's checker and gives the
                same outputs. FILE.html: a page that works from disk, offline
        image   what goes through the network in the page, as `run` takes it; not for ONNX
        limit   how many MiB of numbers the page holds; an `OutputWarning` names what was left out
        lesson  what the page begins with, as `explore` takes it
        film    a film of training, for the page's screen Learning
        survey  a survey, for its screen Survey, as `explore` takes it

        An existing file of that name is replaced only when the new one is complete. Raises
        `OutputError` when it cannot be written, `InputError` for an image that is not taken.
        """
        page = str(path).lower().endswith(".html")
        if page and image is not None:
            from convscope.network.writing import write_page

            write_page(self, image, path, limit, lesson, film, survey)
        elif page:
            raise InputError(
                f"{path} shows an image going through the network: give it one, image=…"
            )
        elif image is not None:
            raise OutputError(f"an image goes into a page, FILE.html, and not into {path}")
        elif not str(path).lower().endswith(".onnx"):
            stem = str(path)[: -len(suffix)] if (suffix := splitext(path)[1]) else str(path)
            keras = f"; {stem}.keras is what save() writes" if suffix.lower() == ".keras" else ""
            raise OutputError(
                f"export writes ONNX or a page: name the file {stem}.onnx or {stem}.html, not {path}{keras}"
            )
        else:
            from convscope.engine.writing import complete

            with complete(path, ".onnx", "export writes ONNX, or a page in .html") as part:
                self.backing.write(self.graph, part)

    def draw(
        self,
        path: str | Path,
        image: Any = None,
        *,
        figure: str | None = None,
        style: str = "plain",
        columns: str | float | None = None,
        layers: str | Sequence[Any] | None = None,
        depth: int | None = None,
        at: Any = None,
        flat: bool = False,
        to: str | None = None,
        loss: str | None = None,
        target: Any = None,
        from_logits: bool = False,
        dpi: int = 300,
    ) -> None:
        """Write a figure for a paper or a lecture: FILE.svg, FILE.tex (TikZ), FILE.pdf or FILE.png.

        image    what goes through the network, as `run` takes it, for figures of numbers
        figure   "architecture" (the default), "content" (the default with an image: maps of the run and the cone of
                 what one number sees), "number", "question", "receptive", "kernels" or "gradient"
        style    "plain", "paper" (no ground, thin lines), "lecture" (large) or "dark"
        columns  how wide: millimetres, "88mm", "3.5in", or a venue: "ieee", "ieee:2", "neurips", "icml", "cvpr",
                 "nature", "elsevier", "lncs", "slide", "a4" …
        layers, depth  from which to which layer, and how deeply nested networks are shown, as in `summary`
        at       the layer, or the number, that it is about: "conv2d_1:5,7,12" or ("conv2d_1", (5, 7, 12)); by
                 default the largest number of the last layer that fits the figure
        flat     blocks without depth
        to       of a gradient: by what it is, an input (the default), a layer with maps, or "layer.weight", a kernel
        loss, target, from_logits  of a gradient: that of a loss in place of a number, as in `Run.gradient`
        dpi      pixels an inch, of a PNG

        An existing file is replaced only when the new one is complete. Raises `OutputError` for a file that cannot be
        written, `SettingError` for a figure, style or width that there is not, `UnsupportedError` where a figure needs
        an equation that there is not, or a library (`pip install 'convscope[figures]'` for PDF and PNG).
        """
        from convscope.figures.drawing import FigureAsked, draw, place

        asked = FigureAsked(
            figure, style, columns, layers, depth, place(at), flat, to, loss, target, from_logits
        )
        draw(self, path, image, asked, dpi)

    def explore(
        self,
        image: Any = None,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        open_browser: bool = True,
        block: bool | None = None,
        lesson: Any = None,
        data: Any = None,
        film: Any = None,
        survey: Any = None,
    ) -> Any:
        """Look at the network in the explorer: inline in a notebook, else in the browser.

        image         what goes through it first, as `run` takes it; None for nothing yet
        port, host    where to listen: by default 8765, or a free port near it, on this machine only
        open_browser  whether to open the page; its address is printed in any case
        block         whether to wait until Ctrl-C: by default in a script, which would end, and its
                      page with it, and not at a prompt
        lesson        what the page begins with: a JSON file, a dict of the same, or the name of one that comes along
                      (question, padding, groups, resnet)
        data, film    for the screen Learning: what a copy of the network may learn from (arrays (images, labels), a
                      folder of images with one sub-folder a class, FILE.npz of x and y), or a film of training
        survey        a survey of the network, or the FILE.survey that it was written to: a screen shows its maps,
                      verdicts and cases, each of which opens in the microscope

        Returns the widget in a notebook (without anywidget: the page itself, as `export` writes it),
        else an object with `.address` and `.stop()`. Raises `ServerError` when it cannot listen,
        `SourceError` for a lesson that is none or does not fit the network.
        """
        from convscope.explorer.host import Host
        from convscope.explorer.showing import show
        from convscope.survey.work import to_look_through

        given = to_watch(self, data, film) | to_look_through(self, survey)
        return show(Host(self, image, lesson=lesson, given=given), port, host, open_browser, block)

    def sized(self, size: int | Sequence[int]) -> Self:
        """Return this network on images of a size, where its own inputs leave theirs open.

        size   224, or (224, 320): one number for each spatial axis that is unknown or a symbol

        Layers and weights are shared. Raises `SettingError` where no size is open, or for numbers that
        are not one for each; `ShapeError` where images of that size do not go through.

        >>> from convscope import Conv2D, Sequential
        >>> model = Sequential([Conv2D(32, 3, input_shape=(None, None, 1))])
        >>> model.sized(28).output_shape, model.sized((28, 30)).output_shape
        ((26, 26, 32), (26, 28, 32))
        """
        from copy import copy
        from functools import partial

        from convscope.model.sizing import sized

        other = copy(self)
        other._graph, other._engines, other._trainer = sized(self.graph, size), {}, None
        other.opening = self.opening and partial(_sized, self.opening, size)
        return other

    # -- looking ----------------------------------------------------------------------------------

    def summary(
        self,
        line_length: int | None = None,
        style: str = "table",
        columns: Sequence[str] | None = None,
        file: TextIO | None = None,
        depth: int | None = None,
        layers: str | Sequence[Any] | None = None,
    ) -> None:
        """Print what every layer is: output shape, weights, parameters, MACs, receptive field.

        style         "table" (ours), "keras" (what Keras 3 prints) or "keras2" (the classic text)
        columns       which columns of our table to show, and in which order
        line_length   how wide Keras's styles are
        file          where to print, stdout by default
        depth         how deeply nested networks are shown; deeper ones are folded into a row each. 1 folds a long
                      network without any by the blocks that come again in it
        layers        the first and the last row to show: "conv2d_1:flatten", ("conv2d_1", None), or
                      places from 1: "3:7"; totals stay those of the whole network

        Raises `NotBuiltError` before there is an input shape, `SettingError` for an unknown style or a
        range that runs backwards, `LayerLookupError` for a layer that there is not.
        """
        from convscope.views.ansi import terminal
        from convscope.views.summary import render

        width, color = terminal(file or sys.stdout)

        def laid_out() -> str:
            return render(self.facts(depth, layers), style, columns, line_length, width, color)

        if len(self.graph.nodes) < LONG:
            text = laid_out()
        else:
            from convscope.model.gathering import seldom_gathered

            with seldom_gathered():
                text = laid_out()
        print(text.rstrip("\n"), file=file)

    def facts(self, depth: int | None = None, layers: str | Sequence[Any] | None = None) -> Summary:
        """Return the summary as data: rows and totals, what `summary --json` writes with to_dict().

        See `summary` for `depth` and `layers`.
        """
        from convscope.explain.summary import summarise

        self.graph.look_again()
        return summarise(self.graph, depth, layers)

    def explain(
        self,
        layer: Which | None = None,
        layers: str | Sequence[Any] | None = None,
        depth: int | None = None,
    ) -> ExplanationReport:
        """Return the explanation of one layer, or of the whole network: equation, sizes and why.

        layer    its name, its place (0 is the first, -1 the last) or itself, or the name of a nested network,
                 which is counted as a whole; None for everything, on a page where there are many layers
        layers   the first and the last of several, each explained in full: "conv2d_1:flatten", "3:7"
        depth    how deeply nested networks are explained; deeper ones are counted as a whole

        str() of it is text; it also has .markdown(), .latex(), .to_dict() and shows itself in a
        notebook.
        """
        from convscope.explain.derivation import explain
        from convscope.network.reports import report

        name = layer if layer is None or isinstance(layer, str) else self.graph.node(layer).name
        return report(explain(self.graph, name, layers, depth))

    def trace(self, image: Any, layer: Which, position: Sequence[int]) -> TraceReport:
        """Return the ledger of one number, by the cone: without running the network.

        Only the patch of the image that the number sees is looked at, so the cost does not depend on
        the image's size. `run(image).trace(…)` has the engine's value beside it.
        """
        from convscope.explain.trace import trace_by_cone
        from convscope.model.positions import position_in
        from convscope.network.reports import report

        given = self._given(image)
        graph = self.backing.at(self.graph, given)
        name = graph.node(layer).name
        where = position_in(graph, name, position)
        return report(trace_by_cone(graph, {n: a[0] for n, a in given.items()}, name, where))

    def gradient(
        self,
        image: Any,
        of: tuple[str, Sequence[int]] | str | None = None,
        to: str | None = None,
        **how: Any,
    ) -> GradientReport:
        """Return what a small change of a weight, an activation or the image does to one number.

        The network is run, and its layers' equations are led back; see `Run.gradient` for what may be
        asked: `net.gradient(image, of=("conv2d_1", (15, 17, 7)), to="conv2d.kernel").at((1, 2, 0, 11))`,
        or `net.gradient(image, loss="sparse_categorical_crossentropy", target=7, to="conv2d.kernel")`.
        """
        return self.run(image).gradient(of, to, **how)

    def check(
        self,
        image: Any = None,
        *,
        ignore: Iterable[str] = (),
        advice: bool = False,
        between: tuple[float, float] = (0.0, 1.0),
        survey: Any = None,
        survey_data: Any = None,
    ) -> CheckedReport:
        """Return what is wrong or doubtful in the network: each finding with its proof and its repair.

        image     what to run, as `run` takes it: rules about a run then look at its numbers
        ignore    rules to leave out, "aliasing", or a rule in one layer, "unread-positions:conv2d"
        advice    whether to look with rules that depend on hardware or taste, too
        between   the smallest and largest number that an image can hold, for filters that can never fire
        survey    a survey of the network, or the FILE.survey that it was written to: rules about a run then
                  look at what it counted over all its images
        survey_data   where the images of that file are now, if not where they were: one is named where NaN is born

        Raises `SettingError` for a rule that there is not, `InputError` for a survey of another network, and
        what `run` raises for the image.

        >>> from convscope import Conv2D, Sequential
        >>> model = Sequential([Conv2D(8, 3, strides=2, input_shape=(28, 28, 1))])
        >>> [(rule.name, found.layer) for rule, found in model.check(ignore=["aliasing"]).findings]
        [('unread-positions', 'conv2d')]
        """
        from convscope.checks.checking import check
        from convscope.checks.subject import Subject
        from convscope.network.reports import report

        run = None if image is None else self.run(image)
        graph = self.graph if run is None else run.graph
        activations = None if run is None else run.activations
        figures = None
        if survey is not None:
            from convscope.survey.counted import counted

            figures = counted(self, survey, survey_data)
        subject = Subject(graph, self.backing, self.seed, activations, *between, figures)
        return report(check(subject, tuple(ignore), advice))

    def compare(self, other: Network, image: Any = None) -> NetworksReport:
        """Return this network and another side by side: layers in pairs, weights, and where numbers part.

        other   any network that convscope opens, alike or in part
        image   what to run both with, as `run` takes it, in this network's layout; None for none: then layers that
                are written otherwise are tried on numbers drawn at random

        Each number's tolerance is what its own roundings can account for; each layer of the other is given
        what this one's is given, so that the first that differs is the guilty one. Raises `InputError` for
        an image that the other cannot take. The report's `explore()` shows the maps of both and their
        difference in the explorer, `export(path)` writes that as one HTML file.
        """
        from convscope.comparing.comparison import compare
        from convscope.network.reports import ComparedNetworks
        from convscope.network.streaming import Streamed

        if image is None:
            return ComparedNetworks(compare(self.graph, other.graph), self, None)
        ours = Streamed(self, image)
        numbers = ours, Streamed(other, _turned(image, ours, other))
        return ComparedNetworks(compare(ours.graph, numbers[1].graph, numbers), self, numbers)

    def fingerprint(self) -> str:
        """Return 64 hexadecimal digits that are equal for the same network in another format or with other names.

        A setting, a size or a connection that differs changes it; the weights' numbers do not.
        """
        from convscope.comparing.fingerprint import fingerprint

        return fingerprint(self.graph)

    # -- what if ----------------------------------------------------------------------------------

    def edit(self, layer: Which | Mapping[str, Mapping[str, Any]], /, **settings: Any) -> Self:
        """Return this network with settings of a layer changed; this one stays as it is.

        layer      the layer's name, place or itself; or, for several layers at once, {name: {setting: value}}
        settings   what to change, under Keras's names: kernel_size=5, strides=(2, 1), padding="same"; of a
                   PyTorch module under PyTorch's: out_channels=64, stride=2; of ONNX under ONNX's

        Weights that still fit are kept (the same arrays, not copies); the others are drawn anew from
        the seed. `changes()` of the result is the table of what became different.

        Raises `SettingError`, `ShapeError` or `WindowError` for what cannot be, saying which layer
        breaks, why, and which values would do; `LayerLookupError` for a layer that there is not;
        `UnsupportedError` for one that has no equation.

        >>> from convscope import Conv2D, Sequential
        >>> model = Sequential([Conv2D(32, 3, input_shape=(28, 28, 1)), Conv2D(64, 3)])
        >>> model.edit("conv2d", kernel_size=5).layers[1].get_weights()[0].shape
        (3, 3, 32, 64)
        >>> model.edit("conv2d", kernel_size=5).output_shape, model.output_shape
        ((22, 22, 64), (24, 24, 64))
        """
        from convscope.model.editing import Edit

        several = layer if isinstance(layer, Mapping) else {self.graph.node(layer).name: settings}
        if settings and several is layer:
            raise SettingError("edit takes a layer's name and settings, or one dict of several")
        return self._edit([Edit(n, s, v) for n, of in several.items() for s, v in of.items()])

    def _edit(self, edits: Iterable[Edit]) -> Self:
        from convscope.explain.whatif import Edits

        graph = self.graph
        backing, made = self.backing.edited(graph, tuple(edits), self.seed)
        from copy import copy

        other = copy(self)
        other.backing, other._graph, other._engines = backing, made.graph, {}
        other._trainer = None
        other.opening = other.untrained = None
        other.warnings = list(self.warnings)
        other._history = Edits.after(self._history, graph, made)
        other._replace(made.replaced)
        return other

    def _replace(self, layers: Mapping[int, Layer]) -> None:
        """Put layers in the place of others, which are named by their ids; for who keeps a list."""

    def whatif(
        self,
        edits: Iterable[Sequence[Any]],
        layers: str | Sequence[Any] | None = None,
        depth: int | None = None,
    ) -> ChangesReport:
        """Return the table of what edits would change: every layer's figures, old beside new.

        edits   (layer, setting, value) each, all made at once: [("conv2d", "kernel_size", 5)]

        layers, depth   which rows of the table to show, as in `summary`

        Compared with this network, also where it was itself made by an edit: `edited(edits).changes()` compares
        with the first of all. See `edit` for what is raised.
        """
        from copy import copy

        here = copy(self)
        here._history = None
        return here.edited(edits).changes(layers, depth)

    def edited(self, edits: Iterable[Sequence[Any]]) -> Network:
        """Return this network with edits of several layers, (layer, setting, value) each, made at once.

        The same as `edit` for one layer; see there for what is raised.
        """
        from convscope.model.editing import given

        return self._edit(given(edits))

    def changes(
        self, layers: str | Sequence[Any] | None = None, depth: int | None = None
    ) -> ChangesReport:
        """Return the table of what became different from the network that this one was edited from.

        layers, depth   which rows of it to show, as in `summary`

        After several edits in a row: from the first. It also has .to_dict(), .json(), .markdown() …
        """
        from convscope.explain.whatif import changes
        from convscope.network.reports import report

        return report(changes(self.graph, self._history, self.seed, layers, depth))

    def editable(self, layer: Which) -> dict[str, dict[str, Any]]:
        """Return a layer's settings as a form can offer them: name → {"value", "kind", …}.

        The kinds are int, number, bool, choice (with its "choices"), sizes (with their "count"), list
        and text; plain data throughout. {} for a layer without an equation, which cannot be edited.
        A model opened as ONNX has ONNX's settings: kernel_shape, strides, pads …, filters, units; a
        PyTorch module PyTorch's: out_channels, kernel_size, stride …, out_features.
        """
        return self.backing.editable(self.graph, self.graph.node(layer).name)


def _turned(image: Any, taken: Streamed, other: Network) -> Any:
    """Return an array that one network took as another takes it, channels first or last."""
    from convscope.comparing.layouts import ways

    if not hasattr(image, "shape"):
        return image
    inputs, wanted = [*taken.inputs.values()], [*other.graph.inputs.values()]
    if len(inputs) != 1 or len(wanted) != 1 or not all(map(is_known, wanted[0])):
        return image
    turned = taken.graph.image_layout != other.graph.image_layout
    for way in ways(inputs[0].shape, wanted[0], turned):
        return way.brought(inputs[0])
    return image


def _sized(opening: Callable[[], Network], size: int | Sequence[int]) -> Network:
    """Return what an opening gives, at a size."""
    return opening().sized(size)
