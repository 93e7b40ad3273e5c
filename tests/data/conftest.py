from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers

from farspan.data.corpus import Corpus
from farspan.data.prepare import prepare
from farspan.models.tokenizer import Tokenizer
from tests.data.story import story


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """A small byte-level tokenizer with the control tokens of the default model."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Digits(individual_digits=True),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    backend.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1200,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([story(seed, 2) for seed in range(3)], trainer)
    return Tokenizer(backend)


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two Parquet shards of three books each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("books")
    for shard in range(2):
        rows = [
            {
                "id": f"book/{shard}{n}",
                "title": f"Book {shard}{n}",
                "domain": "book",
                "licence": "US public domain",
                "source": "made up",
                "n_chars": 0,
                "text": story(10 * shard + n),
            }
            for n in range(3)
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"train-00{shard}-of-002.parquet")
    return folder


@pytest.fixture(scope="session")
def prepared(books: Path, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    return prepare(books, out, tokenizer, held_out=["train-001-of-002"])


@pytest.fixture(scope="session")
def corpus(prepared: Path) -> Corpus:
    return Corpus.load(prepared)
