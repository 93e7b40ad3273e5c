"""What a layer plan says of one layer: a kind of mixer and its settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

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
    shares_projections: ClassVar[bool] = True
    """Whether the mixer may have some heads of a layer: it needs no features, just q, k and v."""
    not_sizes: ClassVar[tuple[str, ...]] = ()
    """Settings in whole numbers that count no tokens."""

    @abstractmethod
    def build(self, shape: AttentionShape, rotary: Rotary) -> AttentionMixer:
        """The mixer, with random weights."""

    @property
    def takes_pairs(self) -> bool:
        """`pairs`, of all parts where there are several."""
        return self.pairs

    @property
    def least_kv_heads(self) -> int:
        """Key-value heads that a layer must have."""
        return 1

    def sizes(self) -> tuple[int, ...]:
        """The settings that count tokens, as far as they are not zero."""
        return tuple(self._sizes().values())

    def shrunk(self, scale: int) -> Self:
        """The same mixer for a picture, its sizes divided, down to 1."""
        return replace(self, **{name: max(1, x // scale) for name, x in self._sizes().items()})

    def need(self, fits: bool, what: str) -> None:
        """Raises `RequestError` unless the settings fit; `what` says what is allowed."""
        if not fits:
            raise RequestError(f"{self}: {what}")

    def need_position(self, position: str) -> None:
        """Raises `RequestError` for a word that is not in `POSITIONS`."""
        self.need(position in POSITIONS, f"position must be one of {', '.join(POSITIONS)}")

    def _sizes(self) -> dict[str, int]:
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            name: x
            for name, x in found.items()
            if isinstance(x, int) and x > 0 and name not in self.not_sizes
        }

    def __str__(self) -> str:
        words = []
        for i, field in enumerate(fields(self)):
            value = getattr(self, field.name)
            if i == 0 and isinstance(value, int):
                words.append(str(value))
            elif value != field.default:
                words.append(f"{field.name}={value}")
        return f"{self.kind}({', '.join(words)})" if words else self.kind
