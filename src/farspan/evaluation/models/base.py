"""What the runner asks of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farspan.evaluation.samples import Sample
from farspan.models.tokenizer import Tokenizer


class CellFailedError(Exception):
    """The model could not answer, and is not expected to answer the next sample of this cell."""


@dataclass(frozen=True)
class Reply:
    """What a model said to one question, in seconds and tokens of its own.

    `read_seconds` are those of the document, the same for all its questions.
    """

    text: str
    read_seconds: float = 0.0
    answer_seconds: float = 0.0
    new_tokens: int = 0


class Model(ABC):
    """Something that answers questions about documents.

    `identity` is a hash or version of what decides its answers, `about` what else a report should
    tell. `tokenizer` counts lengths, `overhead` are the tokens of its chat format. With
    `needs_text` samples come with their text, otherwise perhaps with tokens alone.
    """

    name: str
    identity: str
    about: dict[str, Any]
    tokenizer: Tokenizer
    overhead: int = 0
    needs_text: bool = False

    def why_not(self, length: int) -> str:
        """Why this length is beyond the model; empty if it is not."""
        return ""

    def batch_size(self, length: int) -> int:
        """How many samples of a length to answer at a time."""
        return 1

    @abstractmethod
    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """The replies to every question of every sample.

        Raises `CellFailedError` where it is not worth trying on.
        """

    def losses(self, sample: Sample, places: Sequence[int], span: int) -> list[float]:
        """Mean cross-entropy, in nats, of the `span` tokens of the body from each place on.

        Everything before a place has been read. Raises `CellFailedError` for models that do not
        tell probabilities.
        """
        raise CellFailedError(f"{self.name} does not tell probabilities of given tokens")

    def long_loss(self, sample: Sample) -> float:
        """ln LongPPL of the body. Raises `CellFailedError` where it cannot be computed."""
        raise CellFailedError(f"{self.name} does not tell probabilities of given tokens")

    def peak_bytes(self) -> int:
        """The most memory since `reset_peak`, where the model is; 0 if unknown."""
        return 0

    def reset_peak(self) -> None:  # noqa: B027 (not all models know)
        """Counts the most memory anew from here on."""

    def close(self) -> None:  # noqa: B027 (most models hold nothing)
        """Frees what the model holds."""
