"""The control tokens around document, question and answer, as token ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from farspan.evaluation.samples import Question, Sample
from farspan.models.chat import DialogueFormat, render_chat
from farspan.models.tokenizer import Tokenizer

_MARK = "@@farspan-message@@"


@dataclass(frozen=True)
class Frame:
    """A prompt reads `before` DOCUMENT `between` QUESTION `after` PREFIX.

    With `joined`, document and question are one message, with the question's `joint` between
    them, as published prompts are; otherwise `between` starts a new turn.
    """

    before: str
    between: str
    after: str
    joined: bool

    @classmethod
    def of_dialogue(cls, form: DialogueFormat) -> Frame:
        """The document in its own turn: how farspan's adapter was trained."""
        return cls(form.before_document, form.before_question, form.before_answer, False)

    @classmethod
    def of_message(cls, tokenizer: Tokenizer) -> Frame:
        """Document and question in one user message; plain text for models without a template."""
        bos = tokenizer.token_text(tokenizer.bos_id)
        if tokenizer.chat_template is None:
            return cls(bos if tokenizer.adds_bos else "", "", "", True)
        eos = tokenizer.token_text(next(iter(tokenizer.eos_ids), None))
        message = [{"role": "user", "content": _MARK}]
        text = render_chat(tokenizer.chat_template, message, bos_token=bos, eos_token=eos)
        before, _, after = text.partition(_MARK)
        return cls(before, "", after, True)

    def overhead(self, tokenizer: Tokenizer) -> int:
        """Tokens of the frame alone."""
        return sum(len(tokenizer.encode(x)) for x in (self.before, self.between, self.after))

    def document(self, sample: Sample, tokenizer: Tokenizer) -> np.ndarray:
        """Ids up to the end of the document, uint32 `[T]`."""
        before = np.array(tokenizer.encode(self.before), dtype=np.uint32)
        return np.concatenate((before, sample.head.ids, sample.body.ids))

    def prompt(self, question: Question, tokenizer: Tokenizer) -> list[int]:
        """Ids from the end of the document to where the reply begins."""
        asked = question.joint + question.text if self.joined else question.text.lstrip("\n")
        # After a turn's opening the prefix starts a line; in running text its space counts.
        prefix = question.prefix if not self.after else question.prefix.lstrip()
        return [
            *tokenizer.encode(self.between),
            *tokenizer.encode(asked, special=False),
            *tokenizer.encode(self.after),
            *tokenizer.encode(prefix, special=False),
        ]
