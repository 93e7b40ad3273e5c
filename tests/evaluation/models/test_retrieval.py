"""Retrieval: the best passages, in order, in a short prompt."""

import numpy as np
import pytest

from farspan.evaluation.encoder import Encoder
from farspan.evaluation.models.builtin import Oracle
from farspan.evaluation.models.catalog import EMBEDDING_PACKAGE
from farspan.evaluation.models.retrieval import Embedding, RetrievalModel, bm25
from farspan.evaluation.samples import Question, Sample

QUESTION = "What is the special magic number for brave-otter?"


def test_bm25_by_hand():
    texts = ["the otter swims", "the cat and the dog", "an otter and an otter too"]
    scores = bm25(texts, "Otter?")
    rarity = np.log(1 + (3 - 2 + 0.5) / 2.5)
    mean = np.mean([3, 5, 6])
    expected = [
        rarity * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * length / mean))
        for n, length in ((1, 3), (0, 5), (2, 6))
    ]
    assert scores == pytest.approx(expected)
    assert bm25(["a", "b"], "zebra").tolist() == [0, 0]


def test_the_passage_with_the_needle_reaches_the_reader(tokenizer, book, draw):
    class Noting(Oracle):
        name = "noting"

        def answer(self, samples, max_tokens):
            self.samples = samples
            return super().answer(samples, max_tokens)

    reader = Noting(tokenizer)
    model = RetrievalModel("m+bm25", reader, bm25, "bm25", passages=3)
    for index in range(6):
        sample, _ = draw("niah/single", 16384, index)
        (question,) = sample.questions
        reply = model.answer([sample], 16)[0][0]
        (short,) = reader.samples
        assert question.answers[0] in short.body.text
        assert short.body.n_tokens <= 3 * 256 and short.head is sample.head
        assert reply.text == question.perfect and reply.read_seconds > 0
    assert "bm25" in model.identity and model.overhead == reader.overhead


def test_passages_keep_their_order_and_every_question_its_own(tokenizer):
    encode = Encoder(tokenizer)
    body = encode(" ".join(f"word{'abcdefgh'[i % 8]} is here." for i in range(900)))
    model = RetrievalModel("m", Oracle(tokenizer), bm25, "bm25", passages=2)
    passages = model._cut(body)
    for number, passage in enumerate(passages):
        assert passage.ids.tolist() == body.ids[192 * number :][:256].tolist()
    assert sum(p.n_tokens for p in passages) == body.n_tokens + 64 * (len(passages) - 1)
    best = model._best(passages, Question("none", ("x",), "x"))
    assert best.ids.tolist() == [*body.ids[:256], *body.ids[192:448]]
    sample = Sample(encode("x"), body, (Question("a", ("x",), "1"), Question("b", ("x",), "2")))
    assert [reply.text for reply in model.answer([sample], 4)[0]] == ["1", "2"]


@pytest.mark.slow
def test_the_embedding_finds_what_is_meant():
    pytest.importorskip(EMBEDDING_PACKAGE)
    rank = Embedding("cpu")
    texts = ["The feline slept on the sofa.", "Stock prices fell sharply.", "Rain is expected."]
    assert int(rank(texts, "Where was the cat?").argmax()) == 0
    assert int(rank(texts, "How did the market do?").argmax()) == 1
    assert np.linalg.norm(rank.embed(texts), axis=1) == pytest.approx(1, abs=1e-5)
