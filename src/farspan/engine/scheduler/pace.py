"""How many prompt and document tokens fit into a step of a given time, learnt from steps before."""

from __future__ import annotations

import numpy as np

GRAIN, MOST = 32, 8192
LEAST = 64
"""Fewer tokens at a time cost almost as much: the weights are read all the same."""

FIRST = 128
MEMORY = 0.95
"""Weight of a step in the next one's estimate; steps further back count ever less."""

_SCALE = np.array((1.0, 10.0, 100.0))
_PRIOR = 1e-3
_HICCUP = 3.0


class Pace:
    """Chooses chunk sizes such that steps take about `seconds`, whatever else is in them.

    A step is taken to cost `base + rows * a_row + tokens * a_token`, by weighted least squares.
    Where the first two are more than a step should take, tokens get as long as they.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._moments = np.diag((_PRIOR,) * 3)
        self._sums = np.zeros(3)
        self._last = 0

    def tokens(self, n_decoding: int) -> int:
        """What the next step may read beside so many decoding rows."""
        if not self._last:
            return FIRST
        base, a_row, a_token = self._costs()
        fixed = base + a_row * n_decoding
        fits = max(self.seconds - fixed, fixed) / max(a_token, 1e-7)
        most = min(MOST, 2 * self._last)  # what lies far from all steps so far is a guess
        return max(LEAST, min(most, int(fits) // GRAIN * GRAIN))

    def note(self, n_decoding: int, tokens: int, seconds: float) -> None:
        """What a step held and took."""
        held = np.array((1.0, n_decoding, tokens)) / _SCALE
        if self._last:  # something else kept the machine busy
            expected = float(self._costs() @ np.array((1.0, n_decoding, tokens)))
            seconds = min(seconds, _HICCUP * max(expected, self.seconds / 10))
        self._moments = MEMORY * self._moments + np.outer(held, held)
        self._moments += (1 - MEMORY) * np.diag((_PRIOR,) * 3)
        self._sums = MEMORY * self._sums + held * seconds
        self._last = tokens or self._last

    def _costs(self) -> np.ndarray:
        """Seconds of a step, a decoding row and a token; where one would be negative it is 0."""
        kept = np.ones(3, dtype=bool)
        found = np.zeros(3)
        while kept.any():
            part = np.ix_(kept, kept)
            found[:] = 0.0
            found[kept] = np.linalg.solve(self._moments[part], self._sums[kept])
            if (found >= 0).all():
                break
            kept &= found > 0
        return np.clip(found, 0.0, None) / _SCALE
