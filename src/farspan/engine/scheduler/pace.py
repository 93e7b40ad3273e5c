"""How many prompt and document tokens fit into a step of a given time, from steps before."""

from __future__ import annotations

LEAST, MOST = 32, 8192
FIRST = 128
MEMORY = 0.2
"""Weight of the newest step in the averages."""

SHARE = 0.5
"""Where decoding alone takes longer than a step should, reading gets this share of its time."""


class Pace:
    """Chooses chunk sizes such that steps take about `seconds`, whatever else is in them.

    A step's time is taken as that of its decoding rows, learnt from steps without anything else,
    and as much again for each token that is read.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._decode_row = 0.0
        self._token: float | None = None

    def tokens(self, n_decoding: int) -> int:
        """What the next step may read beside so many decoding rows."""
        if self._token is None:
            return FIRST
        decoding = self._decode_row * n_decoding
        left = max(self.seconds - decoding, SHARE * decoding)
        fits = int(left / self._token) // LEAST * LEAST
        return max(LEAST, min(MOST, fits))

    def note(self, n_decoding: int, tokens: int, seconds: float) -> None:
        """What a step held and took."""
        if tokens == 0 and n_decoding:
            a_row = seconds / n_decoding
            self._decode_row += MEMORY * (a_row - self._decode_row)
        elif tokens >= LEAST:
            a_token = max(seconds - self._decode_row * n_decoding, 0.1 * seconds) / tokens
            known = a_token if self._token is None else self._token
            self._token = known + MEMORY * (a_token - known)
