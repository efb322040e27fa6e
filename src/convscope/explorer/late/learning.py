"""The screen Learning: a network learns, step by step, or a film of how it did is looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from convscope.errors import InputError
from convscope.explorer.protocol import Answer

SHOWN = 24
"""So many of an image's products are told one by one, the largest; the rest as one number."""

FILE_BYTES = 8 << 20
"""So many bytes of a film's numbers stand in an exported file; the largest weights are left out above it."""

FILE_WEIGHTS = 12
"""Of so many numbers of each weight an exported file says what every image added: those that moved most."""


def offer(host: Any, given: Any) -> LearningScreen | None:
    """Return the screen for what is to be learned or looked at; without that, the network may know how it learned.

    given   a film (`Film`) that is shown, or what gives (network, examples) anew each time: a compiled network that the
            page may train, and what it learns from (`learning.session`)
    """
    network = host.network
    if given is None:
        untrained = getattr(network, "untrained", None)
        return None if untrained is None else LearningScreen(host, untrained, None)
    if callable(given):
        return LearningScreen(host, given, None)
    return LearningScreen(host, None, given)


class LearningScreen:
    """The host's part of the screen.

    make   gives the network, which it may train, and what it learns from; None for a film that is only shown
    film   a film that is only shown: the host's network has its layers
    """

    title = "Learning"

    def __init__(self, host: Any, make: Callable[[], tuple[Any, Any]] | None, film: Any) -> None:
        self._host, self._make, self._film = host, make, film
        self._session: Any = None
        self._trainer: Any = None
        self._making = threading.Lock()
        self._turn = threading.Lock()
        self._begun = 0
        self._usual: Any = (
            None  # the settings that the network comes with, and those that were chosen
        )
        self._chosen: Any = None
        self._held: set[str] | None = None  # for a file: the weights whose numbers it has
        self._told: dict[Any, dict[str, Any]] = {}  # for a file: why numbers moved, in short
        self._answers: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "state": self._state,
            "do": self._do,
            "frame": self._frame,
            "path": self._path,
            "taken": self._taken,
            "products": self._products,
            "back": self._back,
            "picture": self._picture,
            "open": self._open,
        }

    def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
        """Return the answer to {"ask": "learning", "what": one of the questions above, …}."""
        what = question.get("what")
        found = self._answers.get(what) if isinstance(what, str) else None
        if found is None:
            raise InputError(f"Learning is asked {', '.join(self._answers)}, not {what!r:.80}")
        return found(question)

    # -- what there is ----------------------------------------------------------------------------

    @property
    def session(self) -> Any:
        """The training, made ready when it is first asked for; None where a film is shown."""
        with self._making:
            if self._session is None and self._make is not None:
                self._begin()
            return self._session

    def _begin(self) -> None:
        from convscope.learning.session import Settings, TrainingSession, optimizers

        assert self._make is not None
        network, examples = self._make()
        if self._usual is None:
            own = Settings.of(network)
            self._usual = self._chosen = own._replace(
                batch_size=min(own.batch_size, len(examples.y))
            )
            self._optimizers = optimizers(network)
        self._chosen.put(network)
        self._begun += 1
        self._session = TrainingSession(
            network, examples, self._chosen.epochs, self._chosen.batch_size
        )
        self._trainer = self._session.trainer

    @property
    def film(self) -> Any:
        """The steps that there are."""
        return self._film if self.session is None else self.session.film

    @property
    def trainer(self) -> Any:
        """What makes steps again."""
        if self.session is None and self._trainer is None:
            from convscope.learning.film import compiled

            network = self._host.network.edited([])
            network.compile(**compiled(self._film))
            self._trainer = network._compiled()
        return self._trainer

    def _state(self, question: Mapping[str, Any]) -> Answer:
        """How far it is; of the curve what comes after the step `since`."""
        since = question.get("since", 0)
        if type(since) is not int or since < 0:
            raise InputError(f"since is a step, not {since!r:.80}")
        session = self.session
        now = None if session is None else session.now()
        film, kinds = self.film, self.trainer
        facts: dict[str, Any] = {
            "begun": self._begun,
            "network": kinds.network.name,
            "optimizer": repr(kinds.optimizer),
            "loss": kinds.loss.kind,
            "frames": [
                {"step": f["step"], "loss": f["loss"], "judged": f["judged"]} for f in film.frames
            ],
            "weights": {
                f"{owner}.{weight}": list(kinds.layers[owner].weight_shapes[weight])
                for owner, weight in kinds.trained
                if self._held is None or f"{owner}.{weight}" in self._held
            },
            "labels": list(self._host.network.labels),
            "lively": self._lively(film),
            "apart": [[of, list(at)] for step, of, at in self._told if step == film.steps[0]],
        }
        if now is None:
            facts |= {"live": False, "state": "done", "step": film.said["steps"], "steps": film.said["steps"],
                      "words": film.path.name, "losses": [], "accuracies": []}  # fmt: skip
        else:
            state, why, losses, logs = now
            facts |= {
                "live": True, "state": state, "why": why, "step": len(losses),
                "steps": session.steps, "words": session.examples.words,
                "settings": self._chosen._asdict(), "usual": self._usual._asdict(),
                "optimizers": self._optimizers, "images": len(session.examples.y),
                "losses": [_finite(v) for v in losses[since:]],
                "accuracies": [_finite(log.get("accuracy")) for log in logs[since:]],
            }  # fmt: skip
            facts["labels"] = session.examples.labels or facts["labels"]
        return Answer(facts)

    def _lively(self, film: Any) -> dict[str, list[int]]:
        """Return where the newest gradient of each weight is largest."""
        import numpy as np

        if not film.steps:
            return {}
        held = film.arrays(film.steps[-1], "gradient")
        return {
            name: [
                int(p)
                for p in np.unravel_index(int(np.abs(np.nan_to_num(array)).argmax()), array.shape)
            ]
            for name, array in held.items()
        }

    def _do(self, question: Mapping[str, Any]) -> Answer:
        """Start, pause, make one step, or begin anew, with other settings if any are given."""
        session = self.session
        if session is None:
            raise InputError("this is a film: what it shows has been learned already")
        does = {"start": session.start, "pause": session.pause, "step": session.one}
        doing = question.get("do")
        with self._turn:
            if doing == "anew":
                from convscope.learning.session import Settings

                if (wanted := question.get("settings")) is not None:
                    self._chosen = Settings.chosen(wanted, self._usual, len(session.examples.y))
                session.close()
                with self._making:
                    self._begin()
            elif doing in does:
                does[doing]()
            else:
                raise InputError(f"training can be told {', '.join(does)}, anew, not {doing!r:.80}")
        return self._state(question)

    # -- numbers ----------------------------------------------------------------------------------

    def _named(self, question: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        of, at = question.get("of"), question.get("at")
        if (
            not isinstance(of, str)
            or not isinstance(at, list)
            or not all(type(p) is int for p in at)
        ):
            raise InputError(
                f"a number of a weight is named by its name and position, not {of!r:.80}, {at!r:.80}"
            )
        return of, tuple(at)

    def _step(self, question: Mapping[str, Any]) -> int:
        step = question.get("step")
        if type(step) is not int:
            raise InputError(f"step is a number, not {step!r:.80}")
        return step

    def _row(self, question: Mapping[str, Any], rows: int) -> int:
        image = question.get("image")
        if type(image) is not int or not 0 <= image < rows:
            raise InputError(f"the batch has images 0 … {rows - 1}, not {image!r:.80}")
        return image

    def _frame(self, question: Mapping[str, Any]) -> Answer:
        """All numbers of a weight at a step: the weight before it, its gradient, or by how much it moved."""
        import numpy as np

        kind, of = question.get("kind"), question.get("of")
        if kind not in ("weight", "gradient", "update"):
            raise InputError(f"a film has weight, gradient and update, not {kind!r:.80}")
        held = self.film.arrays(self._step(question), kind)
        if of not in held:
            raise InputError(f"the film has no weight {of!r:.80}; it has {', '.join(held)}")
        array = np.ascontiguousarray(held[of], "<f4")
        return Answer({"shape": list(array.shape), "dtype": "float32"}, array.tobytes())

    def _path(self, question: Mapping[str, Any]) -> Answer:
        """One number of a weight through all steps."""
        return Answer(_plain(self.film.path_of(*self._named(question)).to_dict()))

    def _movement(self, question: Mapping[str, Any]) -> Any:
        of, at = self._named(question)
        step = self._step(question)
        lock = threading.Lock() if self.session is None else self.session.lock
        with lock:
            return self.film.taken(self.trainer, step).at(of, at)

    def _taken(self, question: Mapping[str, Any]) -> Answer:
        """Why one number of a weight moved: what each image adds, what is added to that, what is made of it."""
        step, (of, at) = self._step(question), self._named(question)
        if (step, of, at) in self._told:
            return Answer(self._told[step, of, at])
        found = self._movement(question)
        told = found.to_dict()
        told["images"] = [
            {"image": one.number, "partial_sum": one.partial_sum, "terms": len(one.terms)}
            for one in found.images
        ]
        told["targets"] = self._targets(self._step(question))
        return Answer(_plain(told))

    def _targets(self, step: int) -> list[Any]:
        """Return which class each image of a batch is, where it is one."""
        from convscope.equations.losses import TARGET

        given = self.film.arrays(step, "given").get(f"{self.trainer.output}/{TARGET}")
        if given is None or given.ndim > 2 or "crossentropy" not in self.trainer.loss.kind:
            return []
        if given.ndim == 2 and given.shape[1] > 1:
            given = given.argmax(axis=1)
        return [int(v) for v in given.reshape(-1)]

    def _products(self, question: Mapping[str, Any]) -> Answer:
        """The products of one image, the largest, and what the others add up to."""
        found = self._movement(question)
        by = {one.number: one for one in found.images}
        image = self._row(question, max(by, default=-1) + 1)
        terms = by[image].terms if image in by else ()
        shown = [term.to_dict() for term in terms[:SHOWN]]
        for term in shown:
            for factor in term["factors"]:
                factor["layer"], factor["at"] = self._place(factor)
        rest = terms[SHOWN:]
        return Answer(
            _plain(
                {
                    "terms": shown,
                    "count": len(terms),
                    "rest": float(sum(t.value for t in rest)),
                    "others": len(rest),
                }
            )
        )

    def _place(self, factor: Mapping[str, Any]) -> tuple[str | None, list[int]]:
        """Return the layer that a factor is a number of, and where; the batch is left out."""
        name = factor["of"].removeprefix("∂/∂ ").split(" (")[0]
        graph = self.trainer.graph
        if factor["role"] not in ("input", "gradient") or name not in {*graph.nodes, *graph.inputs}:
            return None, []
        return name, factor["index"][1:]

    def _alone(self, question: Mapping[str, Any]) -> tuple[Any, Any, int, int]:
        """Return the network as it was at a step, an image of its batch, its target and the number of images."""
        network = self._host.network.edited([])
        step, image = self._step(question), question.get("image")
        network, x, target = self.film.alone(self.trainer, network, step, image)
        return network, x, target, self.film.taken(self.trainer, step).rows

    def _back(self, question: Mapping[str, Any]) -> Answer:
        """Where a derivative of the loss came from: what one number of a layer does to the loss of one image."""
        layer, at = self._named({**question, "of": question.get("layer")})
        network, image, target, rows = self._alone(question)
        step = self._step(question)
        loss = self.trainer.loss
        if "sparse" in loss.kind:
            target = self._targets(step)[question["image"]]
        run = network.run(image)
        found = (
            run.gradient(loss=loss.kind, target=target, from_logits=loss.from_logits, to=layer)
            .at(at)
            .to_dict()
        )
        terms = [term for group in found["groups"] for term in group["terms"]]
        terms.sort(key=lambda term: -abs(term["value"]))
        for term in terms[:SHOWN]:
            for factor in term["factors"]:
                factor["layer"], factor["at"] = self._place(
                    {**factor, "index": [0, *factor["index"]]}
                )
        told = {
            "value": found["value"], "equation": found["equation"], "corners": found["corners"], "terms": terms[:SHOWN],
            "rest": float(sum(term["value"] for term in terms[SHOWN:])), "others": len(terms[SHOWN:]),
            "own": found["value"] - sum(term["value"] for term in terms), "rows": rows,
        }  # fmt: skip
        return Answer(_plain(told))

    def _picture(self, question: Mapping[str, Any]) -> Answer:
        """The images of a step's batch, as the network was given them."""
        import numpy as np

        given = self.film.arrays(self._step(question), "given")
        array = np.ascontiguousarray(given[next(iter(self.trainer.graph.inputs))], "<f4")
        return Answer({"shape": list(array.shape), "dtype": "float32"}, array.tobytes())

    def _open(self, question: Mapping[str, Any]) -> Answer:
        """An image of a step's batch goes through the network as it was then, and becomes what the page shows."""
        step = self._step(question)
        network, image, _, _ = self._alone(question)
        source = f"image {question['image']} of step {step}, with the weights of that step"
        return Answer({"run": self._host.show(network.run(image), source)})

    # -- a file -----------------------------------------------------------------------------------

    def held(self) -> Iterator[dict[str, Any]]:
        """Yield what an exported file answers of a film: its arrays, and why the weights moved that moved most."""
        film = self._film
        if film is None or not film.steps:
            return
        sizes = {name: array.size for name, array in film.arrays(film.steps[0], "gradient").items()}
        room, held = FILE_BYTES, []
        for of, size in sorted(sizes.items(), key=lambda item: item[1]):
            room -= size * 4 * 3 * len(film.steps)
            if room >= 0:
                held.append(of)
        begun = {"begun": self._begun}
        for step in film.steps:
            for of in held:
                for kind in ("weight", "gradient", "update"):
                    yield {"what": "frame", "step": step, "kind": kind, "of": of, **begun}
            yield {"what": "picture", "step": step, **begun}
        self._tell(film, held)
        for step, of, at in self._told:
            yield {"what": "taken", "step": step, "of": of, "at": list(at), **begun}
        self._held = set(held)
        yield {"what": "state"}
        self._held, self._told = None, {}  # from here on it is a host's again

    def _tell(self, film: Any, held: list[str]) -> None:
        """Work out for a file why the numbers moved that moved most: what each image adds, as the engine has it."""
        import numpy as np

        from convscope.learning.session import shares_of_images

        moved = {
            of: sum(
                np.abs(film.arrays(step, "update")[of].astype(np.float64)) for step in film.steps
            )
            for of in held
        }
        places = [
            (of, tuple(int(p) for p in np.unravel_index(n, moved[of].shape)))
            for of in held
            for n in np.argsort(-np.ravel(moved[of]), kind="stable")[:FILE_WEIGHTS].tolist()
        ]
        for step in film.steps:
            shares = shares_of_images(self.trainer, film, step)
            if shares is None:
                return
            taken, targets = film.taken(self.trainer, step), self._targets(step)
            for of, at in places:
                every = np.moveaxis(shares[of], 0, -1)[at]  # one of each image
                told = taken.shortly(of, at, every)
                self._told[step, of, at] = _plain({**told, "targets": targets})


def _finite(value: Any) -> float | None:
    """Return a number that JSON can say; None for others."""
    from math import isfinite

    return float(value) if value is not None and isfinite(value) else None


def _plain(value: Any) -> Any:
    """Return plain data in which every number is one that JSON can say."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return _finite(value) if isinstance(value, float) else value
