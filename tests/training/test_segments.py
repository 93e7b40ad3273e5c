"""Segment by segment equals the whole graph: loss and every gradient."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from farspan.errors import RequestError
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder, Thrift
from farspan.models.plan import parse_plan
from farspan.training.batch import Batch
from farspan.training.loss import losses
from farspan.training.segments import segment_losses

PLAN = (
    "full, window(5, sinks=2), infini(4), infini(3, rule=gated_delta, window=5), linear, gla, "
    "gated_delta, recall(6), full, window(4)"
)
MODEL = ModelConfig("llama", 32, 16, 10, 2, 1, 8, 32, 128, tied_embeddings=True)


def make():
    torch.manual_seed(0)
    decoder = Decoder(MODEL, parse_plan(PLAN, 10)).double()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return decoder


def make_batch(length=30, first_asked=19):
    torch.manual_seed(1)
    token = torch.randint(0, 32, (2, length))
    weight = torch.rand(2, length, dtype=torch.float64)
    return Batch(token, weight, first_asked)


def gradients(decoder):
    return {n: p.grad for n, p in decoder.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("size", [7, 16, 64])
def test_gradients_are_those_of_the_whole_row(size):
    """1e-5 is promised; in float64 the two agree to 1e-10."""
    whole, parts, batch = make(), make(), make_batch()
    one = losses(whole, batch)
    one.total.backward()
    other = segment_losses(parts, batch, size)
    close = torch.testing.assert_close
    close(other.total, one.total.detach(), atol=1e-10, rtol=1e-10)
    close(other.sums, one.sums)
    close(gradients(parts), gradients(whole), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("thrift", [Thrift(recompute=True), Thrift(True, True, 8)])
def test_saving_memory_changes_nothing(thrift):
    whole, saving, batch = make(), make(), make_batch()
    for i in range(MODEL.n_layers):
        saving.layer(i).thrift = thrift
    for decoder in (whole, saving):
        losses(decoder, batch).total.backward()
    torch.testing.assert_close(gradients(saving), gradients(whole), atol=1e-12, rtol=1e-12)


def test_rows_with_repeats_are_refused():
    batch = dataclasses.replace(make_batch(), times_bn=torch.ones(2, 4))
    with pytest.raises(RequestError, match="segment_tokens=0"):
        segment_losses(make(), batch, 8)
