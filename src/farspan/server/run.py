"""Serving until told to stop."""

from __future__ import annotations

import uvicorn

from farspan.models.load import LoadedModel
from farspan.server import logs
from farspan.server.app import create_app
from farspan.server.settings import Settings

GRACE_SECONDS = 5
"""How long answers on their way may take after a signal; then they are ended."""


def serve(model: LoadedModel, settings: Settings, log_level: str = "info") -> None:
    """Serves a model. SIGTERM and Ctrl-C save what is being read and end it."""
    logs.set_up(log_level)
    uvicorn.run(
        create_app(model, settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=65_536,
    )
