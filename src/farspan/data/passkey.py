"""The passkey task of Mohtashami & Jaggi 2023 (arXiv 2305.16300): a number in repeated filler.

Legend: b rows, t tokens, n segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from farspan.data.needles import FILLER
from farspan.data.pieces import TextTokenizer
from farspan.data.words import ADJECTIVES, NOUNS
from farspan.errors import RequestError

HEAD = (
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them."
    " I will quiz you about the important information there."
)
KEY = "The pass key is {key}. Remember it. {key} is the pass key."
QUESTION = "What is the pass key?"
PREFIX = " The pass key is"
LARGEST = 50_000
MOST_REPEATS = 4096
"""Of one segment. In TF32, 2^19 of them made maps of length 1.001 overflow (docs/log.md)."""

MAX_WORDS = 12
_WORDS = sorted({*ADJECTIVES, *NOUNS})


@dataclass(frozen=True)
class PasskeyCase:
    """`ids` (int64) end with the question's prefix, `answer_ids` follow; the needle's span."""

    ids: np.ndarray
    answer_ids: np.ndarray
    needle: tuple[int, int]


class Passkeys:
    """Makes cases of any length from pieces that are tokenised once."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._encode = tokenizer.encode
        self._head = self._tokens(HEAD)
        self._line = self._tokens("\n" + FILLER)
        self._question = self._tokens("\n" + QUESTION + PREFIX)

    def case(
        self, length: int, depth: float, rng: np.random.Generator, *, n_words: int = 0
    ) -> PasskeyCase:
        """A case of `length` tokens, answer included; `depth` 0 is at the start, 1 at the end.

        Whole lines of filler stand before the needle; the line before the question is cut to fit.
        `n_words`, in training, makes the key so many different words instead of a number. Raises
        `RequestError` for a length that holds no filler.
        """
        key = str(int(rng.integers(1, LARGEST + 1)))
        if n_words:
            key = " ".join(rng.choice(_WORDS, n_words, replace=False).tolist())
        needle = self._tokens("\n" + KEY.format(key=key))
        answer = self._tokens(f" {key}.")
        fixed = len(self._head) + len(needle) + len(self._question) + len(answer)
        room = length - fixed
        if room < len(self._line):
            raise RequestError(
                f"{length} tokens do not hold a passkey; give at least {fixed + len(self._line)}"
            )
        before = round(depth * (room // len(self._line))) * len(self._line)
        filler = np.resize(self._line, room)
        ids = (self._head, filler[:before], needle, filler[: room - before], self._question)
        start = len(self._head) + before
        return PasskeyCase(np.concatenate(ids), answer, (start, start + len(needle)))

    def _tokens(self, text: str) -> np.ndarray:
        return np.array(self._encode(text), dtype=np.int64)


@dataclass(frozen=True)
class PasskeyRows:
    """Rows `token_bt` int64; `answer_bt` marks the answer's tokens; the last `tail` hold them.

    `times_bn` float32 says how often each segment counts where a memory is trained to outlast
    far more filler than a row holds (see `repeats`).
    """

    token_bt: np.ndarray
    answer_bt: np.ndarray
    tail: int
    times_bn: np.ndarray


def passkey_rows(
    passkeys: Passkeys,
    n_rows: int,
    length: int,
    segment: int,
    rng: np.random.Generator,
    *,
    word_share: float = 0.0,
) -> PasskeyRows:
    """Rows of `length` tokens, needles at random depths, half of them with repeats.

    In `word_share` of the rows the key is of 4 to `MAX_WORDS` words, which teaches the memory
    sooner: more answer tokens, each found by the one before it alone.
    """
    token_bt = np.zeros((n_rows, length), dtype=np.int64)
    answer_bt = np.zeros((n_rows, length), dtype=bool)
    times = []
    tail = 0
    for b in range(n_rows):
        n_words = int(rng.integers(4, MAX_WORDS + 1)) if rng.random() < word_share else 0
        case = passkeys.case(length, rng.random(), rng, n_words=n_words)
        token_bt[b] = np.concatenate((case.ids, case.answer_ids))
        answer_bt[b, len(case.ids) :] = True
        tail = max(tail, len(case.answer_ids) + 1)
        times.append(repeats(length // segment, segment, case.needle, rng))
    return PasskeyRows(token_bt, answer_bt, tail, np.stack(times))


def repeats(
    n_segments: int, segment: int, needle: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """How often each segment counts, float32 `[N]`: at most as often as all before it together.

    Filler repeats itself, so a segment that counts m times stands for m segments of it. The
    needle's own segments count once. With n segments a row stands for up to 2^(n - 1) of them,
    as far as `MOST_REPEATS` allows.
    """
    times = np.ones(n_segments, dtype=np.float32)
    if rng.random() < 0.5:
        return times
    growth = rng.random()
    first, last = needle[0] // segment, (needle[1] - 1) // segment
    for n in range(1, n_segments):
        if not first <= n <= last and rng.random() < growth:
            times[n] = min(MOST_REPEATS, 2.0 ** np.floor(np.log2(times[:n].sum())))
    return times
