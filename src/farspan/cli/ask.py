"""`farspan ask`: documents and a question in, an answer with quotations out."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farspan.cli import main
from farspan.cli.progress import ReadingBar
from farspan.data.reader import STDIN, read_documents
from farspan.engine.ahead import find_session, read_ahead
from farspan.errors import RequestError
from farspan.process import peak_memory_bytes

if TYPE_CHECKING:
    from farspan.apps.ask import Answer
    from farspan.data.reader import Document
    from farspan.engine.manifest import Manifest
    from farspan.models.load import LoadedModel

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATH]...",
        help="Files (text, Markdown, HTML, EPUB, PDF, DOCX, code, chats), folders, or - for stdin.",
        show_default=False,
    ),
]
Question = Annotated[
    str,
    typer.Argument(metavar="QUESTION", help="What to ask, in quotes.", show_default=False),
]
Session = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name what is read; later asked without PATH."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]
Model = Annotated[
    str | None,
    typer.Option(metavar="NAME|PATH", help="A checkpoint folder, GGUF file or hub name."),
]
PlanText = Annotated[str | None, typer.Option("--plan", help="Layer plan: full, reader or a list.")]
Position = Annotated[
    str | None,
    typer.Option(
        metavar="METHOD",
        help="Stretch the model without training: yarn, dual_chunk, self_extend, ...",
    ),
]
Factor = Annotated[
    float | None, typer.Option(help="How many times longer than trained, for --position.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Dtype = Annotated[str | None, typer.Option(help="bfloat16 or float32.")]
Force = Annotated[bool, typer.Option("--force", help="Read again even if it was read.")]
Recall = Annotated[
    str,
    typer.Option(
        metavar="auto|exact",
        help="Beyond 256K tokens all recall layers but the last look where an index points; exact:"
        " all see everything, which is slower.",
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        metavar="bf16|int8|int4",
        help="How keys and values are kept: 16 bits, or 8 or 4, which takes less of the disk.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="20GB",
        help="What all sessions may take on disk; those used longest ago are deleted for it.",
    ),
]
Temperature = Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token.")]
TopP = Annotated[float, typer.Option(help="Sample from the likeliest tokens of this share.")]
Seed = Annotated[int, typer.Option(help="Makes sampling repeatable.")]


def ask(
    paths: Paths = None,
    question: Question = "",
    session: Session = None,
    as_json: Json = False,
    max_tokens: MaxTokens = 256,
    model: Model = None,
    plan: PlanText = None,
    position: Position = None,
    factor: Factor = None,
    device: Device = "auto",
    dtype: Dtype = None,
    force: Force = False,
    recall: Recall = "auto",
    store: Store = None,
    budget: Budget = None,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = 0,
) -> None:
    """Answer a question about documents, with quotations and their places.

    What was read is kept, so the next question about the same documents begins at once; Ctrl-C
    loses nothing. Answers go to standard output, everything else to standard error.

    Example: farspan ask war-and-peace.txt "Whom does Natasha marry?"
    """
    document = _document(paths or [], question, session)
    known = find_session(session, document.text if document is not None else None)
    if known is not None:
        read_ahead(known, whole=recall == "exact")

    from farspan.apps.ask import ask as ask_document
    from farspan.apps.ask import find_search
    from farspan.engine.budget import disk_budget
    from farspan.engine.sampling import Sampling
    from farspan.models.default import DEFAULT_MODEL
    from farspan.models.load import load_model

    find_search(recall)
    limit = disk_budget(budget)
    sampling = Sampling(max_tokens, temperature, top_p, seed)
    stored = _stored(session, document, model)
    if stored is not None:
        model, plan, dtype = stored.model, plan or stored.plan, dtype or stored.dtype
        position = position or stored.position or None
    loaded = load_model(
        model or DEFAULT_MODEL,
        plan=plan,
        device=device,
        dtype=dtype,
        position=position,
        factor=factor,
        say=_say,
    )
    before = time.perf_counter() - main.STARTED
    on_text = None if as_json else _write
    with ReadingBar() as bar:
        try:
            answer = ask_document(
                document,
                question,
                loaded,
                session=session,
                force=force,
                recall=recall,
                store=store,
                budget=limit,
                sampling=sampling,
                on_text=on_text,
                on_progress=bar,
                say=_say,
            )
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(_what_is_kept(bar)) from error
    if as_json:
        print(json.dumps(_report(answer, loaded, before, recall), ensure_ascii=False))
    else:
        print("\n" + _quotations(answer))


def _document(paths: list[str], question: str, session: str | None) -> Document | None:
    """What the paths name, None for a session's own; checks first that there is a question."""
    if question == STDIN or (0 < len(question) < 1024 and Path(question).exists()):
        raise RequestError(
            f"there is no question: {question} is a document; put the question last, as in"
            f' farspan ask {question} "Who is it about?"'
        )
    if not question.strip():
        raise RequestError(
            "there is no question; put it in quotes behind the documents, as in farspan ask"
            ' book.txt "Who is it about?"'
        )
    if not paths and session is None:
        raise RequestError(
            "there is no document; name a text file before the question, - for standard input, or"
            " --session NAME for what was read before"
        )
    return read_documents(paths, _say) if paths else None


def _stored(session: str | None, document: Document | None, model: str | None) -> Manifest | None:
    """What the session that is gone on with was read by, unless another model was named."""
    from farspan.engine.session import stored_settings

    if session is None or document is not None:
        return None
    stored = stored_settings(session)
    return stored if stored is not None and model in (None, stored.model) else None


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)


def _write(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def _what_is_kept(bar: ReadingBar) -> str:
    if bar.last is None or bar.last.done == bar.last.total:
        return "interrupted; what was read is kept"
    return (
        f"interrupted; {bar.last.done:,} of {bar.last.total:,} tokens are read and kept, the same"
        " command goes on from there"
    )


def _quotations(answer: Answer) -> str:
    """The quotations, and a line on what it took."""
    lines = []
    for cited in answer.citations:
        text = " ".join(cited.text.split())
        lines.append(
            f"\n  “{text}”\n  {cited.file}, line {cited.line}, characters"
            f" {cited.start}–{cited.end}, at {cited.percent:.1f} %"
        )
    return "\n".join(lines)


def _report(answer: Answer, model: LoadedModel, before: float, recall: str) -> dict[str, object]:
    """The object that `--json` prints; times count from the start of the program."""
    return {
        "answer": answer.text,
        "citations": [asdict(cited) for cited in answer.citations],
        "tokens_read": answer.tokens_read,
        "tokens_total": answer.tokens_total,
        "answer_tokens": answer.answer_tokens,
        "seconds": round(before + answer.seconds, 3),
        "tokens_per_second": round(answer.tokens_per_second, 1),
        "first_token_seconds": round(before + answer.first_token_seconds, 3),
        "peak_memory_bytes": peak_memory_bytes(),
        "model": model.name,
        "plan": model.plan,
        "position": model.position,
        "dtype": model.dtype,
        "device": str(model.device),
        "session": answer.session,
        "recall": recall,
    }
