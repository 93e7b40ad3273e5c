"""Rows in shared append-only files: whoever appends, everyone reads what is his, or is told."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.errors import DamagedFileError
from farspan.memory.rows import CheckedRows, DamagedBlockError, Rows, sum_bytes

WIDTH = 3


def some(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, WIDTH), dtype=np.uint8)


def read(rows, start=0, stop=None):
    data = bytearray(((rows.length if stop is None else stop) - start) * WIDTH)
    rows.read_into(memoryview(data), start)
    return np.frombuffer(data, np.uint8).reshape(-1, WIDTH)


def share(source, target):
    target.mkdir()
    for path in source.iterdir():
        os.link(path, target / path.name)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(("append", "fork", "cut", "reopen")), st.integers(0, 40)
    ),
    max_size=25,
)


@given(STEPS)
@settings(deadline=None, max_examples=60)
def test_sessions_that_share_files_never_see_each_other(tmp_path_factory, steps):
    root = tmp_path_factory.mktemp("rows")
    (root / "0").mkdir()
    expected = [some(0, 0)]
    stores = [CheckedRows(root / "0" / "x.keys", WIDTH, 0, checked=4)]
    for seed, (which, action, amount) in enumerate(steps):
        i = which % len(stores)
        if action == "append":
            new = some(amount, seed)
            stores[i].append(memoryview(new.tobytes()))
            expected[i] = np.concatenate((expected[i], new))
        elif action == "cut":
            length = min(amount, len(expected[i]))
            stores[i].cut(length)
            expected[i] = expected[i][:length]
        else:
            length = min(amount, len(expected[i])) if action == "fork" else len(expected[i])
            name = str(len(stores) if action == "fork" else i)
            if action == "fork":
                share(root / str(i), root / name)
            opened = CheckedRows(root / name / "x.keys", WIDTH, length, checked=4)
            if action == "fork":
                stores.append(opened)
                expected.append(expected[i][:length])
            else:
                stores[i] = opened
        for store, wanted in zip(stores, expected, strict=True):
            assert store.length == len(wanted) and np.array_equal(read(store), wanted)
    for store in stores:
        again = CheckedRows(store.path, WIDTH, store.length, checked=4)
        assert again.first_damage() is None and again.tail_sum == store.tail_sum


def test_what_is_appended_to_an_unshared_store_lies_in_one_file(tmp_path):
    for seed in range(3):
        rows = Rows(tmp_path / "x", WIDTH)
        rows.append(memoryview(some(5, seed).tobytes()))
    assert [p.name for p in tmp_path.iterdir()] == ["x.0"]
    assert np.array_equal(read(rows, 4, 12), np.concatenate([some(5, i) for i in range(3)])[4:12])


def test_every_flipped_bit_is_found_when_its_block_is_first_read(tmp_path):
    data = some(1000, 0)
    CheckedRows(tmp_path / "x", WIDTH, 0).append(memoryview(data.tobytes()))
    assert (tmp_path / "x.sums.0").stat().st_size == sum_bytes(1000) == 12
    path = tmp_path / "x.0"
    for place in (0, 256 * WIDTH - 1, 256 * WIDTH, 767 * WIDTH):
        broken = bytearray(data.tobytes())
        broken[place] ^= 16
        path.write_bytes(broken)
        rows = CheckedRows(tmp_path / "x", WIDTH, 1000)
        with pytest.raises(DamagedBlockError) as caught:
            read(rows)
        assert caught.value.row == rows.first_damage() == place // WIDTH // 256 * 256
    sum_behind = CheckedRows(tmp_path / "x", WIDTH, 1000).tail_sum
    broken[999 * WIDTH] ^= 1
    path.write_bytes(broken)
    assert CheckedRows(tmp_path / "x", WIDTH, 1000).tail_sum != sum_behind


def test_files_that_are_missing_or_short_are_damage(tmp_path):
    (tmp_path / "one").mkdir()
    Rows(tmp_path / "one" / "x", WIDTH).append(memoryview(some(10, 0).tobytes()))
    share(tmp_path / "one", tmp_path / "two")
    Rows(tmp_path / "two" / "x", WIDTH).append(memoryview(some(10, 1).tobytes()))
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["x.0", "x.10"]
    for name in ("x.10", "x.0"):
        (tmp_path / "two" / name).unlink()
        with pytest.raises(DamagedFileError, match="rows where 20 were written"):
            Rows(tmp_path / "two" / "x", WIDTH, 20)
