"""Facts of the definitions of passkey, niah, nolima, conversation, mrcr, graphwalks, perplexity."""

import re
from datetime import datetime

import numpy as np
import pytest

from farspan.evaluation.samples import spread_depth
from farspan.evaluation.suites.graphwalks import at_depth
from farspan.evaluation.suites.mrcr import ordinal
from farspan.evaluation.suites.nolima import FACTS


def test_the_passkey_is_told_twice_at_its_depth(draw):
    for index in range(4):
        sample, _ = draw("passkey/passkey", 4096, index)
        (question,) = sample.questions
        (key,) = question.answers
        told = f"The pass key is {key}. Remember it. {key} is the pass key."
        assert sample.body.text.count(told) == 1
        depth = sample.body.text.index(told) / (len(sample.body.text) - len(told))
        assert depth == pytest.approx(spread_depth(index), abs=0.02)
        assert 1 <= int(key) <= 50_000


def test_the_needle_stands_at_its_depth_between_sentences(draw):
    for index in range(6):
        sample, _ = draw("niah/single", 8192, index)
        (question,) = sample.questions
        place = sample.body.text.index(" One of the special magic numbers for")
        assert place / len(sample.body.text) == pytest.approx(question.about["depth"], abs=0.03)
        before = sample.body.text[:place].rstrip()
        assert not before or before[-1] in '.!?"”'


COMMON = set(
    re.findall(r"\w+", "which character has been to is a an the of could you for cannot who in")
)


@pytest.mark.parametrize(("fact", "question"), FACTS)
def test_facts_share_no_word_with_their_questions(fact, question):
    words = [set(re.findall(r"[a-z]+", text.lower())) - COMMON for text in (fact, question)]
    assert not words[0] & words[1]


def test_the_name_is_in_the_fact_alone(draw):
    sample, task = draw("nolima/onehop", 4096, 2)
    (question,) = sample.questions
    assert sample.body.text.count(question.answers[0]) == 1
    assert task.score(f"It is {question.answers[0].lower()}.", question) == 1
    assert task.score(f"{question.answers[0]}lyn", question) == 0


def test_only_the_latest_of_what_was_said_counts(draw):
    sample, _ = draw("conversation/recall", 8192, 1)
    text = sample.body.text
    assert len(sample.questions) == 6
    changed = [q for q in sample.questions if q.about["level"] == "changed"]
    assert len(changed) == 3
    turns = re.findall(r"\n\nMe: ([^\n]+)\n", text)
    for question in sample.questions:
        assert any(question.answers[0] in turn for turn in turns)
    stamps = re.findall(r"\n\n(\w+day \d+ \w+ 2026, \d\d:\d\d)\n", text)
    times = [datetime.strptime(stamp, "%A %d %B %Y, %H:%M") for stamp in stamps]
    assert times == sorted(times) and (times[-1] - times[0]).days >= 2


@pytest.mark.parametrize("n", [2, 4, 8])
def test_the_asked_piece_is_the_ith_of_n_alike_requests(n, draw):
    sample, task = draw(f"mrcr/{n}needle", 8192, 3)
    (question,) = sample.questions
    form, topic = re.search(r"\(1 indexed\) ([\w ]+) about ([\w ]+)\. Do", question.text).groups()
    which = int(re.search(r"to the (\d+)", question.text)[1])
    replies = re.findall(
        rf"User: Write an? {form} about {topic}\.\n\nAssistant:(.*?)(?=\n\nUser: Write|\Z)",
        sample.body.text,
        re.DOTALL,
    )
    assert len(replies) == n and 1 <= which <= n
    prefix = question.about["prefix"]
    assert question.perfect == prefix + replies[which - 1].strip()
    others = [prefix + reply.strip() for i, reply in enumerate(replies, 1) if i != which]
    assert all(task.score(other, question) < 0.8 for other in others)
    assert task.score(replies[which - 1].strip(), question) == 0  # without the prefix


def test_ordinals():
    assert [ordinal(n) for n in (1, 2, 3, 4, 8, 11, 22)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "8th",
        "11th",
        "22nd",
    ]


@pytest.mark.parametrize("kind", ["bfs", "parents"])
def test_answers_follow_from_the_edges_in_the_text(kind, draw):
    for index in range(4):
        sample, _ = draw(f"graphwalks/{kind}", 4096, index)
        (question,) = sample.questions
        edges = re.findall(r"([0-9a-f]{10}) -> ([0-9a-f]{10})\n", sample.body.text)
        assert len(edges) == sample.body.text.count("->") == len(set(edges))
        node = re.search(r"node ([0-9a-f]{10})", question.text)[1]
        if kind == "parents":
            expected = {a for a, b in edges if b == node}
        else:
            depth = int(re.search(r"with depth (\d)", question.text)[1])
            distance, front = {node: 0}, [node]
            while front:
                front = [
                    b
                    for a, b in edges
                    if a in front and b not in distance and distance.setdefault(b, distance[a] + 1)
                ]
            expected = {n for n, d in distance.items() if d == depth}
        assert set(question.answers) == expected and 1 <= len(expected) <= 8


def test_depth_is_the_shortest_way():
    edges = np.array([[0, 1], [1, 2], [0, 2], [2, 3], [3, 0]])
    assert at_depth(edges, 0, 1) == {1, 2}
    assert at_depth(edges, 0, 2) == {3}


def test_places_double_and_end_before_the_last_span(draw):
    sample, _ = draw("perplexity/haystack", 4096)
    places = [question.about["place"] for question in sample.questions]
    assert places == [256, 512, 1024, 2048, 4096 - 20 - 256]
    assert sample.body.n_tokens == 4096 - 20
