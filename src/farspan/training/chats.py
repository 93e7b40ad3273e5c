"""The base model's own chat answers, so that training on documents does not unlearn chatting.

Axes: b row, t token.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from farspan.mixers.base import Tokens
from farspan.models.chat import render_chat
from farspan.models.decoder import Decoder
from farspan.models.tokenizer import Tokenizer
from farspan.training.loop import Batch


@torch.inference_mode()
def answer_prompts(
    decoder: Decoder, tokenizer: Tokenizer, prompts: Sequence[str], length: int
) -> Batch:
    """Greedy answers in chat format, rows of `length` tokens, weight on the answers alone.

    Prompts are padded on the left while answering; rows are padded on the right. Answers that do
    not end in time are cut.
    """
    stop = next(iter(tokenizer.eos_ids))
    questions = []
    for prompt in prompts:
        text = render_chat(tokenizer.chat_template or "", [{"role": "user", "content": prompt}])
        questions.append(tokenizer.encode(text)[: length // 2])
    widest = max(map(len, questions))
    ids = torch.zeros(len(questions), widest, dtype=torch.long)
    document = torch.full(ids.shape, -1)
    for row, question in enumerate(questions):
        ids[row, widest - len(question) :] = torch.tensor(question)
        document[row, widest - len(question) :] = 0
    position = (document == 0).cumsum(1) - 1
    ids, document, position = (x.to(decoder.device) for x in (ids, document, position))
    asked = torch.ones_like(ids, dtype=torch.bool)
    state = decoder.init_state(len(questions))
    step = ids
    answers = []
    for _ in range(length - min(map(len, questions))):
        features, state = decoder(step, Tokens(position, document, asked), state)
        assert features is not None
        step = decoder.logits(features[:, -1:]).argmax(-1)
        answers.append(step)
        position = position[:, -1:] + 1
        document, asked = torch.zeros_like(position), asked[:, :1]
    return _rows(questions, torch.cat(answers, 1).tolist(), stop, length)


def _rows(questions: list[list[int]], answers: list[list[int]], stop: int, length: int) -> Batch:
    token = torch.zeros(len(questions), length, dtype=torch.long)
    weight = torch.zeros(len(questions), length)
    for row, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        end = answer.index(stop) + 1 if stop in answer else len(answer)
        whole = (question + answer[:end])[:length]
        token[row, : len(whole)] = torch.tensor(whole)
        weight[row, len(question) : len(whole)] = 1.0
    return Batch(token, weight, 0)
