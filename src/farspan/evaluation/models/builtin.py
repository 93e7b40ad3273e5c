"""Two players that check the suites: one that knows every answer and one that knows none."""

from __future__ import annotations

from collections.abc import Sequence

from farspan.evaluation.models.base import Model, Reply
from farspan.evaluation.samples import Sample
from farspan.models.tokenizer import Tokenizer


class _Player(Model):
    """Reads nothing; lengths are counted with the default model's tokenizer."""

    name = ""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.identity = f"built-in {self.name}"
        self.about = {"kind": "built-in"}


class Oracle(_Player):
    """Says what the sample's metadata call perfect: 100 % in every suite, or the suite is wrong."""

    name = "oracle"

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """See `Model`."""
        return [[Reply(question.perfect) for question in x.questions] for x in samples]

    def losses(self, sample: Sample, places: Sequence[int], span: int) -> list[float]:
        """Certainty: no loss."""
        return [0.0] * len(places)

    def long_loss(self, sample: Sample) -> float:
        """Certainty again."""
        return 0.0


class Silent(_Player):
    """Says nothing: 0 in every suite, or the suite gives points away."""

    name = "silent"

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """See `Model`."""
        return [[Reply("") for _ in x.questions] for x in samples]
