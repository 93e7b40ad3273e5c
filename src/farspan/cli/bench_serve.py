"""`farspan bench serve`: a load on a server, and how long chats wait."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farspan.errors import RequestError

if TYPE_CHECKING:
    from farspan.evaluation.load import Load

START_SECONDS = 300


def serve(
    url: Annotated[
        str | None, typer.Option(help="Server to load; without it one is started here.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="OPENAI_API_KEY", help="Its key, if it wants one.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model to ask; the first without it.")] = None,
    concurrency: Annotated[str, typer.Option(help="Chats at a time: 1,8,32.")] = "1,32",
    requests: Annotated[int, typer.Option(min=1, help="Chats for each concurrency.")] = 64,
    prompt_words: Annotated[int, typer.Option(min=1, help="Words of a prompt.")] = 24,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Tokens of an answer.")] = 32,
    pause: Annotated[float, typer.Option(min=0, help="Longest pause between chats, s.")] = 0.0,
    document: Annotated[
        Path | None,
        typer.Option(help="Measure first idle, then again while this text is being read."),
    ] = None,
    alone: Annotated[float, typer.Option(min=1, help="Seconds of reading alone, timed.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Which prompts, and which pauses.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time to first token, time between tokens, throughput and goodput, by percentile.

    Works with any OpenAI-compatible server; --document with farspan alone.

    Example: farspan bench serve --concurrency 1,32
    """
    try:
        import httpx

        from farspan.evaluation.load import Load
    except ImportError as error:
        raise RequestError("this needs httpx: pip install 'farspan[serve]'") from error
    from farspan.evaluation.speed import hardware

    wanted = _numbers(concurrency)
    with _server(url) as address:
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        found = httpx.get(f"{address}/v1/models", headers=headers)
        if found.status_code != 200:
            raise RequestError(f"{address}/v1/models answers {found.status_code}")
        name = model or found.json()["data"][0]["id"]
        loads = [
            Load(address, name, n, requests, prompt_words, answer_tokens, pause, seed, api_key)
            for n in wanted
        ]
        rows = [_measured(load, "idle") for load in loads]
        if document is not None:
            rows += _beside_reading(loads, document.read_text("utf-8"), alone)
    report = {"hardware": hardware(), "model": name, "rows": rows}
    print(json.dumps(report) if as_json else table(report))


def _measured(load: Load, beside: str) -> dict[str, Any]:
    import asyncio
    from dataclasses import replace

    from farspan.evaluation.load import run_load

    _say(f"{load.requests} chats, {load.concurrency} at a time, {beside}")
    asyncio.run(run_load(replace(load, requests=min(load.concurrency, 4), seed=load.seed + 1)))
    return {"beside": beside, **asyncio.run(run_load(load))}


def _beside_reading(loads: list[Load], text: str, alone: float) -> list[dict[str, Any]]:
    """The same loads while a document is read, with its speed alone and meanwhile."""
    from farspan.evaluation.load import DocumentUnderWay

    rows = []
    reading = DocumentUnderWay(loads[0].url, text, loads[0].api_key)
    try:
        reading.wait_until_reading()
        speed = reading.speed(alone)
        for load in loads:
            first, began = reading.report()["done"], time.perf_counter()
            row = _measured(load, "reading")
            after = reading.report()
            if after["status"] != "reading":
                raise RequestError(
                    "the document was read before the chats ended; give a longer one"
                )
            row["read_tokens_per_second"] = (after["done"] - first) / (time.perf_counter() - began)
            rows.append(row | {"read_tokens_per_second_alone": speed})
    finally:
        reading.delete()
    return rows


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    """The address of a server; one that is started here is stopped at the end."""
    if url is not None:
        yield url.rstrip("/").removesuffix("/v1")
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "farspan", "serve", "--port", str(port)]
    options = ["--log-level", "warning", "--rate", "1000000"]
    process = subprocess.Popen([*command, *options])
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    import httpx

    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RequestError("the server did not start; run farspan serve to see why")


def table(report: dict[str, Any]) -> str:
    """The rows in Markdown; times in milliseconds."""
    lines = [
        f"{report['hardware']}; {report['model']}",
        "",
        "| beside | at a time | done (failed) | tokens/s | requests/s (good) |"
        " first token p50 / p95 / p99 | between p50 / p95 / p99 | whole p50 / p99 | read tokens/s"
        " (alone) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        first, between, whole = (
            row[name] for name in ("first_token_ms", "inter_token_ms", "whole_ms")
        )
        read = ""
        if "read_tokens_per_second" in row:
            alone = row["read_tokens_per_second_alone"]
            read = f"{row['read_tokens_per_second']:,.0f} ({alone:,.0f})"
        lines.append(
            f"| {row['beside']} | {row['concurrency']} | {row['requests']} ({row['failed']}) |"
            f" {row['tokens_per_second']:.1f} | {row['requests_per_second']:.2f}"
            f" ({row['goodput_requests_per_second']:.2f}) | {_some(first, 50, 95, 99)} |"
            f" {_some(between, 50, 95, 99)} | {_some(whole, 50, 99)} | {read} |"
        )
    errors = {row["error"] for row in report["rows"] if row["error"]}
    return "\n".join([*lines, *(f"\nfailed: {error}" for error in sorted(errors))])


def _some(found: dict[str, float], *percentiles: int) -> str:
    return " / ".join(f"{found[f'p{p}']:.0f}" for p in percentiles) if found else "-"


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise RequestError(f"concurrency {text!r}: give numbers such as 1,8,32")
    return [int(part) for part in parts]


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)
