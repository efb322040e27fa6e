"""The screen Survey: what every map did over a data set, beside its network; any case opens in the microscope."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any

from convscope.errors import ConvscopeError, InputError
from convscope.explorer.protocol import Answer

BLOCK = 16
"""So many maps are told of together: their bars, verdicts and patches."""

MOST_CLASSES = 100
"""A confusion table of more labels or classes is not sent; so many of the skipped images are named."""

FILE_BYTES = 8 << 20
"""So many bytes of patches and pictures stand in an exported file; the maps of later layers are left out above it."""

PNG = b"\x89PNG\r\n\x1a\n"


def offer(host: Any, given: Any) -> SurveyScreen | None:
    """Return the screen for a survey (`Survey`) of the host's network; None without one."""
    return None if given is None else SurveyScreen(host, given)


class SurveyScreen:
    """The host's part of the screen; "of" says what is asked.

    whole      what stands above the maps: the data, the layers, the verdicts, which class was the largest output
    layer      the figures of all maps of a layer, a list for each figure
    maps       one block of a layer's maps: bars of the histogram, verdicts, the largest responses with their patches
    picture    an image of the data set as a PNG, and how it goes in
    run        an image that is no picture goes through the network
    """

    title = "Survey"

    def __init__(self, host: Any, survey: Any) -> None:
        self._host, self.survey = host, survey
        self._reading = threading.Lock()
        self._answers: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "whole": self._whole,
            "layer": self._layer,
            "maps": self._maps,
            "picture": self._picture,
            "run": self._run,
        }

    def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
        """Return the answer to a question of the screen; raises `InputError` for one that is none."""
        asked = question.get("of")
        found = self._answers.get(asked) if isinstance(asked, str) else None
        if found is None:
            raise InputError(f"of is one of {', '.join(self._answers)}, not {asked!r:.80}")
        return found(question)

    def held(self) -> Iterator[dict[str, Any]]:
        """Return what an exported file answers: all figures, and patches and pictures as far as there is room."""
        layers = self.survey.layers
        yield {"of": "whole"}
        yield from ({"of": "layer", "layer": name} for name in layers)
        room = FILE_BYTES
        images: set[int] = set()
        for name, layer in layers.items():
            for block in range(-(-layer.maps // BLOCK)):
                question = {"of": "maps", "layer": name, "block": block}
                tops = [one for told in self._maps(question).facts["maps"] for one in told["top"]]
                room -= sum(len(one["patch"] or "") for one in tops)
                if room < 0:
                    return
                images.update(one["image"] for one in tops)
                yield question
        for image in sorted(images):
            question = {"of": "picture", "image": image}
            try:
                room -= len(self._picture(question).body)
            except ConvscopeError:  # no picture, or gone: the file says so when it is opened
                continue
            if room < 0:
                return
            yield question

    # -- answers ----------------------------------------------------------------------------------

    def _whole(self, question: Mapping[str, Any]) -> Answer:
        survey = self.survey
        facts, preparation = survey.state.facts, survey.measuring.preparation
        table = survey.confusion
        small = len(table) <= MOST_CLASSES and len(survey.classes) <= MOST_CLASSES
        return Answer(
            {
                "images": survey.images,
                "all": survey.state.whole,
                "described": facts["described"],
                "steps": facts["prepared"]["steps"],
                "skipped": survey.skipped,
                "bad": [list(one) for one in list(survey.bad.values())[:MOST_CLASSES]],
                "pictures": preparation.pictures and len(preparation.shape) == 3,
                "block": BLOCK,
                "layers": [self._layer_in_short(layer) for layer in survey.layers.values()],
                "same": {n: of for n, of in survey.same.items() if of in survey.layers},
                "verdicts": [verdict.to_dict() for verdict in survey.verdicts],
                "classes": survey.classes if small else [],
                "confusion": table if small else {},
                "accuracy": survey.accuracy,
            }
        )

    def _layer_in_short(self, layer: Any) -> dict[str, Any]:
        from convscope.survey.survey import field_in_words

        zeros = self.survey.state.tally.zeros[self._slice(layer.name)]
        return {
            "name": layer.name,
            "kind": layer.kind,
            "maps": layer.maps,
            "places": layer.places,
            "zeros": int(zeros.sum()) / (layer.count * layer.maps),
            "sees": field_in_words(self.survey.graph, layer.name),
        }

    def _slice(self, layer: str) -> slice:
        found: slice = self.survey.state.tally.plan.layer(layer).slice
        return found

    def _named(self, question: Mapping[str, Any]) -> Any:
        name = question.get("layer")
        if not isinstance(name, str) or name not in self.survey.layers:
            raise InputError(f"{name!r:.80} was not surveyed")
        return self.survey.layers[name]

    def _layer(self, question: Mapping[str, Any]) -> Answer:
        figures = list(self._named(question))
        names = ("mean", "std", "min", "max", "zeros", "not_finite")
        return Answer({name: [_number(getattr(one, name)) for one in figures] for name in names})

    def _maps(self, question: Mapping[str, Any]) -> Answer:
        layer, block = self._named(question), question.get("block")
        if type(block) is not int or not 0 <= block * BLOCK < layer.maps:
            raise InputError(f"there is no block {block!r:.20} of {layer.name}'s {layer.maps} maps")
        some = range(block * BLOCK, min((block + 1) * BLOCK, layer.maps))
        return Answer(
            {"maps": [{"map": n, "bars": layer.bars(n), "top": self._top(layer, n)} for n in some]}
        )

    def _top(self, layer: Any, map_: int) -> list[dict[str, Any]]:
        """Return the largest responses of a map, each with its patch; none of a map that is always the same."""
        one = layer[map_]
        if one.min == one.max:
            return []
        found = []
        for response in one.top:
            patch, words = None, response.whose
            try:
                with self._reading:
                    cut = self.survey.patch(layer.name, response)
                patch, words = cut.address(), f"{words}: {cut.words}"
            except ConvscopeError:  # no picture, or gone: the response is told without it
                pass
            found.append(
                {
                    "value": _number(response.value), "image": response.image, "at": list(response.position),
                    "patch": patch, "words": words,
                }
            )  # fmt: skip
        return found

    def _item(self, question: Mapping[str, Any]) -> Any:
        image, count = question.get("image"), self.survey.source.count
        if type(image) is not int or image < 0 or (count is not None and image >= count):
            raise InputError(f"there is no image {image!r:.20} in the data set")
        with self._reading:
            return self.survey.item(image)

    def _picture(self, question: Mapping[str, Any]) -> Answer:
        from convscope.engine.images import open_image, plain

        item, preparation = self._item(question), self.survey.measuring.preparation
        if item.content is None:
            raise InputError(f"{item.name}: {item.why}")
        facts = {
            "name": item.name,
            "steps": list(preparation.steps),
            "pixels": preparation.pixels.name,
        }
        if isinstance(item.content, bytes) and item.content.startswith(PNG):
            return Answer(facts, item.content)
        if not isinstance(item.content, bytes) and not hasattr(item.content, "getbands"):
            raise InputError(f"{item.name} is no picture, but numbers")
        image = item.content
        image = plain(
            open_image(image, item.name) if isinstance(image, bytes) else image, item.name
        )
        with BytesIO() as file:
            image.save(file, format="PNG")
            return Answer(facts, file.getvalue())

    def _run(self, question: Mapping[str, Any]) -> Answer:
        item = self._item(question)
        array = self.survey.measuring.preparation.apply(item)
        return Answer({"run": self._host.let(array, item.name)})


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
