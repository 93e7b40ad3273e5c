"""Quantised stores: near to what was written, the same bits however it was cut, few bytes."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.errors import DamagedFileError
from farspan.memory.quantise import Format
from farspan.memory.quantised_store import QuantisedFileStore, QuantisedStore
from farspan.memory.scan import AttentionWatch, attend_store
from farspan.memory.sizes import BLOCK
from farspan.memory.store import MemoryStore

HEADS, DIM = 2, 8
KINDS = {"int8": 8, "int4": 4}


def tokens(count, seed=0):
    """Keys with a channel far larger than the others, as models have them, and values."""
    generator = torch.Generator().manual_seed(seed)
    k, v = torch.randn(2, 1, count, HEADS, DIM, generator=generator)
    k[..., 3] = k[..., 3] * 0.5 + 20
    return k.bfloat16(), v.bfloat16()


def stored(k, v, kind="int8", stem=None, cuts=(), start=0, **options):
    if stem is None:
        store = QuantisedStore.in_memory(kind, HEADS, DIM, **options)
    else:
        store = QuantisedFileStore.open(stem, kind, HEADS, DIM, length=start, **options)
    edges = [start, *(x for x in sorted(cuts) if start < x < k.shape[1]), k.shape[1]]
    for a, b in itertools.pairwise(edges):
        store = store.append(k[:, a:b], v[:, a:b])
    return store


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_number_is_off_by_more_than_half_a_step(kind, dtype):
    k, v = tokens(5 * BLOCK + 7)
    loaded = stored(k, v, kind, dtype=dtype).load()
    blocks = k[0, : 5 * BLOCK].float().unflatten(0, (-1, BLOCK))
    k_step = (blocks.amax(1) - blocks.amin(1)) / (2 ** KINDS[kind] - 1)
    v_step = (v.float().amax(-1) - v.float().amin(-1)) / (2 ** KINDS[kind] - 1)
    rounding = 1.02 if dtype == torch.float32 else 1.1
    for found, wanted, step in (
        (loaded.k_bshd[0], k[0], k_step.repeat_interleave(BLOCK, 0)),
        (loaded.v_bshd[0], v[0], v_step[0, :, :, None]),
    ):
        off = (found.float() - wanted.float()).abs()[: 5 * BLOCK]
        slack = 2**-8 * wanted.float().abs()[: 5 * BLOCK]
        assert bool((off <= step[: 5 * BLOCK] / 2 * rounding + slack + 1e-6).all())
    assert torch.equal(loaded.k_bshd[:, 5 * BLOCK :].bfloat16(), k[:, 5 * BLOCK :])
    assert torch.equal(loaded.v_bshd[:, 5 * BLOCK :].bfloat16(), v[:, 5 * BLOCK :])


@given(st.sets(st.integers(1, 299), max_size=6), st.integers(0, 4))
@settings(deadline=None, max_examples=15)
def test_the_same_bits_however_it_was_cut_in_memory_and_on_disk(tmp_path_factory, cuts, kept):
    folder, (k, v) = tmp_path_factory.mktemp("store"), tokens(300)
    whole = stored(k, v, "int4")
    on_disk = stored(k, v, "int4", folder / "x", cuts)
    again = stored(k, v, "int4", folder / "x", cuts, start=kept * BLOCK)
    for store in (stored(k, v, "int4", None, cuts), on_disk, again):
        assert store.length == 300
        one, two = store.load(), whole.load()
        assert torch.equal(one.k_bshd, two.k_bshd) and torch.equal(one.v_bshd, two.v_bshd)
    assert again.first_damage() is None and again.sums() == on_disk.sums()


def test_an_append_leaves_the_shorter_store_as_it_was():
    k, v = tokens(200)
    shorter = stored(k[:, :100], v[:, :100])
    before = shorter.load()
    longer = shorter.append(k[:, 100:], v[:, 100:])
    assert (shorter.length, longer.length) == (100, 200)
    assert torch.equal(shorter.load().k_bshd, before.k_bshd)
    fork = longer.fork().append(*tokens(3, 1))
    assert fork.length == 203 and longer.length == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("watched", [False, True])
def test_the_scan_sees_what_is_stored(kind, watched):
    k, v = tokens(5000, 2)
    q = torch.randn(1, 3, 4, DIM, generator=torch.Generator().manual_seed(3))
    store = stored(k, v, kind, dtype=torch.float32).fork().append(*tokens(3, 4))
    loaded = store.base.load()
    plain = MemoryStore(
        torch.cat((loaded.k_bshd, store.tail.k_bshd.float()), 1),
        torch.cat((loaded.v_bshd, store.tail.v_bshd.float()), 1),
    )
    one, two = AttentionWatch(), AttentionWatch()
    found = attend_store(q, store, one if watched else None)
    wanted = attend_store(q, plain, two if watched else None)
    torch.testing.assert_close(found, wanted, rtol=2e-3, atol=2e-3)


def test_bytes_are_those_of_the_format(tmp_path):
    for kind, bits in KINDS.items():
        store = stored(*tokens(4 * BLOCK), kind, tmp_path / kind)
        codes = 2 * BLOCK * HEADS * DIM * bits // 8
        scales = 4 * HEADS * DIM + 4 * BLOCK * HEADS
        assert store.held_bytes() == 4 * (codes + scales)
        sizes = [p.stat().st_size for p in tmp_path.glob(f"{kind}.*.0") if "sums" not in p.name]
        assert sum(sizes) == store.held_bytes()
    form = Format("int4", 3, 64)
    assert (form.row_bytes(0) + form.row_bytes(1)) / BLOCK == 216  # bf16: 768


def test_constant_channels_and_empty_stores():
    k = torch.full((1, BLOCK, HEADS, DIM), 2.5).bfloat16()
    loaded = stored(k, torch.zeros_like(k), "int4").load()
    assert torch.equal(loaded.k_bshd, k) and not loaded.v_bshd.any()
    empty = QuantisedStore.in_memory("int8", HEADS, DIM)
    assert empty.length == 0 and list(empty.keys(64)) == [] and empty.held_bytes() == 0


def test_damage_is_told(tmp_path):
    k, v = tokens(20 * BLOCK)
    stored(k, v, "int8", tmp_path / "x")
    path = tmp_path / "x.values.0"
    data = bytearray(path.read_bytes())
    data[9 * Format("int8", HEADS, DIM).row_bytes(1)] ^= 1
    path.write_bytes(data)
    store = QuantisedFileStore.open(tmp_path / "x", "int8", HEADS, DIM, length=20 * BLOCK)
    assert store.first_damage() == 8 * BLOCK
    with pytest.raises(DamagedFileError):
        store.values(0, 20 * BLOCK)
    with pytest.raises(DamagedFileError, match="holds 20 rows where 21"):
        QuantisedFileStore.open(tmp_path / "x", "int8", HEADS, DIM, length=21 * BLOCK)
