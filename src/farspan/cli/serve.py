"""`farspan serve`: the API and the page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from farspan.cli.ask import Device, Dtype, Factor, Model, PlanText, Position
from farspan.errors import RequestError

Host = Annotated[str, typer.Option(help="Address to listen on; others than loopback need keys.")]
Port = Annotated[int, typer.Option(help="Port to listen on.")]
KeyFile = Annotated[
    Path | None, typer.Option("--api-key-file", help="File of hashed keys; see --new-key.")
]
NewKey = Annotated[
    str | None,
    typer.Option("--new-key", metavar="TENANT", help="Make a key, print it once, and end."),
]
Rows = Annotated[int, typer.Option(min=1, help="Answers side by side.")]
Queue = Annotated[int, typer.Option(min=0, help="Requests that may wait.")]
MaxTokens = Annotated[
    int, typer.Option(min=2, help="Longest prompt and answer together, documents aside.")
]
StateMb = Annotated[int, typer.Option(min=1, help="MiB that the states of all answers may hold.")]
StepMs = Annotated[
    float, typer.Option(min=1, help="Milliseconds a step should take while reading goes on.")
]
RatePerMinute = Annotated[int, typer.Option(min=1, help="Requests a minute and tenant.")]
DocumentMb = Annotated[int, typer.Option(min=1, help="Largest document, MiB.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key_file: KeyFile = None,
    new_key: NewKey = None,
    model: Model = None,
    plan: PlanText = None,
    position: Position = None,
    factor: Factor = None,
    device: Device = "auto",
    dtype: Dtype = None,
    rows: Rows = 64,
    queue: Queue = 512,
    max_tokens: MaxTokens = 32_768,
    state_mb: StateMb = 4096,
    step_ms: StepMs = 100,
    rate: RatePerMinute = 1200,
    document_mb: DocumentMb = 64,
    log_level: LogLevel = "info",
) -> None:
    """Serve an OpenAI-compatible API and a page: chats, and documents of any length.

    Documents are read as jobs while chats go on; a restart goes on reading. Logs go to standard
    error, as JSON.

    Example: farspan serve, then open http://127.0.0.1:8000 or point an OpenAI client at its /v1.
    """
    from farspan.engine.scheduler import Limits
    from farspan.server.keys import add_key
    from farspan.server.settings import Settings

    if new_key is not None:
        if api_key_file is None:
            raise RequestError("name the file that keeps the key's hash: --api-key-file FILE")
        print(add_key(api_key_file, new_key))
        return
    if log_level not in ("debug", "info", "warning", "error"):
        raise RequestError(f"log level {log_level!r}; use debug, info, warning or error")
    settings = Settings(
        host=host,
        port=port,
        api_key_file=api_key_file,
        document_bytes=document_mb << 20,
        requests_a_minute=rate,
        limits=Limits(
            rows=rows,
            queue=queue,
            tokens=max_tokens,
            state_bytes=state_mb << 20,
            step_seconds=step_ms / 1000,
        ),
    )
    try:
        from farspan.server.run import serve as run
    except ImportError as error:
        raise RequestError(f"serving needs {error.name}: pip install 'farspan[serve]'") from error
    from farspan.models.default import DEFAULT_MODEL
    from farspan.models.load import load_model

    loaded = load_model(
        model or DEFAULT_MODEL,
        plan=plan,
        device=device,
        dtype=dtype,
        position=position,
        factor=factor,
        say=_say,
    )
    _say(f"http://{host}:{port}  {loaded.name} on {loaded.device}")
    run(loaded, settings, log_level)


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)
