"""What a layer plan says of one layer: a kind of mixer and its settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

from farspan.errors import RequestError
from farspan.mixers.base import AttentionMixer, AttentionShape
from farspan.positions.rotary import Rotary

POSITIONS = ("model", "none")
"""What a layer may have for positions: the model's, or none at all."""


@dataclass(frozen=True)
class MixerSpec(ABC):
    """One layer's mixer. The fields of a subclass are its settings: whole numbers or words.

    A plan writes the first field without its name, `window(512, sinks=4)`, and may leave out those
    that have a default. Subclasses check their values with `need`.
    """

    kind: ClassVar[str]
    stores: ClassVar[bool] = False
    """Whether the mixer keeps a store that only asked tokens look through."""
    pairs: ClassVar[bool] = True
    """Whether the mixer has no positions or takes those that depend on the pair of tokens."""

    grows: ClassVar[bool] = False
    """Whether the state grows with the document, in a store."""

    @abstractmethod
    def build(self, shape: AttentionShape, rotary: Rotary) -> AttentionMixer:
        """The mixer, with random weights."""

    def need(self, fits: bool, what: str) -> None:
        """Raises `RequestError` unless the settings fit; `what` says what is allowed."""
        if not fits:
            raise RequestError(f"{self}: {what}")

    def need_position(self, position: str) -> None:
        """Raises `RequestError` for a word that is not in `POSITIONS`."""
        self.need(position in POSITIONS, f"position must be one of {', '.join(POSITIONS)}")

    def __str__(self) -> str:
        words = []
        for i, field in enumerate(fields(self)):
            value = getattr(self, field.name)
            if i == 0 and isinstance(value, int):
                words.append(str(value))
            elif value != field.default:
                words.append(f"{field.name}={value}")
        return f"{self.kind}({', '.join(words)})" if words else self.kind
