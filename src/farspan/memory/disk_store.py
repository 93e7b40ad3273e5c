"""What stores on disk have in common: checked rows of keys and of values."""

from __future__ import annotations

from abc import abstractmethod

from farspan.memory.rows import CheckedRows
from farspan.memory.store import KeyValueStore, OverlayStore


class DiskStore(KeyValueStore):
    """A store whose keys and values are rows in files, each row of `row_tokens` tokens."""

    row_tokens = 1

    @property
    @abstractmethod
    def rows(self) -> tuple[CheckedRows, CheckedRows]:
        """The keys and the values in files."""

    @property
    @abstractmethod
    def rows_used(self) -> int:
        """How many rows of each are this store's."""

    def fork(self) -> OverlayStore:
        """An overlay; the files stay as they are."""
        return OverlayStore(self)

    def descriptors(self) -> tuple[int, ...]:
        """The open files, to be brought to disk."""
        return tuple(x for rows in self.rows for x in rows.descriptors)

    def sums(self) -> dict[str, int]:
        """Checksums, by file, of the rows that fill no block yet."""
        return {x.path.name: x.sum_behind_blocks(self.rows_used) for x in self.rows}

    def first_damage(self) -> int | None:
        """The first token of the first block that is not what was written, None if all are."""
        found = [rows.first_damage() for rows in self.rows]
        return min((row * self.row_tokens for row in found if row is not None), default=None)

    def announce(self, *, whole: bool) -> None:
        """Has the kernel begin to read what will be asked: the `whole` store, or an index."""
        for rows in self.rows:
            rows.announce()
