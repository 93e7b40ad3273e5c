"""Asking documents: an answer, and the places in the text that it comes from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from farspan.apps.citations import BLOCK, Citation, Looks, cite
from farspan.data.reader import Document
from farspan.engine.generate import advance, generate
from farspan.engine.reading import Progress
from farspan.engine.sampling import Sampling
from farspan.engine.session import Session, open_session
from farspan.errors import DamagedFileError, RequestError
from farspan.memory.scan import AttentionWatch
from farspan.memory.search import Search
from farspan.models.load import LoadedModel, Say
from farspan.models.tokenizer import StreamDecoder

WATCH_EVERY = 3
"""Watching, half as fast, is done for one answer token of so many, for the quotations."""

RECALL = ("auto", "exact")

Hear = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """What was answered, from where, and at what cost.

    `tokens_read` of `tokens_total` were read for this question, at `tokens_per_second`; they count
    the document and the few tokens before it. `seconds` is the time until all was done,
    `first_token_seconds` until the answer began, both from the call.
    """

    text: str
    citations: tuple[Citation, ...]
    tokens_read: int
    tokens_total: int
    answer_tokens: int
    seconds: float
    tokens_per_second: float
    first_token_seconds: float
    session: str


def ask(
    document: Document | None,
    question: str,
    model: LoadedModel,
    *,
    session: str | None = None,
    force: bool = False,
    recall: str = "auto",
    store: str | None = None,
    budget: int | None = None,
    sampling: Sampling | None = None,
    on_text: Hear | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    say: Say = lambda message: None,
) -> Answer:
    """Reads a document, as far as its session has not read it yet, and answers a question.

    `session` names the session, and brings the document if none is given; `force` reads anew.
    `recall` is "exact", where every recall layer sees everything, or "auto", where beyond 256K
    tokens all but the last see the blocks that the index finds, which is faster. `store` is how
    keys and values are kept, `budget` what all sessions may take on disk. `on_text` hears the
    answer as it comes, `say` what is done otherwise than expected. Errors are those of
    `open_session` and `Session.read`.
    """
    started = time.perf_counter()
    check_question(question)
    find_search(recall)
    with (
        open_session(
            model, document, name=session, force=force, store=store, budget=budget, say=say
        ) as opened,
        _damage_told(opened),
    ):
        reading = time.perf_counter()
        opened.read(on_progress)
        read = time.perf_counter() - reading
        return answer(
            opened,
            question,
            recall=recall,
            sampling=sampling,
            on_text=on_text,
            started=started,
            read_seconds=read,
        )


@contextmanager
def _damage_told(session: Session) -> Iterator[None]:
    """Adds to what is damaged how it is repaired."""
    try:
        yield
    except DamagedFileError as error:
        raise DamagedFileError(
            f"session {session.name} is damaged ({error}); farspan sessions verify --repair"
            f" {session.name} has it read again from before the damage"
        ) from error


def check_question(question: str) -> None:
    """Raises `RequestError` for a question without words."""
    if not question.strip():
        raise RequestError("the question is empty; put it in quotes behind the document's path")


def find_search(recall: str) -> Search | None:
    """How the stores are searched: None for "exact". Raises `RequestError` for other words."""
    if recall not in RECALL:
        raise RequestError(f"recall is {recall!r}; use one of {', '.join(RECALL)}")
    return Search() if recall == "auto" else None


def answer(
    session: Session,
    question: str,
    *,
    recall: str = "auto",
    sampling: Sampling | None = None,
    on_text: Hear | None = None,
    started: float | None = None,
    read_seconds: float = 0.0,
) -> Answer:
    """Answers a question about a session's document, all of which has been read."""
    check_question(question)
    assert session.is_complete, "read the session first"
    started = time.perf_counter() if started is None else started
    model = session.model
    search = find_search(recall)
    session.announce(whole=not session.searches(search))
    recalls = bool(model.decoder.plan.recall_layers)
    looks = Looks(-(-len(session.ids) // BLOCK))
    out = StreamDecoder(model.tokenizer)
    pieces: list[str] = []
    first_token = None
    count = 0

    def hear(piece: str) -> None:
        piece = piece if pieces else piece.lstrip()
        if piece:
            pieces.append(piece)
            if on_text is not None:
                on_text(piece)

    for token in generate(
        model.decoder,
        prompt_ids(model, question),
        session.state,
        stop_ids=model.tokenizer.eos_ids,
        sampling=sampling,
        watch_block=BLOCK,
        watch_every=WATCH_EVERY,
        on_look=looks.add if recalls else None,
        search=search,
    ):
        first_token = first_token or time.perf_counter() - started
        count += 1
        hear(out.push(token))
    hear(out.flush())
    text = "".join(pieces)
    return Answer(
        text=text.strip(),
        citations=_citations(session, looks, f"{question} {text}", search),
        tokens_read=session.tokens_read,
        tokens_total=session.length,
        answer_tokens=count,
        seconds=time.perf_counter() - started,
        tokens_per_second=session.tokens_read / read_seconds if read_seconds else 0.0,
        first_token_seconds=first_token or time.perf_counter() - started,
        session=session.name,
    )


def prompt_ids(model: LoadedModel, question: str) -> list[int]:
    """The tokens between the document and the answer; control tokens in a question are text."""
    encode, form = model.tokenizer.encode, model.format
    asked = encode(question.strip(), special=False)
    return [*encode(form.before_question), *asked, *encode(form.before_answer)]


def _citations(
    session: Session, looks: Looks, words: str, search: Search | None
) -> tuple[Citation, ...]:
    if not looks.mass_lhk:
        return ()
    neutral = _neutral_looks(session, search)
    return cite(
        session.document,
        np.asarray(session.starts),
        session.manifest.n_prefix,
        looks.scores(neutral),
        words,
    )


def _neutral_looks(session: Session, search: Search | None) -> Sequence:
    """Where tokens look that ask nothing: the text that leads to a question."""
    model = session.model
    watch = AttentionWatch(BLOCK)
    head = model.tokenizer.encode(model.format.before_question)
    advance(model.decoder, head, session.state.fork(), watch, search)
    return watch.mass
