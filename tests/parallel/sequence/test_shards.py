"""Law 6 in practice: several ranks give what one gives, outputs, gradients and states."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.parallel.sequence.shards import make_shards, split_lengths

from ...mixers.laws import D_MODEL, MIXERS, Case, build, run, tensors
from ..ranks import run_ranks

LAYOUTS = {
    2: [(9, 8), (0, 17), (13, 4)],
    4: [(5, 5, 5, 2), (1, 6, 2, 8), (0, 9, 0, 8)],
}
"""Uneven ones, parts shorter than a window, and ranks without tokens."""

EACH_WAY = ("full", "full-dual-chunk", "window-sinks", "recall", "infini-delta", "gated-delta")


two_and_slowly_four = pytest.mark.parametrize("n", [2, pytest.param(4, marks=pytest.mark.slow)])


def plain_case(dtype, length=17, first_asked=12, start=0):
    torch.manual_seed(4)
    x = torch.randn(2, length, D_MODEL, dtype=torch.float64).to(dtype)
    return Case(x, Tokens.plain(2, length, first_asked=first_asked, start=start), ())


def packed_case(dtype):
    """Two documents in a row, padding between them and inside, read and asked mixed."""
    x = plain_case(dtype).x
    document = torch.tensor([[0] * 6 + [-1] * 2 + [1] * 9, [-1] + [0] * 12 + [-1, 0, 0, 0]])
    position = torch.zeros_like(document)
    for row in range(2):
        for name in (0, 1):
            inside = document[row] == name
            position[row, inside] = torch.arange(int(inside.sum()))
    asked = torch.arange(17).expand(2, -1) % 3 == 0
    return Case(x, Tokens(position, document, asked), ())


def whole_run(mixer, case):
    """Outputs, state, and gradients of a probe on one rank."""
    x = case.x.clone().requires_grad_()
    y, state = mixer(x, case.tokens, mixer.init_state(2, dtype=x.dtype))
    return _with_gradients(mixer, x, y, case), state


def _with_gradients(mixer, x, y, case, span=slice(None)):
    probe = torch.linspace(-1, 1, D_MODEL, dtype=x.dtype)
    valid = case.tokens.valid_bt.unsqueeze(-1)
    loss = ((y * valid[:, span]) * probe).square().sum() / case.x.numel()
    inputs = [x, *mixer.parameters()]
    gradients = torch.autograd.grad(loss, inputs, allow_unused=True)
    zeros = (torch.zeros_like(x) for x in inputs)
    filled = [z if g is None else g.contiguous() for g, z in zip(gradients, zeros, strict=True)]
    return (y * valid[:, span]).detach(), filled[0], filled[1:]


def compare_all(rank, names, layouts, packed, dtype, tolerances):
    for i, lengths in enumerate(layouts):
        chosen = [name for name in names if i == 0 or name in EACH_WAY]
        compare(rank, chosen, lengths, packed, dtype, tolerances)


def compare(rank, names, lengths, packed, dtype, tolerances):
    group = dist.group.WORLD
    for name in names:
        mixer, _ = build(name)
        mixer = mixer.to(dtype)
        case = packed_case(dtype) if packed else plain_case(dtype)
        (y, x_grad, grads), state = whole_run(mixer, case)
        first = None if packed else case.tokens.first_asked
        for keep in (False, True):
            shards = make_shards(group, lengths, first, keep=keep)
            span = slice(*shards.edges[rank : rank + 2])
            x = case.x.detach()[:, span].clone().requires_grad_()
            begin = mixer.init_state(2, dtype=dtype)
            got, after = shards.mix(mixer, x, shards.own(case.tokens), begin)
            got, own_x_grad, own = _with_gradients(mixer, x, got, case, span)
            for gradient in own:
                dist.all_reduce(gradient)
            atol, gradient_atol = tolerances
            near((name, "y"), got, y[:, span], atol)
            near((name, "x.grad"), own_x_grad, x_grad[:, span], gradient_atol)
            for i, (one, other) in enumerate(zip(own, grads, strict=True)):
                near((name, "gradient", i), one, other, gradient_atol)
            if keep:
                check_state(name, after, state, span, atol, group)


def check_state(name, after, whole, span, atol, group):
    """Fixed states are whole on every rank; stores and what describes them are shares."""
    for path, wanted in tensors(whole).items():
        got = tensors(after)[path]
        shared = path.startswith(("store", "position_bs", "document_bs"))
        if shared and name.startswith(("full", "recall")):
            wanted = wanted[:, span]
        near((name, path), got, wanted, atol)


def near(what, got, wanted, tolerance):
    """Within the tolerance, as a share of the largest value where that is above one."""
    assert got.shape == wanted.shape, what
    if wanted.numel():
        largest = max(1.0, wanted.abs().nan_to_num(posinf=0.0).max().item())
        error = torch.where(got == wanted, 0.0, (got - wanted).abs())
        assert error.max().item() <= tolerance * largest, (what, error.max(), largest)


@pytest.mark.parametrize("n", [2, 4])
def test_plain_chunks_equal_one_rank(n):
    run_ranks(
        n,
        compare_all,
        list(MIXERS) if n == 2 else EACH_WAY,
        LAYOUTS[n],
        False,
        torch.float64,
        (1e-12, 1e-10),
    )


@two_and_slowly_four
def test_packed_and_padded_rows_equal_one_rank(n):
    mixers = MIXERS if n == 2 else EACH_WAY
    names = [name for name in mixers if not name.startswith("infini")]
    run_ranks(n, compare_all, names, LAYOUTS[n], True, torch.float64, (1e-12, 1e-10))


def test_float32_is_within_what_is_promised():
    """1e-6 in outputs, 1e-5 in gradients."""
    run_ranks(2, compare_all, list(MIXERS), LAYOUTS[2][:1], False, torch.float32, (1e-6, 1e-5))


def continued(rank, names, n):
    """Chunk after chunk, each split in its own way, the last too short for all ranks."""
    cuts = {2: [(5, 4), (3, 3), (1, 0), (0, 1)], 4: [(3, 2, 2, 2), (2, 2, 1, 1), (0, 0, 0, 2)]}[n]
    for name in names:
        mixer, _ = build(name)
        case = plain_case(torch.float64)
        wanted = run(mixer, case)[0]
        state = mixer.init_state(2, dtype=torch.float64)
        start = 0
        with torch.no_grad():
            for i, lengths in enumerate(cuts):
                stop = start + sum(lengths)
                tokens = case.tokens.slice(start, stop)
                shards = make_shards(
                    dist.group.WORLD, lengths, tokens.first_asked, keep=True, continues=i > 0
                )
                first, last = shards.edges[rank : rank + 2]
                x = case.x[:, start + first : start + last]
                y, state = shards.mix(mixer, x, shards.own(tokens), state)
                near((name, i), y, wanted[:, start + first : start + last], 1e-12)
                start = stop


@two_and_slowly_four
def test_a_sequence_goes_on_chunk_by_chunk(n):
    run_ranks(n, continued, list(MIXERS) if n == 2 else EACH_WAY, n)


def test_lengths_are_as_equal_as_blocks_allow():
    assert split_lengths(10, 4) == (3, 3, 2, 2)
    assert split_lengths(10, 2, multiple=4) == (8, 2)
    assert split_lengths(3, 1) == (3,)
    with pytest.raises(RequestError, match="cannot be split over 4"):
        split_lengths(9, 4, multiple=4)
