"""Rows of fixed size in append-only files that several sessions may share.

The rows `PATH` lie in files `PATH.N`, each from row N to where the next begins. A file with more
than one name (hard link) is also another session's and is never written: new rows begin a file of
their own. How many rows count is the owner's to know; what lies behind is cut before appending.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np

from farspan.errors import DamagedFileError
from farspan.files import told_if_full

CHECKED = 256
"""Tokens that share a checksum."""

PARTS = ("keys", "values")
"""What a layer keeps rows of."""

SUMS = ".sums"
_SUM_BYTES = 4


class Rows:
    """The first `length` rows of `row_bytes` in the files `path.N`, by default all that is there.

    Raises `DamagedFileError` if the files hold fewer.
    """

    def __init__(self, path: Path, row_bytes: int, length: int | None = None) -> None:
        self.path = path
        self.row_bytes = row_bytes
        self._files: list[tuple[int, int]] = []  # first row, descriptor
        for start, name in row_files(path):
            if start == 0 or length is None or start < length:
                self._files.append((start, os.open(name, os.O_RDWR)))
        self._is_cut = False
        held = self._held()
        self.length = held if length is None else length
        if held < self.length:
            raise DamagedFileError(f"{path.name} holds {held} rows where {length} were written")

    def __del__(self) -> None:
        for _, descriptor in getattr(self, "_files", ()):
            os.close(descriptor)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files, to be brought to disk."""
        return tuple(descriptor for _, descriptor in self._files)

    def cut(self, length: int) -> None:
        """Keeps the first `length` rows; of files that are shared only the names go."""
        assert length <= self.length, "rows that were never written cannot be kept"
        self.length, self._is_cut = length, True
        for start, name in row_files(self.path):
            if start >= length:
                os.unlink(name)
        while self._files and self._files[-1][0] >= length:
            os.close(self._files.pop()[1])
        if self._files and not self._is_shared():
            start, descriptor = self._files[-1]
            os.ftruncate(descriptor, (length - start) * self.row_bytes)

    def append(self, data: memoryview) -> None:
        """Writes whole rows behind the last. Raises `RequestError` on a full disk."""
        if not self._is_cut:
            self.cut(self.length)
        with told_if_full(self.path.parent):
            if not self._files or self._is_shared():
                name = f"{self.path}.{self.length}"
                descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                self._files.append((self.length, descriptor))
            start, descriptor = self._files[-1]
            offset, rows = (self.length - start) * self.row_bytes, len(data) // self.row_bytes
            while data:
                done = os.pwrite(descriptor, data, offset)
                data, offset = data[done:], offset + done
        self.length += rows

    def read_into(self, data: memoryview, start: int) -> None:
        """Fills `data` with rows from `start` on. Raises `DamagedFileError` if they are not there.

        The rows may reach over several files.
        """
        for descriptor, first, stop in self._pieces(start, start + len(data) // self.row_bytes):
            count = (stop - first) * self.row_bytes
            part, data, offset = data[:count], data[count:], first * self.row_bytes
            while part:
                done = os.preadv(descriptor, [part], offset)
                if not done:
                    raise DamagedFileError(f"{self.path.name} ends early")
                part, offset = part[done:], offset + done

    def names(self) -> list[tuple[str, int]]:
        """The files, in order, each with how many of its rows count."""
        return [
            (f"{self.path}.{start}", stop - start)
            for start, stop in zip(self._starts(), self._stops(), strict=True)
            if stop > start
        ]

    def announce(self, start: int = 0, stop: int | None = None) -> None:
        """Has the kernel begin to read rows."""
        if hasattr(os, "posix_fadvise"):
            for descriptor, first, last in self._pieces(
                start, self.length if stop is None else stop
            ):
                offset, count = first * self.row_bytes, (last - first) * self.row_bytes
                os.posix_fadvise(descriptor, offset, count, os.POSIX_FADV_WILLNEED)

    def _starts(self) -> list[int]:
        return [start for start, _ in self._files]

    def _stops(self) -> list[int]:
        return [*self._starts()[1:], self.length][: len(self._files)]

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Descriptors that hold the rows `start` to `stop`, with the first and last row in each."""
        for (first, descriptor), end in zip(self._files, self._stops(), strict=True):
            if first < stop and start < end:
                yield descriptor, max(start, first) - first, min(stop, end) - first

    def _held(self) -> int:
        """Rows that follow each other in the files, from the first."""
        held = 0
        for start, descriptor in self._files:
            if start > held:
                break
            held = start + os.fstat(descriptor).st_size // self.row_bytes
        return held

    def _is_shared(self) -> bool:
        return os.fstat(self._files[-1][1]).st_nlink > 1


class CheckedRows(Rows):
    """Rows with a CRC32C for every `checked` of them, in rows of their own, `path.sums`.

    A block is checked when it is first read. `tail_sum` is the checksum of the rows behind the
    last whole block.
    """

    def __init__(self, path: Path, row_bytes: int, length: int, checked: int = CHECKED) -> None:
        super().__init__(path, row_bytes, length)
        self.checked = checked
        self.sums = Rows(Path(f"{path}{SUMS}"), _SUM_BYTES, length // checked)
        self._good = np.zeros(length // checked, dtype=bool)
        self.tail_sum = self.sum_behind_blocks(length)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files, to be brought to disk."""
        return super().descriptors + self.sums.descriptors

    def cut(self, length: int) -> None:
        """Keeps the first `length` rows and their checksums."""
        super().cut(length)
        self.sums.cut(length // self.checked)
        self._good = self._good[: length // self.checked]
        self.tail_sum = self.sum_behind_blocks(length)

    def append(self, data: memoryview) -> None:
        """Writes whole rows and the checksums of blocks that they complete."""
        place, sums, total = self.length % self.checked, [], self.tail_sum
        at = 0
        while at < len(data):
            stop = min(len(data), at + (self.checked - place) * self.row_bytes)
            total = google_crc32c.extend(total, bytes(data[at:stop]))
            place += (stop - at) // self.row_bytes
            at = stop
            if place == self.checked:
                sums.append(total)
                place = total = 0
        super().append(data)
        if sums:
            self.sums.append(memoryview(np.array(sums, dtype="<u4").tobytes()))
            self._good = np.append(self._good, np.zeros(len(sums), dtype=bool))
        self.tail_sum = total

    def read_into(self, data: memoryview, start: int) -> None:
        """Fills `data` with rows from `start` on; whole blocks among them are checked once.

        Raises `DamagedFileError` for rows that are not what was written.
        """
        super().read_into(data, start)
        first, last = (
            -(-start // self.checked),
            (start + len(data) // self.row_bytes) // self.checked,
        )
        last = min(last, len(self._good))
        if first >= last or self._good[first:last].all():
            return
        wanted = self._sums(first, last)
        for i in np.flatnonzero(~self._good[first:last]):
            at = ((first + int(i)) * self.checked - start) * self.row_bytes
            block = bytes(data[at : at + self.checked * self.row_bytes])
            if google_crc32c.value(block) != wanted[i]:
                raise DamagedBlockError(self.path.name, (first + int(i)) * self.checked)
            self._good[first + i] = True

    def first_damage(self) -> int | None:
        """The first row of the first block that is not what was written, None if all are."""
        data = memoryview(bytearray(self.checked * self.row_bytes))
        self._good[:] = False
        for block in range(len(self._good)):
            try:
                self.read_into(data, block * self.checked)
            except DamagedFileError:
                return block * self.checked
        return None

    def _sums(self, first: int, last: int) -> np.ndarray:
        data = bytearray((last - first) * _SUM_BYTES)
        self.sums.read_into(memoryview(data), first)
        return np.frombuffer(data, dtype="<u4")

    def sum_behind_blocks(self, length: int) -> int:
        """The checksum of the rows behind the last whole block of the first `length`."""
        start = length // self.checked * self.checked
        data = bytearray((length - start) * self.row_bytes)
        super().read_into(memoryview(data), start)
        return google_crc32c.value(bytes(data))


class DamagedBlockError(DamagedFileError):
    """A block of rows is not what was written; `row` is its first."""

    def __init__(self, name: str, row: int) -> None:
        super().__init__(f"{name} is not what was written from row {row} on")
        self.row = row


def row_files(path: Path) -> list[tuple[int, Path]]:
    """The files `path.N` by their first row N."""
    found = []
    for name in path.parent.glob(f"{path.name}.*"):
        number = name.name[len(path.name) + 1 :]
        if number.isascii() and number.isdigit():
            found.append((int(number), name))
    return sorted(found)


def sum_bytes(tokens: int) -> int:
    """Bytes that the checksums of one part of so many tokens take on disk."""
    return tokens // CHECKED * _SUM_BYTES
