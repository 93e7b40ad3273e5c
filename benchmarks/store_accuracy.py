"""What quantised stores cost in answers: one document, read once, asked from stores of each kind.

    python benchmarks/store_accuracy.py .demo/the-black-arrow.txt
    python benchmarks/store_accuracy.py .demo/the-black-arrow.txt --needles 16 --tokens 32768

Without --needles the questions are those that the text answers (as in book_questions.py). Reading
does not look at the stores, so one reading serves all of them.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch

from farspan.apps.ask import prompt_ids
from farspan.data.needles import NEEDLE, QUESTION, random_key, random_value
from farspan.data.qa import extract_items, render
from farspan.data.reader import Document, document_from_text, read_documents
from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from farspan.engine.session import open_session
from farspan.memory.file_store import FileStore
from farspan.memory.quantised_store import QuantisedStore
from farspan.memory.sizes import STORES
from farspan.models.decoder import DecoderState
from farspan.models.load import LoadedModel, load_model

AT_ONCE = 65_536
Asked = list[tuple[str, str]]


def book_questions(document: Document, each: int, seed: int) -> Asked:
    """Questions that the text answers, `each` of a kind, with the answers."""
    rng = np.random.default_rng(seed)
    kinds = defaultdict(list)
    for item in extract_items(document.text, "book"):
        kinds[item.kind].append(item)
    asked = []
    for kind, items in kinds.items():
        for index in rng.permutation(len(items))[:each]:
            item = items[int(index)]
            asked.append((render(kind, item.slots, rng), item.answer.strip()))
    return asked


def hide(document: Document, count: int, characters: int, seed: int) -> tuple[Document, Asked]:
    """The beginning of a document with needles between its paragraphs, and questions for them."""
    rng = np.random.default_rng(seed)
    paragraphs = document.text[:characters].split("\n\n")
    asked = []
    for i in range(count):
        key, value = random_key(rng, pair=True), random_value(rng, "number")
        place = int((i + 0.5) / count * len(paragraphs))
        paragraphs[place] += "\n\n" + NEEDLE.format(type="number", key=key, value=value)
        asked.append((QUESTION.format(type="number", key=key), value))
    return document_from_text("\n\n".join(paragraphs), "needles.txt"), asked


def with_stores(state: DecoderState, kind: str) -> tuple[DecoderState, float]:
    """The state with its stores in a kind, in memory if quantised, and their bytes a token."""
    layers, held = [], 0
    for layer in state.layers:
        store = getattr(layer, "store", None)
        if not isinstance(store, FileStore) or not store.length:
            layers.append(layer)
            continue
        new = store
        if kind != STORES[0]:
            dtype = layer.recent.k_bshd.dtype
            new = QuantisedStore.in_memory(kind, store.n_heads, store.head_dim, dtype=dtype)
            for start, k in store.keys(AT_ONCE):
                new = new.append(k, store.values(start, start + k.shape[1]))
        held += new.held_bytes() - (new.sketch.held_bytes() if new is store else 0)
        layers.append(replace(layer, store=new))
    return DecoderState(tuple(layers), state.length), held / state.length


def answer(model: LoadedModel, state: DecoderState, question: str) -> tuple[str, int]:
    """An answer and how many tokens it has."""
    ids = list(
        generate(
            model.decoder,
            prompt_ids(model, question),
            state,
            stop_ids=model.tokenizer.eos_ids,
            sampling=Sampling(max_tokens=64),
        )
    )
    return model.tokenizer.decode(ids).strip(), len(ids) + 1


def compare(model: LoadedModel, state: DecoderState, asked: Asked, exact: bool) -> None:
    """Asks stores of all kinds question by question, and prints the counts so far each time."""
    states = {kind: with_stores(state, kind) for kind in STORES}
    rows = {
        kind: {"bytes a token": round(held, 1), "right": 0, "as bf16": 0, "of": 0, "seconds": 0.0}
        for kind, (_, held) in states.items()
    }
    for question, wanted in asked:
        first = None
        for kind, (kept, _) in states.items():
            began = time.perf_counter()
            found, count = answer(model, kept, question)
            first = first or found
            row = rows[kind]
            row["right"] += found == wanted if exact else wanted in found
            row["as bf16"] += found == first
            row["of"] += 1
            row["seconds"] += (time.perf_counter() - began) / count
        print("; ".join(f"{kind} {row}" for kind, row in rows.items()), flush=True)


def main() -> None:
    """Prints what the store is of, and the counts; `seconds` are the sum of those a token."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--each", type=int, default=5, help="questions of a kind")
    parser.add_argument("--needles", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=32_768, help="about, with --needles")
    parser.add_argument("--session", help="ask this session instead of reading the document")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    document = read_documents([options.path])
    model = load_model(say=print)
    asked: Asked = []
    if options.needles:
        document, asked = hide(document, options.needles, int(options.tokens * 3.9), options.seed)
    kept = None if options.session else document
    with open_session(model, kept, name=options.session, say=print) as session:
        session.read()
        asked = asked or book_questions(session.document, options.each, options.seed)
        threads = torch.get_num_threads()
        print(f"{len(session.ids):,} tokens, {model.dtype}, {threads} threads")
        compare(model, session.state, asked, exact=not options.needles)


if __name__ == "__main__":
    main()
