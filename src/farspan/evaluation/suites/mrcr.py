"""The i-th of n alike requests in a long conversation, word for word.

After OpenAI's MRCR (2025), which goes back to Michelangelo (Vodrahalli et al. 2024, arXiv
2409.12640): same question, same metric. What the assistant wrote are passages of the haystack.
"""

from __future__ import annotations

import string
from functools import partial

import numpy as np

from farspan.data.turns import pick
from farspan.evaluation.encoder import Passage, join
from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import mrcr_ratio

NEEDLES = (2, 4, 8)
PIECE_TOKENS = 96
MAX_TOKENS = 160
PREFIX_LETTERS = 10
FORMS = ("poem", "short story", "riddle", "letter", "speech", "blog post", "news article", "song")
TOPICS = (
    "tapirs",
    "lighthouses",
    "rain",
    "old maps",
    "glass",
    "winter",
    "trains",
    "gardens",
    "distance",
    "salt",
    "owls",
    "clocks",
)
_HEAD = "Here is our conversation so far.\n"
_QUESTION = (
    "Prepend {prefix} to the {ordinal} (1 indexed) {form} about {topic}. Do not include any other"
    " text in your response."
)


def tasks() -> list[Task]:
    """One task for each number of alike requests."""
    return [
        Task(
            name=f"mrcr/{n}needle",
            make=partial(_make, n),
            score=mrcr_ratio,
            max_tokens=MAX_TOKENS,
            source="farspan, after OpenAI 2025, the dataset mrcr (question and metric)",
            constant="I cannot find it.",
        )
        for n in NEEDLES
    ]


def _make(n_needles: int, draft: Draft) -> Sample:
    rng = draft.rng
    form, topic = pick(rng, FORMS), pick(rng, TOPICS)
    prefix = "".join(pick(rng, string.ascii_letters + string.digits) for _ in range(PREFIX_LETTERS))
    which = int(rng.integers(n_needles))
    alike = [_exchange(draft, form, topic) for _ in range(n_needles)]
    answer = f"{prefix}{alike[which][1]}"
    question = Question(
        _QUESTION.format(prefix=prefix, ordinal=ordinal(which + 1), form=form, topic=topic),
        (answer,),
        perfect=answer,
        joint="\n\n",
        about={"prefix": prefix, "depth": 0.0},
    )
    head = draft.encode(_HEAD)
    room = draft.room(MAX_TOKENS, question, beside=[head, *(turn for turn, _ in alike)])
    others = _others(draft, room, (form, topic))
    places = np.sort(rng.integers(len(others) + 1, size=n_needles)).tolist()
    question.about["depth"] = places[which] / max(len(others), 1)
    for place, (turn, _) in reversed(list(zip(places, alike, strict=True))):
        others.insert(place, turn)
    return Sample(head, join(others), (question,))


def _others(draft: Draft, room: int, asked: tuple[str, str]) -> list[Passage]:
    """Exchanges about other things, as many as fit."""
    found: list[Passage] = []
    while True:
        form, topic = pick(draft.rng, FORMS), pick(draft.rng, TOPICS)
        if (form, topic) == asked:
            continue
        turn, _ = _exchange(draft, form, topic)
        if turn.n_tokens > room:
            return found
        found.append(turn)
        room -= turn.n_tokens


def _exchange(draft: Draft, form: str, topic: str) -> tuple[Passage, str]:
    """A request with its reply, and the reply's text."""
    body = draft.haystack.take(draft.rng, PIECE_TOKENS).passage
    article = "an" if form[0] in "aeiou" else "a"
    request = draft.encode(f"\n\nUser: Write {article} {form} about {topic}.\n\nAssistant:")
    return join((request, draft.encode(" "), body)), body.text.strip()


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th ..."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if 10 <= number % 100 <= 20 else endings.get(number % 10, 'th')}"
