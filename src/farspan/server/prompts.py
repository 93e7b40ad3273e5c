"""Messages to the tokens of a prompt. What people write is text, whatever it looks like."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from farspan.models.chat import render_chat
from farspan.models.load import LoadedModel
from farspan.server.errors import ApiError
from farspan.server.schemas import Message


def chat_ids(model: LoadedModel, messages: Sequence[Message]) -> list[int]:
    """The tokens of a chat up to where the assistant speaks, by the model's chat template.

    Control tokens spelled in messages are encoded as ordinary text.
    """
    tokenizer = model.tokenizer
    if tokenizer.chat_template is None:
        raise ApiError(
            f"{model.name} has no chat template; use /v1/completions instead", param="model"
        )
    mark = f"@@{secrets.token_hex(8)}-"
    turns = [
        {"role": "system" if m.role == "developer" else m.role, "content": f"{mark}{i}@@"}
        for i, m in enumerate(messages)
    ]
    bos = tokenizer.token_text(tokenizer.bos_id)
    eos = tokenizer.token_text(next(iter(tokenizer.eos_ids), None))
    rendered = render_chat(tokenizer.chat_template, turns, bos_token=bos, eos_token=eos)
    parts = re.split(f"{re.escape(mark)}(\\d+)@@", rendered)
    if sorted(map(int, parts[1::2])) != list(range(len(messages))):
        raise ApiError("the model's chat template drops some of these messages", param="messages")
    ids: list[int] = []
    for i, part in enumerate(parts):
        if i % 2:
            ids += tokenizer.encode(messages[int(part)].text, special=False)
        else:
            ids += tokenizer.encode(part)
    return ids


def question_ids(model: LoadedModel, messages: Sequence[Message]) -> list[int]:
    """The tokens behind a document: questions and answers in turn, the last one a question.

    What a system message says stands before the first question.
    """
    system = [m.text.strip() for m in messages if m.role in ("system", "developer")]
    turns = [message for message in messages if message.role in ("user", "assistant")]
    wanted = ["user" if i % 2 == 0 else "assistant" for i in range(len(turns))]
    if [message.role for message in turns] != wanted or len(turns) % 2 == 0:
        raise ApiError(
            "about a document, messages are those of user and assistant in turn, the user's first"
            " and last",
            param="messages",
        )
    if not turns[-1].text.strip():
        raise ApiError("the question is empty", param="messages")
    encode, form = model.tokenizer.encode, model.format
    ids = encode(form.before_question)
    for i, message in enumerate(turns):
        if i % 2:
            ids += encode(message.text, special=False)
            ids += encode(form.after_answer + form.before_next_question)
        else:
            before = system if i == 0 else []
            ids += encode("\n\n".join([*before, message.text.strip()]), special=False)
            ids += encode(form.before_answer)
    return ids
