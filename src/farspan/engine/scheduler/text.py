"""An answer's text as it comes, up to the first stop string."""

from __future__ import annotations

from collections.abc import Sequence

from farspan.models.tokenizer import StreamDecoder, Tokenizer


class AnswerText:
    """Decodes tokens and holds back what may become a stop string.

    All pieces and the rest join to the text before the first stop string.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self.stopped = False
        self._decoder = StreamDecoder(tokenizer)
        self._stops = tuple(stops)
        self._held = ""

    def push(self, token: int) -> str:
        """The text that this token makes certain; sets `stopped` at a stop string."""
        return self._pass(self._decoder.push(token))

    def flush(self) -> str:
        """What was held back, once nothing follows."""
        if self.stopped:
            return ""
        piece = self._pass(self._decoder.flush())
        held, self._held = self._held, ""
        return piece if self.stopped else piece + held

    def _pass(self, text: str) -> str:
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            self.stopped = True
            piece, self._held = self._held[: min(places)], ""
            return piece
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        cut = len(self._held) - keep
        piece, self._held = self._held[:cut], self._held[cut:]
        return piece


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
