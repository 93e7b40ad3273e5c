"""A session's folder, taken up and read on: nothing is read twice, whatever happens on the way.

A session is a folder: the text, its tokens, the key-value files of recall layers, and some states
to go back to; `manifest.json` says what it holds, the journal how far it is read. docs/sessions.md
has the format.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from farspan.data.reader import Document
from farspan.engine import journal, reading
from farspan.engine.branch import begin_like, find_beginning, first_difference, usable
from farspan.engine.budget import check_room, make_room
from farspan.engine.journal import Commit
from farspan.engine.lock import SessionLock
from farspan.engine.manifest import Manifest, array_bytes, sha256
from farspan.engine.snapshot import Snapshots
from farspan.errors import DamagedFileError, RequestError
from farspan.files import sync_folder, told_if_full, write_whole
from farspan.memory.search import Search
from farspan.models.decoder import DecoderState
from farspan.models.load import LoadedModel, Say

SPARE_BYTES = 64 << 20
"""Room on disk for what does not grow with the document."""

CHECKPOINT_SECONDS = 20.0
"""A power cut loses no more than what was read in this time."""

COMMIT_TOKENS, COMMIT_SECONDS = 4096, 1.0
"""A process that is killed loses no more than this, the longer of both."""


class Session:
    """A document on its way into a model. Get one from `open_session`; `close` it, or use `with`.

    `ids` are the tokens of the dialogue's head and of the document, uint32 [T]; `starts` the
    first character of each document token, int64 [T - n_prefix]; `state` what is read so far.
    """

    document: Document
    ids: np.ndarray
    starts: np.ndarray
    state: DecoderState
    manifest: Manifest

    def __init__(
        self,
        model: LoadedModel,
        folder: Path,
        lock: SessionLock,
        *,
        store: str,
        budget: int | None,
        say: Say,
    ) -> None:
        self.model = model
        self.budget = budget
        self.say = say
        self.folder = folder
        self.snapshots = Snapshots(model.decoder, folder, store)
        self.commits: list[Commit] = []
        self.tokens_read = 0
        self.lock = lock
        self._broken_off = False
        self._committed = self._on_disk = 0.0

    @property
    def name(self) -> str:
        """The name it was given, or that of its content."""
        return self.folder.name

    @property
    def length(self) -> int:
        """Tokens that are read, the dialogue's head included."""
        return self.commits[-1].length if self.commits else 0

    @property
    def is_complete(self) -> bool:
        """Whether the whole document is read."""
        return self.length == self.manifest.n_tokens

    @cached_property
    def ends(self) -> np.ndarray:
        """Where each document token ends in the text, int64 [T - n_prefix]."""
        return np.append(self.starts[1:], len(self.document.text))

    def read(
        self,
        on_progress: Callable[[reading.Progress], None] | None = None,
        *,
        chunk: int | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        """Reads what is not read yet; `tokens_read` counts it. Ctrl-C and errors lose nothing.

        Raises `RequestError` if the disk has not room enough, at the start or on the way.
        """
        if self.is_complete:
            return
        self.reserve()
        if self._broken_off:
            self.load()
        chunk = chunk or reading.default_chunk(self.model.device)
        first, last = self.length, self.state
        self._broken_off = True
        self._committed = self._on_disk = time.monotonic()

        def keep(state: DecoderState) -> None:
            nonlocal last
            last = state
            self._keep(state, chunk, checkpoint_seconds)

        decoder = self.model.decoder
        try:
            reading.read(
                decoder, self.ids, self.state, chunk=chunk, on_progress=on_progress, on_state=keep
            )
        finally:
            try:
                if last.length > self.length or (self.commits and self.commits[-1].boot):
                    self.commit(last, on_disk=True)
            finally:
                self.tokens_read += self.length - first
        self._broken_off = False
        self.finish()

    def finish(self) -> None:
        """After the last commit: the journal is shortened, and other processes may ask as well."""
        journal.rewrite_journal(self.folder, self.commits)
        self.lock.share()

    def searches(self, search: Search | None) -> bool:
        """Whether asking with `search` sees less than everything."""
        indexed = search is not None and len(self.ids) > search.exact_below
        return indexed and self.snapshots.is_indexed()

    def announce(self, *, whole: bool) -> None:
        """Has the kernel begin to read what asking needs: the `whole` stores, or their index."""
        self.snapshots.announce(whole=whole)

    def close(self) -> None:
        """Lets other processes have it."""
        self.lock.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def reserve(self) -> None:
        """Makes room on the disk for what is to be read; `RequestError` where there is none."""
        missing = self.manifest.n_tokens - self.length
        needed = self.snapshots.bytes_on_disk(missing) + SPARE_BYTES
        make_room(needed, self.budget, self.folder, self.say)
        check_room(needed, self.folder, f"reading {missing:,} tokens")

    def _keep(self, state: DecoderState, chunk: int, checkpoint_seconds: float) -> None:
        """Commits a state if it is time to, or if it is one to go back to later."""
        now, every = time.monotonic(), journal.SNAPSHOT_EVERY
        total = self.manifest.n_tokens
        if now - self._on_disk > checkpoint_seconds:
            self.commit(state, on_disk=True)
            return
        before_end = total - journal.ROLLBACK
        if (
            state.length // every > self.length // every
            or state.length <= before_end < reading.next_stop(state.length, total, chunk)
            or (
                state.length - self.length >= COMMIT_TOKENS
                and now - self._committed >= COMMIT_SECONDS
            )
        ):
            self.commit(state, on_disk=False)

    def commit(self, state: DecoderState, *, on_disk: bool) -> None:
        """Makes `state` what the session holds; until it is whole the old one counts.

        With `on_disk` it outlives a power cut too, as do the commits before it.
        """
        with told_if_full(self.folder):
            self.snapshots.flush(state)
            if on_disk:
                self.snapshots.sync(state)
        data = save_tensors(self.snapshots.tensors(state))
        boot = "" if on_disk else journal.boot_id()
        commit = Commit(state.length, sha256(data), self.snapshots.sums(state), boot)
        write_whole(self.folder / commit.state, data, mode=0o600, sync=on_disk)
        if on_disk:
            self._settle()
            sync_folder(self.folder)
        journal.append_commit(self.folder, commit)
        found = {x.length: x for x in (*self.commits, commit)}
        kept = journal.worth_keeping(found, self.manifest.n_tokens, journal.SNAPSHOT_EVERY)
        self.commits = [found[length] for length in kept]
        self.state = state
        journal.drop_states(self.folder, self.commits)
        self._committed = time.monotonic()
        if on_disk:
            self._on_disk = self._committed

    def _settle(self) -> None:
        """Brings the states of earlier commits to disk, which the stores now are."""
        for i, commit in enumerate(self.commits):
            if commit.boot:
                descriptor = os.open(self.folder / commit.state, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
                self.commits[i] = replace(commit, boot="")
                journal.append_commit(self.folder, self.commits[i])

    def create(self, document: Document, *, reuse: bool) -> None:
        """Starts over with a document; a failure leaves no folder behind.

        With `reuse` it starts from what another session has read of the same beginning.
        """
        ids, starts = self._encode(document)
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            with told_if_full(self.folder.parent):
                self.folder.mkdir(mode=0o700)
            manifest = self._describe(document, ids, starts)
            found = find_beginning(manifest, ids, self.folder) if reuse else None
            if found is not None:
                read = begin_like(*found, ids, self.folder)
                if read:
                    self.say(
                        f"the first {read:,} of {len(ids):,} tokens are those of session"
                        f" {found[0].name} and are not read again"
                    )
            self._write_document(document, ids, starts, manifest)
            self.load()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def change(self, document: Document) -> None:
        """Goes on with another state of the document, from before the first difference."""
        ids, starts = self._encode(document)
        before = self.manifest
        common = first_difference(before.load(self.folder)[1], ids)
        commits = usable(journal.read_journal(self.folder), common, before.n_tokens)
        manifest = self._describe(document, ids, starts)
        journal.rewrite_journal(self.folder, commits)
        self._write_document(document, ids, starts, manifest)
        for part, digest in before.files.items():
            if manifest.files[part] != digest:
                (self.folder / before.file(part)).unlink(missing_ok=True)
        self.load()
        what = "has grown" if common >= before.n_tokens - journal.ROLLBACK else "has changed"
        self.say(
            f"{document.name} {what} since session {self.name} read it; it is read on from token"
            f" {self.length:,} of {len(ids):,}"
        )

    def _encode(self, document: Document) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of the dialogue's head and a document, and where the document's begin."""
        tokenizer = self.model.tokenizer
        head = tokenizer.encode(self.model.format.before_document)
        ids, starts = tokenizer.encode_document(document.text)
        return np.concatenate((np.array(head, dtype=np.uint32), ids)), starts

    def _describe(self, document: Document, ids: np.ndarray, starts: np.ndarray) -> Manifest:
        model = self.model
        return Manifest(
            model=model.name,
            identity=model.identity,
            plan=model.plan,
            dtype=model.dtype,
            layout=self.snapshots.layout(),
            parts=document.parts,
            n_tokens=len(ids),
            n_prefix=len(ids) - len(starts),
            files={k: sha256(v) for k, v in _contents(document, ids, starts).items()},
            position=model.position,
        )

    def _write_document(
        self, document: Document, ids: np.ndarray, starts: np.ndarray, manifest: Manifest
    ) -> None:
        for part, data in _contents(document, ids, starts).items():
            write_whole(self.folder / manifest.file(part), data, mode=0o600)
        manifest.write(self.folder)
        self.manifest = manifest

    def load(self) -> None:
        """Takes up what the folder holds, from the newest commit that is undamaged."""
        self.document, self.ids, self.starts = self.manifest.load(self.folder)
        self.__dict__.pop("ends", None)
        if int(self.ids.max()) >= self.model.decoder.config.vocab_size:
            raise DamagedFileError("it has tokens that the model does not know")
        commits = [x for x in journal.read_journal(self.folder) if x.length <= len(self.ids)]
        reason: DamagedFileError | None = None
        while commits:
            try:
                self.state = self._restore(commits[-1])
                break
            except DamagedFileError as error:
                commits.pop()
                reason = error
        if reason is not None and not self.lock.owns:
            self.lock.own()
            self.load()
            return
        if reason is not None:
            if not commits:
                raise reason
            self.say(
                f"session {self.name} is damaged ({reason}); it is read again from token"
                f" {commits[-1].length:,} on"
            )
            journal.rewrite_journal(self.folder, commits)
        if not commits:
            self.state = self.snapshots.empty()
        self.commits = commits
        self._mend_index()

    def _restore(self, commit: Commit) -> DecoderState:
        """The state of a commit. Raises `DamagedFileError`."""
        try:
            data = (self.folder / commit.state).read_bytes()
            if sha256(data) != commit.sha256:
                raise DamagedFileError(f"{commit.state} is not what was written")
            tensors = load_tensors(data)
        except OSError as error:
            raise DamagedFileError(f"{commit.state} cannot be read: {error.strerror}") from error
        except SafetensorError as error:
            raise DamagedFileError(f"{commit.state} cannot be read: {error}") from error
        return self.snapshots.restore(tensors, commit.length, commit.sums)

    def _mend_index(self) -> None:
        """Completes the index, unless another process is asking."""
        if not self.snapshots.lacks_index():
            return
        owned = self.lock.owns
        try:
            self.lock.own()
        except RequestError:
            self.lock.share()
            return
        self.say(f"session {self.name} has no complete index; it is made again")
        self.snapshots.mend_index()
        if not owned:
            self.lock.share()


def _contents(document: Document, ids: np.ndarray, starts: np.ndarray) -> dict[str, bytes]:
    """The files of a document."""
    text = document.text.encode()
    return {"text": text, "ids": array_bytes(ids), "starts": array_bytes(starts)}
