"""JSON and JSON Lines: conversations as text with a line for who speaks, other data as it is."""

from __future__ import annotations

import json
from typing import Any

from farspan.data.structure.levels import Heading
from farspan.data.structure.read import Content, UnreadableError, decode

_ROLES, _TEXTS = ("role", "from", "speaker", "author"), ("content", "value", "text")
_LISTS = ("messages", "conversations", "conversation", "turns")
_BETWEEN = "\n\n"


def read(data: bytes, name: str) -> Content:
    """Conversations, each under a heading; JSON of another shape is kept as text.

    Raises `UnreadableError` for what is not JSON.
    """
    text = decode(data, name)
    found = _parse(text, name)
    chats = [(_title(item), turns) for item in found if (turns := _turns(item))]
    if not chats:
        return Content(text)
    pieces: list[str] = []
    headings: list[Heading] = []
    at = 0
    for number, (title, turns) in enumerate(chats, 1):
        shown = title or f"Conversation {number}"
        headings.append(Heading(at, 1, shown))
        for piece in (shown, *(f"{who}: {said}" for who, said in turns)):
            pieces.append(_clean(piece))
            at += len(pieces[-1]) + len(_BETWEEN)
    return Content(_BETWEEN.join(pieces), tuple(headings), kind="chat")


def _parse(text: str, name: str) -> list[Any]:
    """The items of a JSON list, of one object, or of the lines of JSON Lines."""
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        lines = [line for line in text.split("\n") if line.strip()]
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(json.loads(line))
            except (json.JSONDecodeError, RecursionError) as error:
                raise UnreadableError(name, f"is not JSON (line {number}: {error})") from error
        return found
    if isinstance(found, list) and not _turns(found):
        return found
    return [found]


def _turns(item: Any) -> list[tuple[str, str]]:
    """Who said what, or nothing for data of another shape."""
    if isinstance(item, dict):
        for name in _LISTS:
            if isinstance(item.get(name), list):
                return _turns(item[name])
        return []
    turns = []
    for turn in item if isinstance(item, list) else []:
        if not isinstance(turn, dict):
            return []
        who = next((turn[x] for x in _ROLES if isinstance(turn.get(x), str)), None)
        said = next((turn[x] for x in _TEXTS if isinstance(turn.get(x), str)), None)
        if who is None or said is None:
            return []
        turns.append((who, said.strip()))
    return turns


def _title(item: Any) -> str:
    title = item.get("title") if isinstance(item, dict) else None
    return " ".join(title.split()) if isinstance(title, str) else ""


def _clean(text: str) -> str:
    """Half characters, which JSON may spell, as marks of a gap."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
