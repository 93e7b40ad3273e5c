"""What a position method is: a name, its settings, and when to use it.

Axes: b batch, t query, s key, h query head, d feature of one head.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from farspan.errors import RequestError

TRAINED = "original_max_position_embeddings"
"""What Hugging Face configs call the length that a checkpoint was trained at, here `trained`."""


@dataclass(frozen=True)
class PositionMethod(ABC):
    """A way to tell positions. The fields of a subclass are its settings, checked with `need`."""

    name: ClassVar[str]
    when: ClassVar[str]
    """One sentence that helps to choose."""

    def need(self, fits: bool, what: str) -> None:
        """Raises `RequestError` unless the settings fit; `what` says what is allowed."""
        if not fits:
            raise RequestError(f"position {self}: {what}")

    @classmethod
    def from_factor(cls, factor: float, trained: int) -> dict[str, Any]:
        """The settings that stretch `trained` tokens by a factor; refused without such a thing."""
        if "factor" not in (field.name for field in fields(cls)):
            raise RequestError(f"position {cls.name} takes no factor; leave --factor out")
        return {"factor": factor}

    def reach(self, trained: int) -> int | None:
        """Tokens that a checkpoint of a trained length is then good for; None is any number."""
        return round(trained * getattr(self, "factor", 1.0))

    def __str__(self) -> str:
        words = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                words.append(f"{field.name}={_shown(value)}")
        return f"{self.name}({', '.join(words)})" if words else self.name


@dataclass(frozen=True)
class RotaryMethod(PositionMethod):
    """Chooses how fast each feature pair turns. Frequencies are radians per token, float64."""

    @abstractmethod
    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """Radians per token `[width / 2]` of the rotated features, and what scales the turned."""

    @classmethod
    def from_scaling(cls, scaling: Mapping[str, Any]) -> Self:
        """From a Hugging Face `rope_parameters` dictionary; `RequestError` for what it lacks."""
        settings: dict[str, Any] = {}
        for field in fields(cls):
            value = scaling.get(TRAINED if field.name == "trained" else field.name)
            if value is not None:
                settings[field.name] = tuple(value) if isinstance(value, list) else value
        try:
            return cls(**settings)
        except TypeError as error:
            raise RequestError(f"rotary scaling {dict(scaling)} is incomplete: {error}") from error

    def to_scaling(self) -> dict[str, Any]:
        """The same as a dictionary in Hugging Face's words."""
        found: dict[str, Any] = {"rope_type": self.name}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                key = TRAINED if field.name == "trained" else field.name
                found[key] = list(value) if isinstance(value, tuple) else value
        return found

    def need_factor(self, factor: float) -> None:
        """A factor stretches: it is a finite number from 1 on."""
        self.need(math.isfinite(factor) and factor >= 1, "factor must be a number from 1 on")

    def need_trained(self, trained: int) -> None:
        """The trained length is at least 2 tokens."""
        self.need(trained >= 2, "trained must be the tokens that the checkpoint was trained at")


class ScorePart(ABC):
    """Part of the pairs of query and key, and the places that both are turned to for it.

    Positions are integers that broadcast: queries `[B, T, 1]`, keys `[B, 1, S]` in `sees`.
    """

    @abstractmethod
    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """Which pairs belong to this part, given that the query may see the key."""

    @abstractmethod
    def query_place(self, query: Tensor) -> Tensor:
        """Where a query at a position is turned to."""

    @abstractmethod
    def key_place(self, key: Tensor) -> Tensor:
        """Where a key at a position is turned to."""


@dataclass(frozen=True)
class ScoreMethod(PositionMethod):
    """Chooses positions by pair of query and key, so keys are kept unturned.

    `parts` are disjoint and cover all pairs. `turns` is false where nothing is rotated.
    """

    turns: ClassVar[bool] = True

    @abstractmethod
    def parts(self) -> tuple[ScorePart, ...]:
        """The pairs by how they are turned."""

    def slopes(self, n_heads: int) -> list[float] | None:
        """What each head's scores lose per token of distance, if anything."""
        return None


def _shown(value: Any) -> str:
    """A setting as the registry reads it again."""
    if isinstance(value, tuple):
        return "/".join(_shown(x) for x in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if float(value).is_integer() else repr(value)


def inverse_powers(width: int, theta: float) -> Tensor:
    """theta^(-2i / width) for each pair i: plain rotary frequencies, on the CPU."""
    return theta ** -(torch.arange(0, width, 2, dtype=torch.float64, device="cpu") / width)
