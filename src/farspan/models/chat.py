"""Chat templates, and the fixed texts around document, questions and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from farspan.errors import RequestError
from farspan.models.tokenizer import Tokenizer

INSTRUCTION = "Answer the questions about this document."
"""What the system message says before the document."""

_DOCUMENT, _QUESTION, _ANSWER, _NEXT = (
    f"@@farspan-{part}@@" for part in ("document", "question", "answer", "next")
)

Message = Mapping[str, Any]
"""One turn: at least `role` (system, user, assistant) and `content`."""


@dataclass(frozen=True)
class DialogueFormat:
    """The texts between the parts of a dialogue about one document.

    A dialogue reads: `before_document` DOCUMENT `before_question` QUESTION `before_answer` ANSWER
    `after_answer` `before_next_question` QUESTION `before_answer` ANSWER, and so on. These texts
    hold control tokens and are encoded with `special=True`; document and questions are not.
    """

    before_document: str
    before_question: str
    before_answer: str
    after_answer: str
    before_next_question: str

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer) -> DialogueFormat:
        """The format of a checkpoint: its chat template, or plain text if it has none."""
        bos = tokenizer.token_text(tokenizer.bos_id)
        if tokenizer.chat_template is None:
            plain = cls.from_template(None)
            start = bos if tokenizer.adds_bos else ""
            return replace(plain, before_document=start + plain.before_document)
        eos = tokenizer.token_text(next(iter(tokenizer.eos_ids), None))
        return cls.from_template(tokenizer.chat_template, bos, eos)

    @classmethod
    def from_template(
        cls, template: str | None, bos_token: str = "", eos_token: str = ""
    ) -> DialogueFormat:
        """Render markers through a Jinja chat template and take what stands between them.

        The document goes into the system message, or, where the template knows none, to the head
        of the first question. Without a template the format is plain text. Raises `RequestError`
        for templates that cannot be rendered or that lose a question or an answer.
        """
        if template is None:
            return cls("Document:\n", "\n\nQuestion: ", "\nAnswer:", "\n\n", "Question: ")
        tokens: dict[str, Any] = {"bos_token": bos_token, "eos_token": eos_token}
        head = f"{INSTRUCTION}\n\n{_DOCUMENT}"
        rendered = _try_render(template, [_turn("system", head), _turn("user", _QUESTION)], tokens)
        if rendered is None or _DOCUMENT not in rendered:
            question = f"{head}\n\n{_QUESTION}"
            rendered = render_chat(template, [_turn("user", question)], **tokens)
        before_document, before_question, before_answer = _between(rendered, _DOCUMENT, _QUESTION)
        # Without the system message, which some templates move to the last question.
        turns = [_turn("user", _QUESTION), _turn("assistant", _ANSWER), _turn("user", _NEXT)]
        whole = render_chat(template, turns, **tokens)
        closed = render_chat(template, turns[:2], add_generation_prompt=False, **tokens)
        _, _, between, _ = _between(whole, _QUESTION, _ANSWER, _NEXT)
        _, _, end = _between(closed, _QUESTION, _ANSWER)
        after_answer = _common_prefix(between, end)
        return cls(
            before_document=before_document,
            before_question=before_question,
            before_answer=before_answer,
            after_answer=after_answer,
            before_next_question=between.removeprefix(after_answer),
        )


def render_chat(
    template: str,
    messages: Sequence[Message],
    *,
    add_generation_prompt: bool = True,
    **variables: Any,
) -> str:
    """Render messages through a Jinja chat template, as transformers does, in a sandbox.

    `variables` are further names that the template may use, such as `bos_token`. Raises
    `RequestError` if the template is wrong or refuses the messages.
    """
    try:
        return _compiled(template).render(
            messages=list(messages),
            add_generation_prompt=add_generation_prompt,
            tools=None,
            documents=None,
            **variables,
        )
    except (jinja2.TemplateError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise RequestError(f"the chat template refuses these messages: {error}") from error


@lru_cache(maxsize=8)
def _compiled(template: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)


class _Generation(Extension):
    """`{% generation %}`, which marks the assistant's text for training, and prints it as it is."""

    tags = {"generation"}  # noqa: RUF012 (jinja2's own declaration)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The statements inside the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: Any, indent: int | None = None, **options: Any) -> str:
    """JSON without jinja2's HTML escapes, as models were trained on."""
    return json.dumps(value, ensure_ascii=False, indent=indent, **options)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _try_render(
    template: str, messages: Sequence[Message], tokens: Mapping[str, Any]
) -> str | None:
    """The rendered messages, or None if the template refuses them (as for a system message)."""
    try:
        return render_chat(template, messages, **tokens)
    except RequestError:
        return None


def _common_prefix(a: str, b: str) -> str:
    length = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    return min(a, b, key=len) if length is None else a[:length]


def _between(text: str, *markers: str) -> list[str]:
    """What stands before, between and after markers that occur once each, in this order."""
    parts = []
    for marker in markers:
        if text.count(marker) != 1:
            raise RequestError(
                "the chat template drops, repeats or reorders messages; farspan cannot place a"
                " document with it"
            )
        part, text = text.split(marker)
        parts.append(part)
    return [*parts, text]
