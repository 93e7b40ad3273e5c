"""One answer on its way: prompt, answer, and a last look at where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from farspan.engine.sampling import Choice, Sampler
from farspan.engine.scheduler.ragged import Chunk
from farspan.engine.scheduler.request import Done, Ticket, Token
from farspan.engine.scheduler.text import AnswerText
from farspan.memory.scan import AttentionWatch
from farspan.models.decoder import DecoderState
from farspan.models.tokenizer import Tokenizer


class Row:
    """What the scheduler moves along, a chunk a step.

    `state` is what its tokens so far left behind; `fed` of the prompt's tokens are among them.
    """

    def __init__(
        self,
        ticket: Ticket,
        index: int,
        tokenizer: Tokenizer,
        state: DecoderState,
        reused: int = 0,
    ) -> None:
        request = ticket.request
        self.ticket, self.index = ticket, index
        self.request = request
        self.state = state
        self.fed = self.reused = reused
        self.held = 0
        self.answer: list[int] = []
        self.reason = ""
        self._ends = tokenizer.eos_ids
        constraint = request.constraint() if request.constraint is not None else None
        sampling = replace(request.sampling, seed=request.sampling.seed + index)
        self.sampler = Sampler(sampling, request.ids, constraint, self._ends)
        self._text = AnswerText(tokenizer, sampling.stop)
        self._asked: DecoderState | None = None
        self._watch: AttentionWatch | None = None

    @property
    def left(self) -> int:
        """Prompt tokens that are still to come."""
        return len(self.request.ids) - self.fed

    @property
    def is_decoding(self) -> bool:
        """Whether its next chunk is one token."""
        return self.left == 0

    def sibling(self, index: int, tokenizer: Tokenizer) -> Row:
        """Another answer to the same prompt, which has been taken in."""
        row = Row(self.ticket, index, tokenizer, self.state.fork(), self.reused)
        row.fed, row._asked = self.fed, self._asked
        return row

    def chunk(self, most: int) -> Chunk:
        """Its next tokens, of a prompt at most `most`."""
        request = self.request
        self._watch = None
        if self.reason:
            assert self._asked is not None
            self._watch = AttentionWatch(request.watch_block)
            return self._chunk(request.ids[-1:], self._asked, scored=False)
        if self.left:
            if request.look_only:
                self._watch = AttentionWatch(request.watch_block)
                return self._chunk(request.ids, self.state, scored=False)
            ids = request.ids[self.fed : self.fed + most]
            return self._chunk(ids, self.state, scored=len(ids) == self.left)
        if request.on_look is not None and (len(self.answer) - 1) % request.watch_every == 0:
            self._watch = AttentionWatch(request.watch_block)
        return self._chunk(self.answer[-1:], self.state)

    def _chunk(self, ids: Sequence[int], state: DecoderState, *, scored: bool = True) -> Chunk:
        return Chunk(ids, state, scored=scored, watch=self._watch, search=self.request.search)

    def moved(self, chunk: Chunk, state: DecoderState) -> None:
        """Its chunk went in, and left `state` behind."""
        if self._watch is not None:
            assert self.request.on_look is not None
            self.request.on_look(self._watch.mass)
            self._watch = None
        if self.reason:
            self._asked = None
            return
        self.state = state
        if not self.left:
            return
        self.fed += len(chunk.ids)
        if self.request.look_only:
            self.reason = "stop"
        elif not self.left and self.request.on_look is not None:
            self._asked = state

    def choose(self, logits_v: Tensor) -> Token | None:
        """The next token of the answer, None if it has come to its end; may set `reason`."""
        return self.take(self.sampler.choose(logits_v))

    def take(self, choice: Choice) -> Token | None:
        """As `choose`, when the token is known."""
        request = self.request
        if choice.token in self._ends:
            self.reason = "stop"
            return None
        self.answer.append(choice.token)
        self.sampler.note(choice.token)
        piece = self._text.push(choice.token)
        constraint = self.sampler.constraint
        if self._text.stopped or (constraint is not None and constraint.is_finished()):
            self.reason = "stop"
        elif len(self.answer) >= request.sampling.max_tokens:
            self.reason = "length"
        return Token(self.index, choice.token, piece, choice.logprob, choice.top)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is to be done for it."""
        return bool(self.reason) and self._asked is None

    def done(self) -> Done:
        """The event at its end."""
        text, count = self._text.flush(), len(self.answer)
        return Done(self.index, self.reason, text, count, self.reused)

    def context(self) -> tuple[int, ...]:
        """The tokens behind which `state` stands, if it began with nothing."""
        whole = (*self.request.ids[: self.fed], *self.answer)
        return whole[: self.state.length]
