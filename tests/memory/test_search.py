"""Search: with room for everything it is the scan; with less it opens what brute force would."""

from __future__ import annotations

import pytest
import torch

from farspan.errors import RequestError
from farspan.memory import search
from farspan.memory.file_store import FileStore, runs
from farspan.memory.scan import AttentionWatch, attend_store
from farspan.memory.search import OPENED, Search, attend_found, find_blocks
from farspan.memory.sketch import BLOCK

HEADS, DIM, LENGTH = 3, 16, 1003
ALL = Search(share=1.0, exact_below=0)
SOME = Search(share=0.0, least=160, sinks=8, recent=12, exact_below=0)


def make(tmp_path, length=LENGTH, sharp=1.0):
    generator = torch.Generator().manual_seed(length)
    k, v = torch.randn(2, 1, length, HEADS, DIM, generator=generator).bfloat16()
    store = FileStore.open(tmp_path / "layer", HEADS, DIM, indexed=True).append(k * sharp, v)
    asked = torch.randn(3, 1, 5, HEADS, DIM, generator=generator).bfloat16()
    q = torch.cat((asked[0], asked[0] * sharp), 2)
    return q, store, store.fork().append(asked[1], asked[2])


def test_with_room_for_everything_it_is_the_scan(tmp_path):
    q, _, store = make(tmp_path)
    watch, wanted_watch = AttentionWatch(16), AttentionWatch(16)
    got = attend_found(q.float(), store, ALL, watch)
    wanted = attend_store(q.float(), store, wanted_watch)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    whole = LENGTH // 16  # the scan begins a block of its own where the tail does
    got_mass, wanted_mass = watch.mass[0], wanted_watch.mass[0]
    torch.testing.assert_close(
        got_mass[..., :whole], wanted_mass[..., :whole], atol=1e-6, rtol=1e-4
    )
    torch.testing.assert_close(watch.mass[0].sum(-1), torch.ones(1, 5, 6))


def test_causal_within_the_chunk(tmp_path):
    q, base, store = make(tmp_path)
    later = base.fork().append(store.tail.k_bshd.clone(), store.tail.v_bshd.clone())
    later.tail.k_bshd[:, 4] += 3
    later.tail.v_bshd[:, 4] += 3
    before, after = attend_found(q, store, SOME), attend_found(q, later, SOME)
    assert torch.equal(before[:, :4], after[:, :4]) and not torch.equal(before[:, 4], after[:, 4])


def test_short_stores_and_stores_without_an_index_are_scanned(tmp_path):
    q, _, store = make(tmp_path)
    wanted = attend_store(q, store)
    short = Search(least=1, share=0, exact_below=LENGTH + 5)
    assert torch.equal(attend_found(q, store, short), wanted)
    plain = FileStore.open(tmp_path / "layer", HEADS, DIM, length=LENGTH).fork()
    plain = plain.append(store.tail.k_bshd, store.tail.v_bshd)
    assert torch.equal(attend_found(q, plain, SOME), wanted)


@pytest.mark.parametrize("at_once", [(2**26, 8192), (100, 7)])
def test_blocks_are_those_of_brute_force(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(search, "SCORES", at_once[0])
    monkeypatch.setattr(search, "AT_ONCE", at_once[1])
    _, store, _ = make(tmp_path, 1000)
    q = torch.randn(HEADS, 5, DIM, generator=torch.Generator().manual_seed(1))
    k = store.load().k_bshd[0].transpose(0, 1).float()
    wanted = set(range(SOME.sinks // OPENED)) | set(range((1000 - SOME.recent) // OPENED, 62))
    means = k.unflatten(1, (-1, BLOCK)).mean(2).bfloat16().float()
    expected = [(means[g] @ query).softmax(-1) for g in range(HEADS) for query in q[g]]
    most = torch.stack(expected).amax(0)[:248].unflatten(0, (62, 4)).amax(1)
    wanted |= set(most.topk(SOME.budget(1000)).indices.tolist())
    assert set(find_blocks(q, store, SOME).tolist()) == wanted


def test_a_key_that_stands_out_is_found_and_little_else_is_read(tmp_path):
    """Each of its blocks' means has a share of it, so it is found wherever it lies."""
    generator = torch.Generator().manual_seed(3)
    k, v = torch.randn(2, 1, 4000, HEADS, DIM, generator=generator).bfloat16() * 0.1
    places = (100, 1999, 3500)
    for i, place in enumerate(places):
        k[0, place, :, i] = 9.0
    store = FileStore.open(tmp_path / "layer", HEADS, DIM, indexed=True).append(k, v)
    for i, place in enumerate(places):
        q = torch.zeros(HEADS, 1, DIM)
        q[:, :, i] = 1.0
        blocks = find_blocks(q, store, SOME)
        assert place // OPENED in blocks.tolist()
        always = (SOME.sinks + SOME.recent + OPENED) // OPENED
        assert len(blocks) <= SOME.budget(4000) + always
        assert torch.equal(blocks, blocks.unique())


def test_gathers_what_lies_there(tmp_path):
    _, store, _ = make(tmp_path)
    blocks = torch.tensor([0, 3, 4, 5, 200])
    k, v = store.gather(blocks, BLOCK)
    held = store.load()
    place = (blocks.unsqueeze(1) * BLOCK + torch.arange(BLOCK)).flatten()
    assert torch.equal(k, held.k_bshd[0, place]) and torch.equal(v, held.v_bshd[0, place])
    assert runs(blocks) == [(0, 1), (3, 6), (200, 201)] and runs(blocks[:0]) == []


def test_impossible_settings_are_refused():
    with pytest.raises(RequestError, match="least is 0"):
        Search(least=0)
    with pytest.raises(RequestError, match="share is 2"):
        Search(share=2)
