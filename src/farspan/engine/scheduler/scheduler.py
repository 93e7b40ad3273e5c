"""Who goes next: one step of all answers, prompts and readings that are on their way.

Every step takes each decoding answer one token further, and besides as many tokens of waiting
prompts and of documents as keep it about equally long. Not thread-safe but for `submit`, `read`
and `cancel`; `Loop` runs the steps.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farspan.engine.sampling import Choice
from farspan.engine.scheduler.fair import FairShare
from farspan.engine.scheduler.memory import predicted_bytes
from farspan.engine.scheduler.pace import LEAST, MOST, Pace
from farspan.engine.scheduler.prefixes import Prefixes
from farspan.engine.scheduler.ragged import Advanced, Chunk, advance_rows
from farspan.engine.scheduler.reading import Reading
from farspan.engine.scheduler.request import Done, Limits, Overloaded, Request, Sink, Ticket
from farspan.engine.scheduler.row import Row
from farspan.errors import RequestError
from farspan.models.load import LoadedModel

READING_EVERY = 4
"""Where prompts leave no time for documents, every so many steps one goes on all the same."""


@dataclass(frozen=True)
class Load:
    """What is on its way now."""

    running: int
    waiting: int
    reading: int
    state_bytes: int
    reused_bytes: int


class Scheduler:
    """Shares a model's steps among requests and readings.

    `on_step` is told what each step held: answers, prompt tokens, read tokens and seconds.
    """

    def __init__(
        self,
        model: LoadedModel,
        limits: Limits | None = None,
        on_step: Callable[[int, int, int, float], None] | None = None,
    ) -> None:
        self.model = model
        self.limits = limits or Limits()
        self.prefixes = Prefixes(self.limits.reused_bytes)
        self.rows: list[Row] = []
        self.readings: list[Reading] = []
        self._waiting: list[Ticket] = []
        self._pace = Pace(self.limits.step_seconds)
        self._share = FairShare()
        self._lock = threading.Lock()
        self.on_step = on_step
        self._since_reading = 0

    def submit(self, request: Request, sink: Sink) -> Ticket:
        """Takes a request on, whose events `sink` hears.

        Raises `RequestError` for what can never be answered, `Overloaded` if too many wait.
        """
        limits = self.limits
        if not request.ids:
            raise RequestError("the prompt is empty; send at least one token")
        if request.tokens > limits.tokens:
            raise RequestError(
                f"prompt ({len(request.ids)} tokens) and answer (up to"
                f" {request.sampling.max_tokens}) together are longer than the"
                f" {limits.tokens:,} tokens that a request may have; shorten one of them, or read"
                " a long text as a document"
            )
        if self._needed(request) > limits.state_bytes:
            raise RequestError(
                f"a request of {request.tokens} tokens and {request.n} answers would take"
                f" {self._needed(request):,} bytes of state, more than the {limits.state_bytes:,}"
                " there are; shorten it or ask for fewer answers"
            )
        ticket = Ticket(request, sink, time.perf_counter())
        ticket.open_answers = set(range(request.n))
        with self._lock:
            if len(self._waiting) >= limits.queue + max(0, limits.rows - len(self.rows)):
                raise Overloaded(f"{len(self._waiting)} requests wait already; try again later")
            self._waiting.append(ticket)
        return ticket

    def read(self, reading: Reading) -> None:
        """Takes a document on, of which something is left to be read."""
        assert reading.left, "the document has been read"
        with self._lock:
            self.readings.append(reading)

    def load(self) -> Load:
        """How much there is to do."""
        held = sum(row.held for row in self.rows)
        return Load(
            len(self.rows),
            len(self._waiting),
            len(self.readings),
            held,
            self.prefixes.held_bytes,
        )

    def step(self) -> bool:
        """One pass through the model; False if there was nothing to do."""
        self._drop()
        self._admit()
        work = self._plan()
        if not work:
            return False
        began = time.perf_counter()
        advanced = self._advance([(item, chunk) for item, chunk, _ in work])
        self._deliver([(item, chunk) for item, chunk, _ in work], advanced)
        seconds = time.perf_counter() - began
        decoding = sum(kind == "decode" for _, _, kind in work)
        prompt = sum(len(chunk.ids) for _, chunk, kind in work if kind == "prompt")
        read = sum(len(chunk.ids) for _, chunk, kind in work if kind == "read")
        self._pace.note(decoding, prompt + read, seconds)
        if self.on_step is not None:
            self.on_step(decoding, prompt, read, seconds)
        return True

    def close(self) -> list[Reading]:
        """Cancels all answers and ends all readings, which keep what they have."""
        with self._lock:
            for ticket in [*self._waiting, *(row.ticket for row in self.rows)]:
                ticket.cancelled = True
            for reading in self.readings:
                reading.cancelled = True
            readings = list(self.readings)
        self._drop()
        return readings

    # Coming and going

    def _drop(self) -> None:
        """Ends what was cancelled or took too long, and frees all that it held."""
        now, most = time.perf_counter(), self.limits.seconds

        def over(ticket: Ticket) -> str:
            return (
                "cancelled" if ticket.cancelled else "timeout" if now - ticket.began > most else ""
            )

        with self._lock:
            ended = [ticket for ticket in self._waiting if over(ticket)]
            self._waiting = [ticket for ticket in self._waiting if not over(ticket)]
            stopped = [reading for reading in self.readings if reading.cancelled]
            self.readings = [reading for reading in self.readings if not reading.cancelled]
        for ticket in ended + [row.ticket for row in self.rows if over(row.ticket)]:
            self._end_all(ticket, over(ticket))
        self.rows = [row for row in self.rows if row.ticket.open_answers]
        for reading in stopped:
            reading.end()

    def _end_all(self, ticket: Ticket, reason: str, error: Exception | None = None) -> None:
        for index in sorted(ticket.open_answers):
            ticket.sink(Done(index, reason, error=error))
        ticket.open_answers.clear()

    def _admit(self) -> None:
        """Lets waiting requests in, by turns of their tenants, while their states fit."""
        with self._lock:
            tenants = {ticket.request.tenant for ticket in self._waiting}
            tenants |= {row.request.tenant for row in self.rows}
            self._share.keep(tenants | {reading.tenant for reading in self.readings})
            held = sum(row.held for row in self.rows)
            while self._waiting:
                ticket = self._next()
                needed = self._needed(ticket.request)
                full = len(self.rows) + ticket.request.n > self.limits.rows and self.rows
                if full or held + needed > self.limits.state_bytes:
                    break
                self._waiting.remove(ticket)
                self.rows.append(self._first_row(ticket, needed))
                held += needed

    def _next(self) -> Ticket:
        """The oldest of the tenant that has the fewest answers on their way."""
        running = Counter(row.request.tenant for row in self.rows)
        return min(self._waiting, key=lambda ticket: (running[ticket.request.tenant], ticket.began))

    def _needed(self, request: Request) -> int:
        decoder = self.model.decoder
        return request.n * predicted_bytes(decoder, request.tokens, request.start)

    def _first_row(self, ticket: Ticket, held: int) -> Row:
        request = ticket.request
        reused, state = 0, request.start
        if state is None:
            reused, state = self.prefixes.find(request.tenant, request.ids)
        state = self.model.decoder.init_state() if state is None else state.fork()
        row = Row(ticket, 0, self.model.tokenizer, state, reused)
        row.held = held
        return row

    # One step

    def _plan(self) -> list[tuple[Row | Reading, Chunk, str]]:
        """Each decoding row, then prompts and readings within the time that is left."""
        work: list[tuple[Row | Reading, Chunk, str]] = []
        for row in self.rows:
            if row.is_decoding:
                work.append((row, row.chunk(1), "decode"))
        room = self._pace.tokens(len(work))
        prompts = [row for row in self.rows if not row.is_decoding]
        due = self._since_reading + 1 >= READING_EVERY
        kept = room // 2 if due and self.readings and prompts else 0
        for row in sorted(prompts, key=self._turn):
            if room - kept <= 0:
                break
            most = room - kept
            if row.left <= most + LEAST:  # a rest would cost a step of its own
                most = row.left
            chunk = row.chunk(MOST if row.request.look_only else most)
            work.append((row, chunk, "prompt"))
            room -= len(chunk.ids)
            self._share.charge(row.request.tenant, len(chunk.ids))
        self._since_reading += 1
        if room > 0 and self.readings:
            reading = min(self.readings, key=lambda r: self._share.served(r.tenant))
            chunk = reading.chunk(room)
            work.append((reading, chunk, "read"))
            self._share.charge(reading.tenant, len(chunk.ids))
            self._since_reading = 0
        return work

    def _turn(self, row: Row) -> tuple[float, int]:
        """Tenants by what they got, then short prompts first."""
        return self._share.served(row.request.tenant), row.left

    def _advance(self, work: Sequence[tuple[Row | Reading, Chunk]]) -> list[Advanced | Exception]:
        """The step of all; if it fails, that of each alone, so that one error hits one row."""
        try:
            return list(advance_rows(self.model.decoder, [chunk for _, chunk in work]))
        except Exception as error:
            if len(work) == 1:
                return [error]
        found: list[Advanced | Exception] = []
        for item, chunk in work:
            if isinstance(item, Reading):  # its files may have half of the chunk
                found.append(RequestError("reading was interrupted by an error; start it again"))
                continue
            if chunk.watch is not None:
                chunk.watch.mass.clear()
            try:
                found += advance_rows(self.model.decoder, [chunk])
            except Exception as error:
                found.append(error)
        return found

    def _deliver(
        self,
        work: Sequence[tuple[Row | Reading, Chunk]],
        advanced: Sequence[Advanced | Exception],
    ) -> None:
        scored: list[tuple[Row, Advanced]] = []
        for (item, chunk), after in zip(work, advanced, strict=True):
            if isinstance(item, Reading):
                self._deliver_reading(item, after)
            elif isinstance(after, Exception):
                self._end_all(item.ticket, "error", after)
            else:
                item.moved(chunk, after.state)
                if after.logits is not None:
                    scored.append((item, after))
        for row, after in list(scored):
            if row.fed == len(row.request.ids) and not row.answer:
                self._branch(row, after, scored)
        self._choose(scored)
        self.rows = [row for row in self.rows if not self._leaves(row)]

    def _deliver_reading(self, reading: Reading, after: Advanced | Exception) -> None:
        error = after if isinstance(after, Exception) else None
        if isinstance(after, Advanced):
            try:
                reading.moved(after.state)
            except Exception as failure:  # of a checkpoint, such as a full disk
                error = failure
        if error is not None or not reading.left:
            with self._lock:
                self.readings.remove(reading)
            reading.end(error)

    def _branch(self, row: Row, after: Advanced, scored: list[tuple[Row, Advanced]]) -> None:
        """The other answers to a prompt that has just gone in, each with a chance of its own."""
        request = row.request
        if request.start is None and not request.look_only:
            self._remember(row)
        if row.index or request.n == 1:
            return
        row.held //= request.n
        for index in range(1, request.n):
            other = row.sibling(index, self.model.tokenizer)
            other.held = row.held
            self.rows.append(other)
            scored.append((other, after))

    def _choose(self, scored: Sequence[tuple[Row, Advanced]]) -> None:
        for row, after in scored:
            assert after.logits is not None
            try:
                if row.sampler.is_plain:
                    token = row.take(Choice(int(after.logits.argmax())))
                else:
                    token = row.choose(after.logits)
            except Exception as error:  # a grammar that cannot go on, for instance
                self._end_all(row.ticket, "error", error)
                continue
            if token is not None and row.index in row.ticket.open_answers:
                row.ticket.sink(token)

    def _leaves(self, row: Row) -> bool:
        """Whether a row is done with; tells so, and keeps its state for what begins alike."""
        open_answers = row.ticket.open_answers
        if row.index not in open_answers:
            return True
        if not row.is_finished:
            return False
        row.ticket.sink(row.done())
        open_answers.discard(row.index)
        if row.request.start is None and not row.request.look_only:
            self._remember(row)
        return True

    def _remember(self, row: Row) -> None:
        context = row.context()
        held = predicted_bytes(self.model.decoder, len(context), None)
        self.prefixes.keep(row.request.tenant, context, row.state, held)
