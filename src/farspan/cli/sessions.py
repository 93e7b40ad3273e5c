"""`farspan sessions`: what was read and is kept, and what can be done with it."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farspan.errors import RequestError
from farspan.units import parse_length, show_size

if TYPE_CHECKING:
    from farspan.engine.shelf import Listed

FAILED = 1

app = typer.Typer(no_args_is_help=True, help="Look after what was read and is kept.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A session, as `list` names it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("list")
def list_(
    as_json: Json = False,
    budget: Annotated[
        str | None,
        typer.Option(metavar="20GB", help="First delete what was used longest ago, down to this."),
    ] = None,
) -> None:
    """List all sessions: name, tokens, bytes on disk, last use, documents."""
    from farspan.engine.budget import disk_budget, make_room, total_bytes
    from farspan.engine.names import sessions_folder
    from farspan.engine.shelf import list_sessions

    if budget is not None:
        make_room(0, disk_budget(budget), sessions_folder(), _say)
    found = list_sessions()
    if as_json:
        print(json.dumps({"sessions": [asdict(x) for x in found], "bytes": total_bytes()}))
        return
    if not found:
        print("no sessions are kept")
        return
    width = max(len(x.name) for x in found)
    for x in found:
        print(f"{x.name:{width}}  {_progress(x):>22}  {_size(x):>9}  {_day(x.used)}  {_what(x)}")
    print(f"{show_size(total_bytes())} on disk")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show one session: what read it, its size, and the places that it can go back to."""
    from farspan.engine.shelf import find, look

    _print(look(find(name)), as_json)


@app.command()
def fork(
    name: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name of the new session.")],
    at: Annotated[
        str | None, typer.Option(metavar="TOKENS", help="Share only the first 64k, 1m ... tokens.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a session that begins as another one, sharing what was read."""
    from farspan.engine import shelf

    _print(shelf.fork(name, new, None if at is None else parse_length(at)), as_json)


@app.command()
def rewind(
    name: Name,
    to: Annotated[str, typer.Option(metavar="TOKENS", help="Keep the first 64k, 1m ... tokens.")],
    as_json: Json = False,
) -> None:
    """Forget what a session has read after a place."""
    from farspan.engine import shelf

    _print(shelf.rewind(name, parse_length(to)), as_json)


@app.command()
def export(
    name: Name,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: NAME.farspan.tar; - pipes."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a session to one file. It holds the document's text."""
    from farspan.engine.portable import ENDING, export_session

    if str(output) == "-":
        export_session(name, sys.stdout.buffer)
        return
    path = output or Path(name + ENDING)
    if path.exists() and not force:
        raise RequestError(f"{path} exists; give another -o, or --force")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            export_session(name, file)
            size = file.tell()
        os.replace(part, path)
    except FileNotFoundError as error:
        raise RequestError(f"{path.parent} is no folder that can be written") from error
    finally:
        part.unlink(missing_ok=True)
    said = {"file": str(path), "bytes": size}
    print(json.dumps(said) if as_json else f"{path}, {show_size(size)}")


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="An exported session; - pipes.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it; default: the file's name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take in an exported session, after checking all of it."""
    from farspan.engine.portable import ENDING, import_session

    if str(path) == "-":
        if name is None:
            raise RequestError("a session from standard input needs a --name")
        _print(import_session(sys.stdin.buffer, name), as_json)
        return
    try:
        with open(path, "rb") as file:
            found = import_session(file, name or path.name.removesuffix(ENDING))
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}") from error
    _print(found, as_json)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Without names all of them.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Go back to the last place before the damage.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check every byte of sessions. Exit code 1 if something is wrong and was not repaired."""
    from farspan.engine.names import session_folders
    from farspan.engine.verify import verify as check

    found = [check(x, repair=repair) for x in names or [x.name for x in session_folders()]]
    if as_json:
        print(json.dumps({"sessions": [asdict(x) for x in found]}))
    for x in found if not as_json else ():
        print(f"{x.name}: " + ("all is well" if not x.problems else "; ".join(x.problems)))
        if x.repaired:
            print(f"{x.name}: what follows token {x.sound:,} is read again when it is next asked")
    if any(x.problems and not x.repaired for x in found):
        raise typer.Exit(FAILED)


@app.command()
def delete(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Sessions to delete.")],
    as_json: Json = False,
) -> None:
    """Delete sessions and free their space."""
    from farspan.engine import budget, shelf

    for name in names:
        shelf.find(name)
    before = budget.total_bytes()
    for name in names:
        shelf.delete(name)
    freed = before - budget.total_bytes()
    said = {"deleted": names, "bytes": freed}
    print(json.dumps(said) if as_json else f"{show_size(freed)} freed")


def _print(x: Listed, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(x)))
        return
    print(f"{x.name}: {_what(x)}")
    if x.problem:
        return
    print(f"  {_progress(x)} tokens, {x.token_bytes:,} bytes a token in the stores")
    print(f"  {show_size(x.bytes)} on disk, {show_size(x.shared_bytes)} shared with other sessions")
    print(f"  last used {_day(x.used)}, read by {x.model} in {x.dtype}, plan {x.plan}")
    if x.position:
        print(f"  positions {x.position}")
    print(f"  goes back at once to token {', '.join(f'{place:,}' for place in x.places) or 0}")


def _progress(x: Listed) -> str:
    if x.problem:
        return "damaged"
    if x.tokens_read == x.tokens:
        return f"{x.tokens:,}"
    return f"{x.tokens_read:,} of {x.tokens:,}"


def _size(x: Listed) -> str:
    return show_size(x.bytes + x.shared_bytes)


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _what(x: Listed) -> str:
    return x.problem or ", ".join(x.documents)


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)
