"""Questions about a document: a request behind its session's state, and the answer's citations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from torch import Tensor

from farspan.apps.ask import WATCH_EVERY
from farspan.apps.citations import BLOCK, Looks, cite
from farspan.engine.sampling import Sampling
from farspan.engine.scheduler import Loop, Request
from farspan.engine.session import Session
from farspan.server.answers import whole
from farspan.server.metrics import Metrics


class Question:
    """One question about a session, watched on its way."""

    def __init__(self, session: Session, request: Request, words: str) -> None:
        self.session, self.words = session, words
        recalls = bool(session.model.decoder.plan.recall_layers)
        self.looks = Looks(-(-len(session.ids) // BLOCK))
        self.request = replace(
            request,
            start=session.state,
            on_look=self.looks.add if recalls and request.n == 1 else None,
            watch_block=BLOCK,
            watch_every=WATCH_EVERY,
        )

    async def citations(self, loop: Loop, metrics: Metrics, answer: str) -> list[dict[str, Any]]:
        """Where the answer comes from, best first."""
        if not self.looks.mass_lhk:
            return []
        neutral = await self._neutral(loop, metrics)
        found = await asyncio.to_thread(
            cite,
            self.session.document,
            np.asarray(self.session.starts),
            self.session.manifest.n_prefix,
            self.looks.scores(neutral),
            f"{self.words} {answer}",
        )
        return [asdict(one) for one in found]

    async def _neutral(self, loop: Loop, metrics: Metrics) -> Sequence[Tensor]:
        """Where tokens look that ask nothing: the text that leads to a question."""
        model = self.session.model
        found: list[Tensor] = []
        request = Request(
            tuple(model.tokenizer.encode(model.format.before_question)),
            Sampling(1),
            self.request.tenant,
            start=self.session.state,
            on_look=found.extend,
            watch_block=BLOCK,
            look_only=True,
        )
        await whole(loop, request, metrics)
        return found
