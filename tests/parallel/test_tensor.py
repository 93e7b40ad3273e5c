"""Tensor parallelism: the same features from some of the heads, and states split with them."""

from __future__ import annotations

import pytest
import torch

from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.plan import parse_plan
from farspan.parallel.mesh import MeshShape, start_mesh
from farspan.parallel.tensor import split_heads

from .ranks import run_ranks

PLAN = (
    "full, window(5, sinks=1), infini(4), infini(3, rule=gated_mean), gla, gated_delta, recall(4)"
)
MODEL = ModelConfig("qwen3", 32, 24, 7, 4, 2, 8, 32, 128, qk_norm=True)


def make(plan=PLAN):
    torch.manual_seed(0)
    decoder = Decoder(MODEL, parse_plan(plan, 7)).double().requires_grad_(False)
    for parameter in decoder.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    return decoder


def read(decoder, chunks):
    torch.manual_seed(1)
    ids = torch.randint(0, 32, (2, sum(chunks)))
    state, start, found = decoder.init_state(2), 0, []
    for i, length in enumerate(chunks):
        last = i == len(chunks) - 1
        tokens = Tokens.plain(2, length, start=start, first_asked=0 if last else length)
        features, state = decoder(ids[:, start : start + length], tokens, state)
        start += length
        found.append(features)
    return found[-1], state


@torch.no_grad()
def compare(rank):
    whole = make()
    own = split_heads(whole, start_mesh(MeshShape(tensor=2)))
    (wanted, state), (got, part) = read(whole, (9, 6, 3)), read(own, (9, 6, 3))
    torch.testing.assert_close(got, wanted, atol=1e-10, rtol=1e-10)
    keys, own_keys = (s.layers[0].store.k_bshd for s in (state, part))
    torch.testing.assert_close(own_keys, keys[:, :, rank : rank + 1], atol=1e-10, rtol=1e-10)
    memory, own_memory = (s.layers[5].mem_bgde for s in (state, part))
    torch.testing.assert_close(own_memory, memory[:, rank : rank + 1], atol=1e-10, rtol=1e-10)


def test_two_ranks_with_half_the_heads_read_and_answer_alike():
    run_ranks(2, compare)


def refuse(rank):
    with pytest.raises(RequestError, match="retention"):
        split_heads(make("retention*7"), start_mesh(MeshShape(tensor=2)))


def test_numbered_heads_are_not_split():
    run_ranks(2, refuse)
