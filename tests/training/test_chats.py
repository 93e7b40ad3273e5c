"""The base model's answers are its own greedy ones, whatever stands beside them in the batch."""

from __future__ import annotations

import torch

from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from farspan.models.chat import render_chat
from farspan.training.chats import answer_prompts

from ..tiny import make_model


def test_rows_are_greedy_answers_with_weight_on_them_alone():
    model = make_model("full*5", dtype=torch.float32)
    prompts = ["Who?", "Where did the ferry go, and with how many passengers?"]
    batch = answer_prompts(model.decoder, model.tokenizer, prompts, 96)
    assert batch.token_bt.shape == (2, 96)
    for row, prompt in enumerate(prompts):
        text = render_chat(model.tokenizer.chat_template, [{"role": "user", "content": prompt}])
        question = model.tokenizer.encode(text)[:48]
        assert batch.token_bt[row, : len(question)].tolist() == question
        weight = batch.weight_bt[row]
        assert weight[: len(question)].sum() == 0
        answer = batch.token_bt[row][weight > 0].tolist()
        with torch.inference_mode():
            state = model.decoder.init_state(1)
            stops, sampling = tuple(model.tokenizer.eos_ids), Sampling(max_tokens=len(answer))
            alone = list(
                generate(model.decoder, question, state, stop_ids=stops, sampling=sampling)
            )
        assert answer[: len(alone)] == alone
