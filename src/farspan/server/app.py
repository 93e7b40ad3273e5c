"""The application: routes behind the gate, and the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

from farspan import __version__
from farspan.models.load import LoadedModel
from farspan.server import basics, chat, completions, documents
from farspan.server.errors import add_handlers
from farspan.server.gate import Gate
from farspan.server.keys import Keys
from farspan.server.service import Service
from farspan.server.settings import Settings

PAGE = Path(__file__).parent / "page"


def create_app(model: LoadedModel, settings: Settings | None = None) -> FastAPI:
    """The ASGI application of a model. Its lifespan starts the scheduler, and saves at the end."""
    settings = settings or Settings()
    keys = None if settings.api_key_file is None else Keys.read(settings.api_key_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = await asyncio.to_thread(Service, model, settings)
        yield
        await asyncio.to_thread(app.state.service.close)

    app = FastAPI(
        title="farspan", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    add_handlers(app)
    app.add_middleware(Gate, settings=settings, keys=keys)
    for module in (basics, chat, completions, documents):
        app.include_router(module.router)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    return app
