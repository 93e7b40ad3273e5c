"""When a rank dies, the others end with a sentence, and not with a wait.

Each rank writes a mark into the store that the ranks met in, every few seconds, and looks at the
others'. An exchange with a dead rank may hang for as long as the backend likes; this does not.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch.distributed as dist

from farspan.parallel.mesh import Mesh

BEAT = 2.0
"""Seconds between marks."""

SILENCE = 30.0
"""Seconds without a mark after which a rank counts as dead."""

STATUS = 1

End = Callable[[str], None]


@contextmanager
def watched(
    mesh: Mesh, *, beat: float = BEAT, silence: float = SILENCE, end: End | None = None
) -> Iterator[Mesh]:
    """Runs the body while the ranks watch each other; a rank alone has nobody to watch.

    `end` is called with what happened, by default it prints that and ends the process, since
    nothing else gets a thread out of an exchange. An exchange that fails by itself, which is how
    gloo ends, is told in the same words.
    """
    ranks = dist.get_world_size()
    if ranks == 1:
        yield mesh
        return
    done = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(done, beat, silence, end or _end), daemon=True, name="heartbeat"
    )
    watch.start()
    try:
        yield mesh
    except (dist.DistBackendError, RuntimeError) as error:
        if not _is_lost_peer(error):
            raise
        (end or _end)(f"an exchange with another rank failed ({_first_line(error)})")
    finally:
        done.set()
        watch.join(beat)


def _watch(done: threading.Event, beat: float, silence: float, end: Callable[[str], None]) -> None:
    store = dist.distributed_c10d._get_default_store()
    own, ranks = dist.get_rank(), dist.get_world_size()
    marks = [""] * ranks
    seen = [time.monotonic()] * ranks
    count = 0
    while not done.wait(beat):
        count += 1
        try:
            store.set(f"beat/{own}", str(count))
            for rank in range(ranks):
                mark = store.get(f"beat/{rank}") if store.check([f"beat/{rank}"]) else b""
                if mark.decode() != marks[rank]:
                    marks[rank], seen[rank] = mark.decode(), time.monotonic()
        except (dist.DistStoreError, RuntimeError) as error:
            if not done.is_set():
                end(f"the ranks' meeting place is gone ({_first_line(error)})")
            return
        lost = [r for r in range(ranks) if time.monotonic() - seen[r] > silence]
        if lost and not done.is_set():
            end(f"no sign of rank {', '.join(map(str, lost))} for {silence:.0f} seconds")
            return


def _is_lost_peer(error: BaseException) -> bool:
    """Whether a backend says that another process is gone or silent."""
    words = ("connection closed", "connection reset", "timed out", "timeout", "broken pipe", "nccl")
    return any(word in str(error).lower() for word in words)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:200]


def _end(what: str) -> None:
    rank = dist.get_rank()
    print(
        f"farspan: rank {rank} ends: {what}. Start the same command again with --resume; it goes"
        " on from the last checkpoint, also with another number of ranks",
        file=sys.stderr,
        flush=True,
    )
    os._exit(STATUS)
