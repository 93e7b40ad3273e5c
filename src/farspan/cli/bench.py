"""`farspan bench read`: reading speed at chosen lengths, beside the peers; and `bench serve`."""

from __future__ import annotations

import json
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from farspan.cli.bench_serve import serve
from farspan.errors import RequestError
from farspan.units import parse_lengths, show_length

app = typer.Typer(no_args_is_help=True, help="Measure speed and memory, beside other engines.")

PEERS = ("transformers", "llama.cpp-q4_0", "llama.cpp-q8_0")


app.command()(serve)


@app.callback()
def _bench() -> None:
    """Measure speed and memory, beside other engines."""


@app.command()
def read(
    lengths: Annotated[str, typer.Option(help="Tokens to read: 2k, 32k, 1m ...")] = "2k,8k,32k",
    peers: Annotated[
        str, typer.Option(help=f"Engines beside farspan: {', '.join(PEERS)}, or none.")
    ] = "transformers",
    peer_lengths: Annotated[
        str, typer.Option(help="Lengths at which peers are measured; full attention is slow.")
    ] = "2k,8k",
    text: Annotated[
        Path | None, typer.Option(help="Text to read; without it Python's own source code.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Readings a length; the median counts.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    plan: Annotated[
        str | None, typer.Option(help="Layer plan; the shipped one without it.")
    ] = None,
    position: Annotated[
        str | None, typer.Option(metavar="METHOD", help="Position method, such as yarn.")
    ] = None,
    factor: Annotated[
        float | None, typer.Option(help="How many times longer than trained, for --position.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tokens a second, peak memory and slope of reading, each engine in its own process.

    Peers run full attention on the same base weights with the settings that are fastest here.

    Example: farspan bench read --lengths 8k,32k,1m --peers transformers,llama.cpp-q4_0
    """
    from farspan.evaluation.peers import Job, measure
    from farspan.evaluation.speed import hardware, measure_reading
    from farspan.models.default import default_model_path

    wanted = [] if peers == "none" else peers.split(",")
    if unknown := set(wanted) - set(PEERS):
        raise RequestError(f"unknown peer {min(unknown)!r}; use {', '.join(PEERS)} or none")
    ours, theirs = parse_lengths(lengths), parse_lengths(peer_lengths)
    model_path = str(default_model_path(_say))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="farspan-bench-") as folder:
        tokens = _tokens(text, max(*ours, *theirs) + 64, Path(folder) / "tokens.npy")
        for length in theirs:
            for engine in wanted:
                _say(f"{engine} at {show_length(length)}")
                job = Job(length, model_path, tokens, _threads(), repeats=repeats, device=device)
                rows.append(measure(engine, job))
        for length in ours:
            _say(f"farspan at {show_length(length)}")
            rows.append(
                measure_reading(
                    length,
                    tokens,
                    device=device,
                    plan=plan,
                    position=position,
                    factor=factor,
                    repeats=repeats,
                )
            )
    versions = sorted({str(row["version"]) for row in rows if "version" in row})
    report = {"hardware": hardware(), "versions": versions, "rows": rows}
    print(json.dumps(report) if as_json else _table(report))


def _tokens(text: Path | None, count: int, path: Path) -> str:
    """The first `count` tokens of a text, or of Python's standard library, as `.npy`."""
    import numpy as np

    from farspan.models.default import default_model_path
    from farspan.models.gguf import read_gguf

    tokenizer = read_gguf(default_model_path(_say))[2]
    if text is not None:
        from farspan.data.reader import read_documents

        found = tokenizer.encode_document(read_documents([str(text)]).text)[0]
    else:
        parts, total = [], 0
        for source in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
            parts.append(tokenizer.encode_document(source.read_text("utf-8", "replace"))[0])
            total += len(parts[-1])
            if total >= count:
                break
        found = np.concatenate(parts)
    if len(found) < count:
        raise RequestError(
            f"the text has {len(found)} tokens, {count} are needed; give a longer one"
        )
    np.save(path, found[:count])
    return str(path)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _table(report: dict[str, Any]) -> str:
    """The rows in Markdown; the slope is the time a token takes, against the shortest length."""
    lines = [
        f"{report['hardware']}; {'; '.join(report['versions'])}",
        "",
        "| engine | length | tokens/s | spread s | slope | decode tokens/s | peak memory | as |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first: dict[str, float] = {}
    for row in report["rows"]:
        start = f"| {row['engine']} | {show_length(row['length'])} |"
        if "skipped" in row:
            lines.append(f"{start} {row['skipped']} | | | | | |")
            continue
        speed = row["tokens_per_second"]
        slope = first.setdefault(row["engine"], speed) / speed
        setting = f"{row['dtype']}" + (f", chunk {row['chunk']}" if row.get("chunk") else "")
        lines.append(
            f"{start} {speed:,.0f} | {row['spread']:.1f} | {slope:.2f} |"
            f" {row['decode_tokens_per_second']:.1f} |"
            f" {row['peak_memory_bytes'] / 2**30:.2f} GiB | {setting} |"
        )
    return "\n".join(lines)


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)
