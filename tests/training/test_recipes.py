"""The recipe's batches: read rows with their tail, text, chats in turn."""

from __future__ import annotations

import dataclasses

import torch

from farspan.data.mixture import ReadRows
from farspan.training.config import Stage
from farspan.training.loop import Batch
from farspan.training.recipes import DEFAULT_READER, ReaderRows


class FakeSampler:
    """Rows of ones, as many and as long as asked for."""

    def read_batch(self, step, n_rows, row_tokens, tail_tokens):
        token = torch.ones(n_rows, row_tokens, dtype=torch.int64).numpy()
        return ReadRows(token, token.astype("float32"), token > 0, tail_tokens, (), ())

    def text_batch(self, step, n_rows, row_tokens):
        return self.read_batch(step, n_rows, row_tokens, 0)


def test_a_step_reads_its_tokens_in_rows_of_its_stage():
    config = dataclasses.replace(
        DEFAULT_READER,
        steps=10,
        stages=(Stage(0.5, 2048), Stage(1.0, 4096)),
        read_tokens=8192,
        chat_rows=2,
    )
    chats = Batch(torch.arange(3)[:, None].expand(3, 4), torch.ones(3, 4), 0)
    rows = ReaderRows(FakeSampler(), chats, config)
    for step, (count, length) in {0: (4, 2048), 5: (2, 4096), 9: (2, 4096)}.items():
        read, beside = rows.batches(step)
        assert read.token_bt.shape == (count, length)
        assert read.first_asked == length - config.tail_tokens
        assert beside.first_asked == 0
        if step % 2 == 0:
            assert beside.token_bt.shape == (config.text_rows, config.text_tokens)
        else:
            turn = step // 2 * 2
            assert beside.token_bt[:, 0].tolist() == [turn % 3, (turn + 1) % 3]


def test_the_shipped_config_is_consistent():
    assert DEFAULT_READER.row_tokens(0) == 8192
    assert DEFAULT_READER.row_tokens(DEFAULT_READER.steps - 1) == 65_536
    assert DEFAULT_READER.learning_rate_at(DEFAULT_READER.steps) == 0
