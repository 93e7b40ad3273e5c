"""A tokenizer of the usual kind, trained in a second on the book in the repository."""

import gzip
from pathlib import Path

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from farspan.evaluation.encoder import Encoder
from farspan.evaluation.haystack import load_haystack
from farspan.evaluation.producer import Job, Maker, Source
from farspan.evaluation.suites import Files
from farspan.models.tokenizer import Tokenizer

from ..tiny import TEMPLATE

BOOK = Path(__file__).parents[2] / "examples" / "the-black-arrow.txt.gz"


def train_tokenizer(vocabulary: int = 6000) -> Tokenizer:
    """Byte-level BPE that takes digits one by one, as SmolLM2's does."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False
    )
    text = gzip.decompress(BOOK.read_bytes()).decode()
    backend.train_from_iterator([text[:200_000]], trainer)
    backend.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    start, end = (backend.token_to_id(f"<|im_{x}|>") for x in ("start", "end"))
    return Tokenizer(backend, bos_id=start, eos_ids=(end,), chat_template=TEMPLATE)


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer()


@pytest.fixture(scope="session")
def encode(tokenizer):
    return Encoder(tokenizer)


@pytest.fixture(scope="session")
def book(tokenizer):
    return load_haystack("book", tokenizer)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Small files of each format that a user may point at."""
    from .suites.files import write_files

    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="session")
def draw(tokenizer, book, files):
    """Samples by task, length and number."""
    makers: dict[str, Maker] = {}

    def one(task: str, length: int, index: int = 0, *, seed: int = 0, files: Files = files):
        key = f"{task} {seed} {files}"
        if key not in makers:
            source = Source((task,), files, "book", seed, overhead=20, keep_text=True)
            makers[key] = Maker(source, tokenizer, book)
        sample = makers[key](Job(task, length, index))
        assert not isinstance(sample, str), sample
        return sample, makers[key].tasks[task]

    return one
