"""Text to token ids and back, with the place of every token in the text.

Stands on the `tokenizers` library alone: importing transformers would cost seconds at each start.
"""

from __future__ import annotations

import codecs
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from farspan.errors import DamagedFileError, RequestError

PIECE_CHARS = 1 << 16
"""Characters that `encode_document` gives the library at a time."""

PIECES_AT_ONCE = 8
CONTEXT_CHARS = 16
"""Characters encoded on either side of a piece and thrown away again."""

# Between a newline and a letter, and between a letter and a space that a letter follows, every
# pre-tokeniser of the supported families starts a new word whatever stands around.
_CUT = re.compile(r"\n(?=[^\W\d_])|(?<=[^\W\d_])(?= [^\W\d_])")
_SPANS_A_CUT = re.compile(r"[^▁\s][▁ ]|\n.")
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")

Progress = Callable[[int, int], None]
"""Told (characters done, characters in all)."""


def _bytes_of_byte_level_characters() -> dict[str, int]:
    """The character that stands for each byte in a byte-level vocabulary (GPT-2's table)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    table = {chr(byte): byte for byte in shown}
    return table | {chr(256 + i): byte for i, byte in enumerate(hidden)}


_BYTE_OF = _bytes_of_byte_level_characters()


def _part(component: Any) -> str:
    """The JSON text of a tokenizers component, or an empty text for none."""
    return "" if component is None else bytes(component.__getstate__()).decode()


class Tokenizer:
    """A checkpoint's tokenizer: ids, offsets, special tokens and chat template.

    `backend` is a `tokenizers.Tokenizer`, which this object takes over. `special_ids` are the
    tokens left out of decoded text; by default those that the backend marks as special.
    `adds_bos` tells whether the checkpoint expects `bos_id` before plain text. Safe to use from
    several threads.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        *,
        bos_id: int | None = None,
        eos_ids: Sequence[int] = (),
        chat_template: str | None = None,
        adds_bos: bool = False,
        special_ids: Sequence[int] | None = None,
    ) -> None:
        added = backend.get_added_tokens_decoder()
        self._added = {i: token.content for i, token in added.items()}
        if special_ids is None:
            special_ids = [i for i, token in added.items() if token.special]
        self.special_ids = frozenset(special_ids)
        # The library can ignore only "special" tokens, and text of a document must match none.
        backend.add_special_tokens(
            [
                tokenizers.AddedToken(
                    token.content,
                    single_word=token.single_word,
                    lstrip=token.lstrip,
                    rstrip=token.rstrip,
                    normalized=token.normalized,
                    special=True,
                )
                for token in added.values()
                if not token.special
            ]
        )
        backend.no_truncation()
        backend.no_padding()
        backend.post_processor = None  # it would trim the leading space off the offsets
        self._backend = backend
        self._lock = threading.Lock()
        self.bos_id = bos_id
        self.eos_ids = tuple(dict.fromkeys(eos_ids))
        self.chat_template = chat_template
        self.adds_bos = adds_bos
        decoder = _part(backend.decoder)
        self._byte_level = '"ByteLevel"' in decoder
        self._strips_first_space = '"Strip"' in decoder or (
            '"Metaspace"' in decoder and '"never"' not in decoder
        )
        self._bytes: dict[int, bytes] = {}

    @property
    def vocab_size(self) -> int:
        """Tokens the tokenizer knows; a model's embedding may be padded to more."""
        return int(self._backend.get_vocab_size(True))

    def token_id(self, token: str) -> int | None:
        """The id of a token as the vocabulary spells it, or None."""
        found = self._backend.token_to_id(token)
        return None if found is None else int(found)

    def token_text(self, token_id: int | None) -> str:
        """A token as the vocabulary spells it; empty for None and ids out of the vocabulary."""
        return "" if token_id is None else str(self._backend.id_to_token(token_id) or "")

    def encode(self, text: str, special: bool = True) -> list[int]:
        """Token ids of a text, without any token that is not in it (no automatic start token).

        With `special` the text "<|im_end|>" becomes that control token, as in a rendered chat;
        without it, it is read as ordinary characters, as text from outside must be.
        """
        return list(self._run([text], special)[0].ids)

    def counts(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has by itself, read as ordinary characters."""
        return [len(encoding) for encoding in self._run(texts, special=False)]

    def encode_document(
        self, text: str, on_progress: Progress | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ids of `encode(text, special=False)` and where each token starts.

        Returns ids (uint32 [T]) and starts (int64 [T], in characters of `text`, never falling);
        the tokens that share one character all start at it. Works in pieces, so that ten
        megabytes and more neither need gigabytes nor one core for long.
        """
        cuts = self._cuts(text)
        ids: list[np.ndarray] = []
        starts: list[np.ndarray] = []
        for first in range(0, len(cuts) - 1, PIECES_AT_ONCE):
            here = cuts[first : first + PIECES_AT_ONCE + 1]
            pieces = self._encode_pieces(text, here)
            if pieces is None:  # a pre-tokeniser that joins words across the cuts
                whole = self._run([text], special=False)[0]
                return _columns(whole, 0)
            ids += [piece[0] for piece in pieces]
            starts += [piece[1] for piece in pieces]
            if on_progress is not None:
                on_progress(here[-1], len(text))
        if not ids:
            return np.zeros(0, np.uint32), np.zeros(0, np.int64)
        return np.concatenate(ids), np.concatenate(starts)

    def _encode_pieces(
        self, text: str, cuts: Sequence[int]
    ) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """Ids and starts between neighbouring cuts, or None where a cut splits a token."""
        froms = [max(cut - CONTEXT_CHARS, 0) for cut in cuts[:-1]]
        pieces = [text[a : b + CONTEXT_CHARS] for a, b in zip(froms, cuts[1:], strict=True)]
        found = []
        encodings = self._run(pieces, special=False)
        for offset, begin, end, encoding in zip(froms, cuts[:-1], cuts[1:], encodings, strict=True):
            ids, starts = _columns(encoding, offset)
            low, high = np.searchsorted(starts, (begin, end))
            for place, cut in ((low, begin), (high, end)):
                if 0 < cut < len(text) and (place == len(starts) or starts[place] != cut):
                    return None
            found.append((ids[low:high], starts[low:high]))
        return found

    def _cuts(self, text: str) -> list[int]:
        """Places, from 0 to the length, where a text may be cut without changing its tokens."""
        cuts = [0]
        while self._can_cut and len(text) - cuts[-1] > PIECE_CHARS:
            match = _CUT.search(text, cuts[-1] + PIECE_CHARS)
            while match is not None and not _between_letters(text, match.end()):
                match = _CUT.search(text, match.end() + 1)
            if match is None:
                break
            cuts.append(match.end())
        return [*cuts, len(text)] if text else cuts

    @cached_property
    def _can_cut(self) -> bool:
        """Whether tokens cannot span a cut: words are split first, or no token would fit."""
        if "ByteLevel" in _part(self._backend.pre_tokenizer):
            return True
        return not any(_SPANS_A_CUT.search(token) for token in self._backend.get_vocab(False))

    def _run(self, texts: Sequence[str], special: bool) -> list[tokenizers.Encoding]:
        for text in texts:
            _check_characters(text)
        with self._lock:
            self._backend.encode_special_tokens = not special
            return list(self._backend.encode_batch(list(texts), add_special_tokens=False))

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes, perhaps half a character, that a token stands for."""
        known = self._bytes.get(token_id)
        if known is None:
            known = self._bytes[token_id] = self._find_bytes(token_id)
        return known

    def _find_bytes(self, token_id: int) -> bytes:
        if token_id in self._added:
            return self._added[token_id].encode()
        token = self.token_text(token_id)
        if self._byte_level:
            return bytes(_BYTE_OF[char] for char in token if char in _BYTE_OF)
        byte = _BYTE_TOKEN.fullmatch(token)
        return bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode()

    def decode(self, ids: Sequence[int], skip_special: bool = True) -> str:
        """Text of tokens; bytes that form no character become U+FFFD."""
        decoder = StreamDecoder(self, skip_special)
        return "".join(decoder.push(int(i)) for i in ids) + decoder.flush()

    def to_json(self) -> str:
        """The library's own form, without post-processor, and all added tokens marked special."""
        return str(self._backend.to_str())

    def save(self, folder: str | Path) -> None:
        """Write `tokenizer.json` and `farspan_tokenizer.json`, which `load` reads back."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._backend.save(str(folder / "tokenizer.json"), pretty=False)
        about = {
            "bos_id": self.bos_id,
            "eos_ids": list(self.eos_ids),
            "chat_template": self.chat_template,
            "adds_bos": self.adds_bos,
            "special_ids": sorted(self.special_ids),
        }
        (folder / "farspan_tokenizer.json").write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Tokenizer:
        """Read what `save` wrote; `DamagedFileError` if it is missing or damaged."""
        folder = Path(folder)
        about = read_json(folder / "farspan_tokenizer.json")
        names = {"bos_id", "eos_ids", "chat_template", "adds_bos", "special_ids"}
        if set(about) != names:
            raise DamagedFileError(f"{folder} holds no tokenizer saved by farspan; delete it")
        return cls(read_backend(folder / "tokenizer.json"), **about)

    @classmethod
    def from_folder(cls, folder: str | Path) -> Tokenizer:
        """From the tokenizer files of a Hugging Face folder; `RequestError` if they are missing."""
        from farspan.models.tokenizer_files import tokenizer_from_folder

        return tokenizer_from_folder(Path(folder))

    @classmethod
    def from_gguf(cls, fields: Mapping[str, Any] | Any) -> Tokenizer:
        """From the metadata of a GGUF file: a mapping of plain values, or a `gguf.GGUFReader`."""
        from farspan.models.gguf_vocabulary import tokenizer_from_gguf

        return tokenizer_from_gguf(fields)


class StreamDecoder:
    """Decodes token by token and never emits half a character.

    `push` returns the text that has become certain, `flush` the rest. The pieces join to
    `Tokenizer.decode` of all ids.
    """

    def __init__(self, tokenizer: Tokenizer, skip_special: bool = True) -> None:
        self._tokenizer = tokenizer
        self._skipped = tokenizer.special_ids if skip_special else frozenset()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._at_start = tokenizer._strips_first_space

    def push(self, token_id: int) -> str:
        """The text that this token completes, often empty inside an emoji."""
        if token_id in self._skipped:
            return ""
        text = self._utf8.decode(self._tokenizer.token_bytes(token_id))
        if self._at_start and text:
            self._at_start = False
            return text.removeprefix(" ")
        return text

    def flush(self) -> str:
        """What remains: U+FFFD for a character that was never finished."""
        return self._utf8.decode(b"", final=True)


def _check_characters(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RequestError(
            "the text holds half a character (a lone surrogate, "
            f"U+{ord(text[error.start]):04X}); read the file with errors='replace'"
        ) from error


def _between_letters(text: str, cut: int) -> bool:
    """Whether a place found by `_CUT` has true letters around it, not numerals such as '²'."""
    if text[cut] == " ":
        return text[cut - 1].isalpha() and text[cut + 1].isalpha()
    return text[cut].isalpha()


def _columns(encoding: tokenizers.Encoding, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids (uint32 [T]) and starts (int64 [T]) of an encoding whose text begins at `offset`."""
    ids = np.array(encoding.ids, dtype=np.uint32)
    starts = np.fromiter(_starts(encoding), dtype=np.int64, count=len(ids))
    return ids, np.maximum.accumulate(starts) + offset if len(ids) else starts


def _starts(encoding: tokenizers.Encoding) -> Iterator[int]:
    return (start for start, _ in encoding.offsets)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; `DamagedFileError` if it cannot be read as one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DamagedFileError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise DamagedFileError(f"{path} holds no JSON object")
    return found


def read_backend(path: Path) -> tokenizers.Tokenizer:
    """A `tokenizer.json`; `DamagedFileError` if it is missing or damaged."""
    try:
        return tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises bare Exception for bad files
        raise DamagedFileError(f"{path} cannot be read as a tokenizer: {error}") from error
