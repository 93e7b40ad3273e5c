"""States are plain data: their tensors by path, and the same state with other tensors.

Stores are left alone unless asked for: what they hold may be on disk, and is theirs to copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from farspan.memory.store import KeyValueStore, MemoryStore


def flatten(value: Any, prefix: str = "", *, stores: bool = False) -> dict[str, Tensor]:
    """All tensors in nested dataclasses and tuples, by path; with `stores` those in memory too."""
    if isinstance(value, Tensor):
        return {prefix: value}
    parts = _parts(value)
    if stores and isinstance(value, MemoryStore):
        parts = {"k_bshd": value.k_bshd, "v_bshd": value.v_bshd}
    found: dict[str, Tensor] = {}
    for name, part in parts.items():
        found |= flatten(part, f"{prefix}.{name}" if prefix else name, stores=stores)
    return found


def fill(like: Any, tensors: Mapping[str, Tensor], prefix: str = "") -> Any:
    """`like` with its tensors exchanged for those of the same path; `KeyError` for missing ones.

    Stores in memory are exchanged where `tensors` has their keys.
    """
    if isinstance(like, Tensor):
        return tensors[prefix]
    start = f"{prefix}." if prefix else ""
    if isinstance(like, MemoryStore) and start + "k_bshd" in tensors:
        return MemoryStore(tensors[start + "k_bshd"], tensors[start + "v_bshd"])
    parts = {name: fill(part, tensors, start + name) for name, part in _parts(like).items()}
    if isinstance(like, tuple):
        return tuple(parts.values())
    return replace(like, **parts) if parts else like


def change(state: Any, each: Callable[[Tensor], Tensor]) -> Any:
    """The state with every tensor changed alike."""
    return fill(state, {path: each(tensor) for path, tensor in flatten(state).items()})


def select_rows(state: Any, row_b: Tensor) -> Any:
    """The state of the rows named, in this order; the same row may be taken more than once.

    Stores in memory are copied; `RequestError` for stores on disk, which hold one row.
    """
    if isinstance(state, Tensor):
        return state.index_select(0, row_b.to(state.device))
    if isinstance(state, KeyValueStore):
        return state.select_rows(row_b)
    parts = {name: select_rows(part, row_b) for name, part in _parts(state).items()}
    if isinstance(state, tuple):
        return tuple(parts.values())
    return replace(state, **parts) if parts else state


def batch_of(state: Any) -> int:
    """Rows of a state."""
    return next(iter(flatten(state).values())).shape[0]


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        return {str(i): part for i, part in enumerate(value)}
    if isinstance(value, (KeyValueStore, type)) or not is_dataclass(value):
        return {}
    return {field.name: getattr(value, field.name) for field in fields(value)}
