"""Writes a haystack with needles as a text file, to be asked about with `farspan ask`.

    python benchmarks/haystack.py --books FOLDER --tokens 1048576 --keys 8 -o hay.txt

Prints the question and the answer that is right.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from farspan.data.documents import find_shards, read_shard
from farspan.data.needles import needle_case
from farspan.models.chat import DialogueFormat
from farspan.models.default import default_model_path
from farspan.models.gguf import read_gguf


def main() -> None:
    """The haystack is cut so that document, question and answer have `--tokens` tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=Path, required=True)
    parser.add_argument("--shards", nargs="*", help="parts of Parquet file names")
    parser.add_argument("--tokens", type=int, default=1024 * 1024)
    parser.add_argument("--keys", type=int, default=1)
    parser.add_argument("--depth", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    tokenizer = read_gguf(default_model_path())[2]
    shards = find_shards(options.books, options.shards)
    books = (d for shard in shards for d in read_shard(shard) if d.domain in ("book", "text"))
    parts, count = [], 0
    for book in books:
        parts.append(tokenizer.encode_document(book.text + "\n\n")[0])
        count += len(parts[-1])
        if count > options.tokens:
            break
    format = DialogueFormat.from_tokenizer(tokenizer)
    case = needle_case(
        np.concatenate(parts),
        options.tokens,
        options.keys,
        options.depth,
        options.seed,
        tokenizer,
        format,
    )
    head = len(tokenizer.encode(format.before_document))
    options.output.write_text(
        tokenizer.decode(case.document_ids[head:].tolist()), encoding="utf-8", newline=""
    )
    print(f"What is the special magic number for {case.key} mentioned in the provided text?")
    print(case.number)


if __name__ == "__main__":
    main()
