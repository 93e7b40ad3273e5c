"""What a layer plan says of one layer: a kind of mixer and its settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

from farspan.errors import RequestError
from farspan.mixers.base import AttentionMixer, AttentionShape
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class MixerSpec(ABC):
    """One layer's mixer. The fields of a subclass are its settings: whole numbers or words.

    A plan writes the first field without its name, `window(512, sinks=4)`, and may leave out those
    that have a default. Subclasses check their values with `need`.
    """

    kind: ClassVar[str]
    stores: ClassVar[bool] = False
    """Whether the mixer keeps a store that only asked tokens look through."""

    grows: ClassVar[bool] = False
    """Whether the state grows with the document, in a store."""

    @abstractmethod
    def build(self, shape: AttentionShape, rotary: Rotary) -> AttentionMixer:
        """The mixer, with random weights."""

    def need(self, fits: bool, what: str) -> None:
        """Raises `RequestError` unless the settings fit; `what` says what is allowed."""
        if not fits:
            raise RequestError(f"{self}: {what}")

    def __str__(self) -> str:
        words = []
        for i, field in enumerate(fields(self)):
            value = getattr(self, field.name)
            if i == 0:
                words.append(str(value))
            elif value != field.default:
                words.append(f"{field.name}={value}")
        return f"{self.kind}({', '.join(words)})" if words else self.kind
