"""Things that are given by name, as an object, or as Keras's config of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from convscope.errors import SettingError, did_you_mean

Kind = TypeVar("Kind")


class Configured:
    """A thing with settings, which Keras can make again from its config."""

    def config(self) -> dict[str, Any]:
        """Return the settings, as Keras's config has them."""
        return {}

    def keras(self) -> dict[str, Any]:
        """Return what Keras makes the same thing from."""
        return {"class_name": type(self).__name__, "config": self.config()}

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({said})"


def resolved(
    given: Any, kinds: Mapping[str, type[Kind]], base: type[Kind], what: str, article: str
) -> Kind:
    """Return the object that is meant: itself, one made from its name, or from {"class_name", "config"}.

    Raises `SettingError`, by name, for what there is not.
    """
    if isinstance(given, base):
        return given
    settings: dict[str, Any] = {}
    name = given
    if isinstance(given, Mapping) and isinstance(given.get("class_name"), str):
        name, settings = given["class_name"], dict(given.get("config") or {})
        settings.pop("name", None)
    if isinstance(name, str):
        found = next((k for n, k in kinds.items() if plain(n) == plain(name)), None)
        if found is not None:
            try:
                return found(**settings)
            except TypeError as error:
                raise SettingError(f"{what}: {name} does not take {settings}: {error}") from error
        raise SettingError(
            f"{what}: there is no {article} {name!r}{did_you_mean(name, list(kinds))}; there are "
            f"{', '.join(kinds)}"
        )
    raise SettingError(
        f"{what} must be the name of {article} or one of convscope's own, not {type(given).__name__} "
        f"{given!r:.60}"
    )


def plain(name: str) -> str:
    """Return a name as it is compared: L1L2, l1_l2 and L1_L2 are one."""
    return name.lower().replace("_", "")
