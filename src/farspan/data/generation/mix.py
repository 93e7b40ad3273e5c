"""The families by name, and the mixtures of them that a data set may be drawn from."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from farspan.data.generation.dialogue import DIALOGUES, DialogueFamily
from farspan.data.generation.draft import LEVELS, Family
from farspan.data.generation.library import Library
from farspan.errors import RequestError

Kind = Family | DialogueFamily

MODULES = (
    "needles",
    "lookup",
    "quotes",
    "facts",
    "code",
    "chains",
    "stories",
    "law",
    "talks",
    "counting",
    "frequent",
    "times",
    "collections",
)
"""The modules of `families`, each with its `FAMILIES`."""

MIXES: Mapping[str, Mapping[str, float]] = {
    "levels": dict.fromkeys(LEVELS, 1.0),
    "local": {"local": 1.0},
    "medium": {"medium": 1.0},
    "global": {"global": 1.0},
    "needles": {"needle/*": 1.0},
    "dialogues": {"dialogue/*": 1.0},
    "all": {**dict.fromkeys(LEVELS, 1.0), "dialogue/*": 1.0},
}
"""Built-in mixtures: weights of levels, groups (`needle/*`) or single families."""


@cache
def all_families() -> dict[str, Family]:
    """Every family by name, in the order of `MODULES`."""
    found: dict[str, Family] = {}
    for name in MODULES:
        module = importlib.import_module(f"farspan.data.generation.families.{name}")
        found.update((family.name, family) for family in module.FAMILIES)
    return found


def all_kinds() -> dict[str, Kind]:
    """Families and dialogues by name."""
    return {**all_families(), **{kind.name: kind for kind in DIALOGUES}}


def read_mix(name: str) -> dict[str, float]:
    """Weights by name or from a JSON file of {level, group or family: weight}.

    Raises `RequestError` for what is neither, and for weights that are not numbers from 0.
    """
    if name in MIXES:
        return dict(MIXES[name])
    if not Path(name).is_file():
        raise RequestError(
            f"there is no mix {name!r}; use {', '.join(MIXES)}, or a JSON file such as"
            ' {"needle/*": 1, "global": 2}'
        )
    try:
        found = json.loads(Path(name).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RequestError(f"the mix {name} is not JSON: {error}") from error
    if not isinstance(found, dict) or not found:
        raise RequestError(f"the mix {name} is no object of names and weights")
    for key, weight in found.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0:
            raise RequestError(f"the weight of {key!r} in {name} is {weight!r}; give 0 or more")
    if not sum(found.values()) > 0:
        raise RequestError(f"all weights of the mix {name} are zero")
    return {key: float(weight) for key, weight in found.items()}


def members(name: str) -> list[Kind]:
    """The families of a level, a group ("needle/*", "dialogue/*") or one family.

    Raises `RequestError` with the valid names.
    """
    families = all_kinds()
    if name in LEVELS:
        return [family for family in all_families().values() if family.level == name]
    if name.endswith("/*"):
        found = [x for x in families.values() if x.name.startswith(name[:-1])]
    else:
        found = [families[name]] if name in families else []
    if not found:
        groups = sorted({x.split("/")[0] + "/*" for x in families})
        raise RequestError(
            f"there is no family {name!r}; use one of {', '.join((*LEVELS, *groups))} or"
            f" {', '.join(families)}"
        )
    return found


def weigh(
    mix: Mapping[str, float], library: Library, length: int
) -> tuple[list[Kind], list[float], list[str]]:
    """Families with their weights, each name's weight spread evenly, and what is left out and why.

    A family is left out where the library lacks what it needs or the length is too short.
    Raises `RequestError` when none is left.
    """
    weights: dict[str, float] = {}
    left_out: dict[str, str] = {}
    for name, weight in mix.items():
        usable = []
        for family in members(name):
            why = _unusable(family, library, length)
            if why:
                left_out[family.name] = f"{family.name} is left out: {why}"
            else:
                usable.append(family)
        for family in usable:
            weights[family.name] = weights.get(family.name, 0.0) + weight / len(usable)
    chosen = {name: weight for name, weight in weights.items() if weight > 0}
    if not chosen:
        reasons = "; ".join(left_out.values()) or "all weights are zero"
        raise RequestError(f"no family of this mix can be made ({reasons})")
    families = all_kinds()
    picked = [families[name] for name in families if name in chosen]
    return picked, [chosen[family.name] for family in picked], list(left_out.values())


def _unusable(family: Kind, library: Library, length: int) -> str:
    if length < family.shortest:
        return f"it takes {family.shortest} tokens or more"
    needs: Sequence[str] = [family.needs] if family.needs else []
    lacking = [kind for kind in needs if kind not in library.by_kind]
    return f"the documents hold no {lacking[0]}" if lacking else ""
