"""The position methods by name, and how a request for them is read.

yarn(32)
self_extend(8, window=512)+log_length
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from farspan.errors import RequestError
from farspan.positions.alibi import Alibi
from farspan.positions.base import PositionMethod, RotaryMethod, ScoreMethod
from farspan.positions.dual_chunk import DualChunk
from farspan.positions.linear import Linear
from farspan.positions.llama3 import Llama3
from farspan.positions.longrope import LongRope
from farspan.positions.ntk import DynamicNtk, Ntk
from farspan.positions.partial import Plain, Proportional
from farspan.positions.self_extend import SelfExtend
from farspan.positions.temperature import LogLength
from farspan.positions.yarn import Yarn

_ROTARY: tuple[type[RotaryMethod], ...] = (
    Plain,
    Linear,
    Ntk,
    DynamicNtk,
    Yarn,
    LongRope,
    Llama3,
    Proportional,
)
_SCORES: tuple[type[ScoreMethod], ...] = (SelfExtend, DualChunk, Alibi)

_ALL: tuple[type[PositionMethod], ...] = (*_ROTARY, *_SCORES, LogLength)
METHODS: dict[str, type[PositionMethod]] = {method.name: method for method in _ALL}
"""Every method that a checkpoint can be stretched with."""

_KINDS = {
    "bool": "true or false",
    "tuple": "numbers such as 1/1.5/4 or a .json file with a list of them",
    "int": "a whole number",
    "float": "a number",
}
_CALL = re.compile(r"(?P<name>\w+)\s*(?:\((?P<settings>.*)\))?")


@dataclass(frozen=True)
class Positions:
    """At most one method of each kind; together they tell a layer all of positions."""

    rotary: RotaryMethod | None = None
    scores: ScoreMethod | None = None
    temperature: LogLength | None = None

    def __str__(self) -> str:
        return "+".join(str(x) for x in (self.rotary, self.scores, self.temperature) if x)


def rotary_method(scaling: Mapping[str, Any]) -> RotaryMethod:
    """The method that a Hugging Face `rope_parameters` dictionary names; plain if it is empty."""
    kind = scaling.get("rope_type", scaling.get("type")) or "default"
    for method in _ROTARY:
        if method.name == kind:
            return method.from_scaling(scaling)
    known = ", ".join(method.name for method in _ROTARY)
    raise RequestError(f"rotary scaling {kind!r} is not supported; use {known}")


def parse_positions(text: str, trained: int, factor: float | None = None) -> Positions:
    """The methods that `text` names, such as `yarn(32)` or `self_extend(8)+log_length`.

    `trained` is the checkpoint's length, for methods whose text does not say it; `factor`, if
    given, stretches the first method. Raises `RequestError` for unknown names and settings.
    """
    found: dict[str, PositionMethod] = {}
    for i, part in enumerate(text.split("+")):
        method = _parse(part.strip(), text, trained, factor if i == 0 else None)
        kind = "temperature"
        if isinstance(method, RotaryMethod | ScoreMethod):
            kind = "rotary" if isinstance(method, RotaryMethod) else "scores"
        if kind in found:
            raise RequestError(
                f"position {text!r} names both {found[kind].name} and {method.name}; of each kind"
                " take one, for instance yarn(4)+log_length"
            )
        found[kind] = method
    return Positions(**found)  # type: ignore[arg-type]


def _parse(part: str, text: str, trained: int, factor: float | None) -> PositionMethod:
    match = _CALL.fullmatch(part)
    if match is None or match["name"] not in METHODS:
        known = ", ".join(METHODS)
        raise RequestError(
            f"position {text!r}: {part!r} is unknown; there are {known}, for instance yarn(32)"
        )
    method = METHODS[match["name"]]
    known_fields = {field.name: field for field in fields(method)}
    settings: dict[str, Any] = {}
    if factor is not None:
        settings |= method.from_factor(factor, trained)
    words = [word.strip() for word in (match["settings"] or "").split(",") if word.strip()]
    for i, word in enumerate(words):
        key, equals, value = (x.strip() for x in word.partition("="))
        if not equals and i == 0 and known_fields:
            key, value = next(iter(known_fields)), word
        if key not in known_fields:
            allowed = ", ".join(known_fields) or "nothing"
            raise RequestError(f"position {text!r}: {word!r} is unknown; {part} takes {allowed}")
        if key in settings:
            raise RequestError(
                f"position {text!r}: {key} is chosen twice, in brackets and before"
                + (" by --factor" if factor is not None else "")
            )
        settings[key] = _value(method, key, value)
    if "trained" in known_fields:
        settings.setdefault("trained", trained)
    _need_all(method, list(known_fields.values()), settings)
    return method(**settings)


def _need_all(
    method: type[PositionMethod], known: list[Field[Any]], settings: Mapping[str, Any]
) -> None:
    for field in known:
        if field.default is MISSING and field.name not in settings:
            raise RequestError(
                f"position {method.name} needs its {field.name}: {method.name}({field.name}=...)"
                + (" or --factor" if field.name in ("factor", "group") else "")
            )


def _value(method: type[PositionMethod], key: str, value: str) -> Any:
    """A setting from its word, by the type of its field."""
    wanted = str(get_type_hints(method)[key])
    try:
        if "bool" in wanted:
            return {"true": True, "false": False}[value]
        if "tuple" in wanted:
            if value.endswith(".json"):
                return tuple(float(x) for x in json.loads(Path(value).read_text(encoding="utf-8")))
            return tuple(float(x) for x in value.split("/"))
        return int(value) if "int" in wanted else float(value)
    except (KeyError, ValueError, TypeError, OSError) as error:
        kind = next(said for name, said in _KINDS.items() if name in wanted)
        raise RequestError(f"position {method.name}: {key}={value} is not {kind}") from error
