"""What is asked of the scheduler, and what it tells while it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from farspan.engine.generate import Look
from farspan.engine.sampling import Constraint, Sampling
from farspan.errors import RequestError
from farspan.memory.search import Search
from farspan.models.decoder import DecoderState


class Overloaded(RequestError):
    """There is no room for a request now; it may be sent again later."""


@dataclass(frozen=True)
class Limits:
    """What the scheduler takes on at a time.

    `rows` are answered side by side, `queue` requests wait, `tokens` is the longest prompt and
    answer together, `state_bytes` what the states of all rows may hold, `reused_bytes` what is
    kept of finished ones, `seconds` the longest time from call to end, `step_seconds` how long a
    step should take, so that nobody waits longer for the next one.
    """

    rows: int = 64
    queue: int = 512
    tokens: int = 32_768
    state_bytes: int = 4 << 30
    reused_bytes: int = 1 << 30
    seconds: float = 600.0
    step_seconds: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < (0 if name in ("reused_bytes", "queue") else 1e-9):
                raise RequestError(f"limit {name} is {value}, must be above 0")


@dataclass(frozen=True)
class Request:
    """Asked tokens `ids`, behind `start` if given, to be answered `n` times.

    `constraint` makes the grammar of one answer. With `on_look` the answer is watched as in
    `engine.generate`; with `look_only` there is no answer, and all of `ids` is watched in one
    piece. `start` stays as it is.
    """

    ids: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    tenant: str = ""
    start: DecoderState | None = None
    n: int = 1
    constraint: Callable[[], Constraint] | None = None
    search: Search | None = None
    on_look: Look | None = None
    watch_block: int = 64
    watch_every: int = 1
    look_only: bool = False

    @property
    def tokens(self) -> int:
        """The most it adds to what was there, of one answer."""
        return len(self.ids) + (0 if self.look_only else self.sampling.max_tokens)


@dataclass(frozen=True)
class Token:
    """The next token of answer `index`, and the text that has become certain with it."""

    index: int
    id: int
    text: str
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Done:
    """The end of answer `index`, with the `text` that was held back.

    `reason` is stop, length, cancelled, timeout or error; `reused` prompt tokens were known.
    """

    index: int
    reason: str
    text: str = ""
    tokens: int = 0
    reused: int = 0
    error: Exception | None = None


Event = Token | Done
Sink = Callable[[Event], None]
"""Called in the scheduler's thread; must not block."""


@dataclass(eq=False)
class Ticket:
    """A request that was taken on. Setting `cancelled` ends it at the next step."""

    request: Request
    sink: Sink
    began: float
    cancelled: bool = False
    open_answers: set[int] = field(default_factory=set)
