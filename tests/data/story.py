from __future__ import annotations

import numpy as np

from farspan.models.chat import DialogueFormat

FORMAT = DialogueFormat(
    before_document="<|im_start|>system\nAnswer the questions about this document.\n\n",
    before_question="<|im_end|>\n<|im_start|>user\n",
    before_answer="<|im_end|>\n<|im_start|>assistant\n",
    after_answer="<|im_end|>\n",
    before_next_question="<|im_start|>user\n",
)

_NAMES = ["Natasha", "Pierre", "Andrew", "Helene", "Nicholas", "Sonya", "Boris", "Marya"]
_VERBS = ["carried", "painted", "followed", "measured", "praised", "forgot", "buried", "sold"]
_THINGS = ["the lantern", "an old map", "the silver bowl", "a heavy door", "the white horse"]
_SYLLABLES = ["ba", "lo", "mer", "tin", "go", "ras", "ve", "nul", "kip", "do", "fra", "shu"]
_WHERE = ["beyond the river", "under the tower", "near the market", "inside the mill"]


def story(seed: int, n_chapters: int = 6, n_sentences: int = 120) -> str:
    """A made-up book with chapters, speech, numbers and years."""
    rng = np.random.default_rng(seed)

    def pick(options: list[str]) -> str:
        return options[int(rng.integers(len(options)))]

    def coined() -> str:
        return "".join(pick(_SYLLABLES) for _ in range(3)) + "ish"

    chapters = []
    for chapter in range(n_chapters):
        sentences = []
        for n in range(n_sentences):
            code = f"{pick(_VERBS)} and later {pick(_VERBS)} {pick(_THINGS)} {pick(_WHERE)}"
            extra = " ".join(pick(_VERBS + _WHERE) for _ in range(4))
            if n % 9 == 0:
                sentences.append(f'"We {code} {extra}," said {pick(_NAMES)}.')
            elif n % 9 == 4:
                year = int(rng.integers(1500, 1999))
                sentences.append(f"In {year} the people {code} {extra} without any haste.")
            elif n % 9 == 7:
                where = f"under the {coined()} {coined()} bridge"
                sentences.append(f"{pick(_NAMES)} hid the {coined()} {coined()} lantern {where}.")
            else:
                sentences.append(f"On that day {pick(_NAMES)} {code} {extra} once more.")
        paragraphs = [" ".join(sentences[i : i + 6]) for i in range(0, len(sentences), 6)]
        title = f"## CHAPTER {chapter + 1}. The {pick(_WHERE).title()} {chapter}"
        chapters.append(title + "\n\n" + "\n\n".join(paragraphs))
    return "\n\n".join(chapters)
