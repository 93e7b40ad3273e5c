from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from farspan.data.corpus import Corpus
from farspan.data.documents import find_shards, read_shard
from farspan.data.prepare import prepare
from farspan.data.qa import KINDS, extract_items
from farspan.errors import DamagedFileError, RequestError
from farspan.models.tokenizer import Tokenizer
from tests.data.story import story


def test_tokens_are_those_of_the_text(books: Path, corpus: Corpus, tokenizer: Tokenizer) -> None:
    sources = list(read_shard(find_shards(books)[0]))
    for source, (shard, document) in zip(sources, corpus.places, strict=True):
        ids = shard.token_t[document.begin : document.end]
        assert document.title == source.title
        assert tokenizer.decode(ids.tolist()) == source.text


def test_sentences_start_with_white_space_after_a_sentence(
    corpus: Corpus, tokenizer: Tokenizer
) -> None:
    shard, document = corpus.places[0]
    starts = shard.sentence_n[document.first_sentence : document.last_sentence]
    assert len(starts) > 500
    for start in starts[::37].tolist():
        before = tokenizer.decode(shard.token_t[max(0, start - 4) : start].tolist())
        after = tokenizer.decode(shard.token_t[start : start + 1].tolist())
        assert before.rstrip('"').endswith(".") and after[0] in " \n"


def test_evidence_span_holds_slots_and_answer(corpus: Corpus, tokenizer: Tokenizer) -> None:
    shard = corpus.shards[0]
    seen = set()
    for index in range(len(shard.items)):
        kind = KINDS[shard.items.kind_n[index]]
        if kind not in ("says", "completion", "next_sentence", "year", "chapter_title"):
            continue
        seen.add(kind)
        slots, answer = shard.items.words(index)
        low, high = int(shard.items.start_n[index]), int(shard.items.end_n[index])
        text = " ".join(tokenizer.decode(shard.token_t[low:high].tolist()).split())
        assert answer.rstrip(".") in text
        for part in slots[0].split("____"):
            assert part.rstrip("?!").strip() in text or kind == "chapter_title"
    assert {"says", "completion", "year", "chapter_title"} <= seen


def test_held_out_shards_are_never_trained_on(prepared: Path) -> None:
    train = {document.id for _, document in Corpus.load(prepared).places}
    held = {document.id for _, document in Corpus.load(prepared, "held-out").places}
    assert train == {"book/00", "book/01", "book/02"}
    assert held == {"book/10", "book/11", "book/12"}
    assert {d.id for _, d in Corpus.load(prepared, "all").places} == train | held


@pytest.mark.timeout(60)
def test_processes_give_the_same_corpus(
    books: Path, prepared: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    prepare(books, tmp_path, tokenizer, workers=2, held_out=["train-001-of-002"])
    names = sorted(path.name for path in prepared.iterdir() if path.is_file())
    assert names == sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    for name in names:
        if not name.endswith(".npz"):  # a zip archive holds the time of writing
            assert (prepared / name).read_bytes() == (tmp_path / name).read_bytes()
    one, two = Corpus.load(prepared).shards[0].items, Corpus.load(tmp_path).shards[0].items
    assert [one.words(i) for i in range(len(one))] == [two.words(i) for i in range(len(two))]


def test_folder_of_texts(tmp_path: Path, tokenizer: Tokenizer) -> None:
    source, out = tmp_path / "texts", tmp_path / "out"
    source.mkdir()
    (source / "a_tale.md").write_text("# Tale\n\nOnce there was a fox. It ran.", encoding="utf-8")
    (source / "empty.txt").write_text("", encoding="utf-8")
    prepare(source, out, tokenizer)
    ((_, document),) = Corpus.load(out).places
    assert (document.title, document.domain) == ("a tale", "text")


def test_errors_name_what_is_wrong(tmp_path: Path, prepared: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(RequestError, match="no folder"):
        find_shards(tmp_path / "none")
    with pytest.raises(RequestError, match=r"no \.parquet"):
        find_shards(tmp_path)
    with pytest.raises(RequestError, match="no prepared corpus"):
        Corpus.load(tmp_path)
    with pytest.raises(RequestError, match="split"):
        Corpus.load(prepared, "test")
    with pytest.raises(RequestError, match="workers"):
        prepare(tmp_path, tmp_path, tokenizer, workers=0)
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(RequestError, match="Parquet"):
        list(read_shard(tmp_path / "x.parquet"))
    (tmp_path / "corpus.json").write_text('{"version": 0}', encoding="utf-8")
    with pytest.raises(DamagedFileError, match="another version"):
        Corpus.load(tmp_path)


def test_a_quotation_that_occurs_twice_is_not_asked() -> None:
    speech = '"We shall never cross the wide river again," said Andrew.'
    once = "The evening was cold.\n\n" + speech + "\n\nThen all went home to bed."
    assert [item.kind for item in extract_items(once, "book")] == ["says"]
    assert extract_items(once + "\n\n" + speech, "book") == []


def test_reference_and_law() -> None:
    entry = (
        "## Introduction\nconventional short form: Utopia\nClimate: mild all year\n"
        "total: 5\ntotal: 6\n"
    )
    (item,) = extract_items(entry, "reference")
    assert (item.kind, item.slots, item.answer) == (
        "reference",
        ("the climate of Utopia",),
        "Mild all year.",
    )
    law = "Title 1.\n\n§ 1-101 Short title of law.\nText.\n\n§ 1-102 Duties of the Mayor.\nText.\n"
    kinds = [(item.kind, item.slots[0]) for item in extract_items(law, "legal")]
    assert ("section_title", "§ 1-102") in kinds
    assert ("section_number", "Duties of the Mayor") in kinds


def test_items_are_deterministic_and_ordered() -> None:
    text = story(5)
    items = extract_items(text, "book")
    assert items == extract_items(text, "book")
    starts = np.array([item.start for item in items])
    assert (np.diff(starts) >= 0).all() and len(items) > 20
