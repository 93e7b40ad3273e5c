"""The six laws of the contract, for every mixer, over random sequences, cuts and packings."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from .laws import FROM_START, MIXERS, VARIANTS, Case, build, cases, run, tensors

TOLERANCE = {"atol": 1e-9, "rtol": 1e-9}
every_mixer = pytest.mark.parametrize("name", MIXERS)
quick = settings(max_examples=30, deadline=None)


@every_mixer
@quick
@given(case=cases())
def test_chunked_equals_naive(name, case):
    mixer, naive = build(name)
    valid = case.tokens.valid_bt.unsqueeze(-1)
    got = run(mixer, case)[0]
    torch.testing.assert_close(got * valid, naive(mixer, case.x, case.tokens) * valid, **TOLERANCE)


@pytest.mark.parametrize("name", VARIANTS)
@settings(max_examples=6, deadline=None)
@given(case=cases())
def test_variants_equal_naive(name, case):
    mixer, naive = build(name)
    valid = case.tokens.valid_bt.unsqueeze(-1)
    got = run(mixer, case)[0]
    torch.testing.assert_close(got * valid, naive(mixer, case.x, case.tokens) * valid, **TOLERANCE)


@every_mixer
@quick
@given(case=cases(), data=st.data())
def test_causal(name, case, data):
    mixer, _ = build(name)
    changed = data.draw(st.integers(0, case.x.shape[1] - 1))
    other = case.x.clone()
    other[:, changed] += 1.0
    before, after = run(mixer, case)[0], run(mixer, Case(other, case.tokens, case.cuts))[0]
    torch.testing.assert_close(before[:, :changed], after[:, :changed], **TOLERANCE)


@every_mixer
@quick
@given(case=cases())
def test_chunk_invariant(name, case):
    mixer, _ = build(name)
    whole, state = run(mixer, Case(case.x, case.tokens, ()))
    parts, parts_state = run(mixer, case)
    torch.testing.assert_close(parts, whole, **TOLERANCE)
    torch.testing.assert_close(tensors(parts_state), tensors(state), **TOLERANCE)


@every_mixer
@quick
@given(case=cases(plain=True))
def test_plain_path_equals_generic_path(name, case):
    mixer, _ = build(name)
    generic = Case(case.x, case.tokens.generic(), case.cuts)
    plain, state = run(mixer, case)
    masked, masked_state = run(mixer, generic)
    torch.testing.assert_close(plain, masked, **TOLERANCE)
    torch.testing.assert_close(tensors(state), tensors(masked_state), **TOLERANCE)


@every_mixer
@quick
@given(case=cases(plain=False), data=st.data())
def test_independent(name, case, data):
    """Changing one document of one row, or padding, changes no other document's outputs."""
    mixer, _ = build(name)
    row = data.draw(st.integers(0, case.x.shape[0] - 1))
    document = data.draw(st.sampled_from(sorted(set(case.tokens.document_bt[row].tolist()))))
    hit = torch.zeros(case.x.shape[:2], dtype=torch.bool)
    hit[row] = case.tokens.document_bt[row] == document
    other = case.x + hit.unsqueeze(-1)
    before, after = run(mixer, case)[0], run(mixer, Case(other, case.tokens, case.cuts))[0]
    torch.testing.assert_close(before[~hit], after[~hit], **TOLERANCE)


@every_mixer
@quick
@given(case=cases())
def test_state_is_explicit(name, case):
    """An old state still stands after others went on from it, so it can be forked and rewound."""
    mixer, _ = build(name)
    assume(case.x.shape[1] > 1)
    cut = case.x.shape[1] // 2
    head = Case(case.x[:, :cut], case.tokens.slice(0, cut), ())
    tail = Case(case.x[:, cut:], case.tokens.slice(cut, case.x.shape[1]), ())
    _, state = run(mixer, head)
    kept = {key: value.clone() for key, value in tensors(state).items()}
    first, _ = run(mixer, tail, state)
    run(mixer, Case(tail.x + 1, tail.tokens, ()), state)
    torch.testing.assert_close(tensors(state), kept, rtol=0, atol=0)
    torch.testing.assert_close(run(mixer, tail, state)[0], first, rtol=0, atol=0)


@every_mixer
@quick
@given(case=cases(plain=True))
def test_accountable(name, case):
    mixer, _ = build(name)
    assume(case.tokens.start == 0 or name not in FROM_START)
    state = run(mixer, case)[1]
    held = sum(x.nbytes for x in tensors(state).values())
    promised = mixer.state_bytes(case.x.shape[1], torch.float64) * case.x.shape[0]
    assert held == promised


@pytest.mark.parametrize("name", [n for n in MIXERS if not n.startswith("infini")])
@quick
@given(case=cases(), data=st.data())
def test_splittable(name, case, data):
    """The state of a sequence is the merge of its parts' states, in any grouping.

    Infini-attention merges at segment borders only: tests/mixers/infini/test_memory.py.
    """
    mixer, _ = build(name)
    cut = data.draw(st.integers(0, case.x.shape[1]))
    later = data.draw(st.integers(cut, case.x.shape[1]))
    edges = [0, cut, later, case.x.shape[1]]
    states = []
    for a, b in itertools.pairwise(edges):
        begin = mixer.init_part if states else mixer.init_state
        state = begin(case.x.shape[0], dtype=torch.float64)
        if b > a:
            state = mixer(case.x[:, a:b], case.tokens.slice(a, b), state)[1]
        states.append(state)
    whole = tensors(run(mixer, case)[1])
    left = mixer.merge(mixer.merge(states[0], states[1]), states[2])
    right = mixer.merge(states[0], mixer.merge(states[1], states[2]))
    for merged in (left, right):
        torch.testing.assert_close(tensors(merged), whole, **TOLERANCE)


@every_mixer
@quick
@given(case=cases())
def test_gradients_equal_naive(name, case):
    mixer, naive = build(name)
    valid = case.tokens.valid_bt.unsqueeze(-1)
    probe = torch.linspace(-1, 1, case.x.shape[-1], dtype=torch.float64)
    gradients = []
    for forward in (lambda x: run(mixer, Case(x, case.tokens, case.cuts))[0], None):
        x = case.x.clone().requires_grad_()
        y = forward(x) if forward else naive(mixer, x, case.tokens)
        inputs = [x, *mixer.parameters()]
        loss = (y * probe * valid).sum()
        gradients.append(torch.autograd.grad(loss, inputs, allow_unused=True))
    for tensor, got, wanted in zip(inputs, *gradients, strict=True):
        nothing = torch.zeros_like(tensor)
        got, wanted = (nothing if g is None else g for g in (got, wanted))
        torch.testing.assert_close(got, wanted, atol=1e-8, rtol=1e-8)
