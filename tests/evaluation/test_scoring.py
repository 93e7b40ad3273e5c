"""Metrics against the words of their definitions."""

import pytest

from farspan.evaluation.samples import Question
from farspan.evaluation.scoring import (
    babilong_match,
    final_list_f1,
    first_number,
    joined,
    mrcr_ratio,
    string_match_all,
    string_match_part,
    whole_words,
)


def question(*answers, **about):
    return Question(about.pop("text", ""), answers, answers[0], about=about)


def test_rulers_matches_are_shares_and_any():
    asked = question("Alpha", "Beta", "Gamma", "Delta")
    assert string_match_all("alpha, DELTA and gammaray", asked) == 0.75
    assert string_match_part("only BETA", asked) == 1 and string_match_part("none", asked) == 0


def test_the_first_number_counts():
    assert first_number(" 12345. Or 7", question("12345")) == 1
    assert first_number("I saw 7 and 12345", question("12345")) == 0
    assert first_number("none", question("12345")) == 0


ROOMS = ["bathroom", "garden", "kitchen"]


@pytest.mark.parametrize(
    ("reply", "answer", "labels", "asks", "score"),
    [
        ("The most recent location of Mary is Garden.", "garden", ROOMS, "Where is Mary?", 1),
        ("garden. Or kitchen.", "garden", ROOMS, "Where?", 1),
        ("garden or kitchen", "garden", ROOMS, "Where?", 0),
        ("Before the kitchen it was in the garden", "garden", ROOMS, "before the kitchen?", 1),
        ("garden <example> kitchen", "garden", ROOMS, "Where?", 1),
        ("milk and apple", "apple,milk", ["apple", "football", "milk", "nothing"], "What?", 1),
        ("apple", "apple,milk", ["apple", "football", "milk", "nothing"], "What?", 0),
        ("None", "none", ["none", "one", "two", "three"], "How many?", 1),
        ("one", "none", ["none", "one", "two", "three"], "How many?", 0),
        ("e,n", "e,n", ["e,n", "n,e"], "How do you go?", 1),
    ],
)
def test_babilong_takes_the_labels_of_the_first_sentence(reply, answer, labels, asks, score):
    assert babilong_match(reply, question(answer, labels=labels, asks=asks)) == score


def test_mrcr_needs_the_prefix_and_measures_the_rest():
    asked = question("abcThe rain fell", prefix="abc")
    assert mrcr_ratio("abcThe rain fell", asked) == 1
    assert mrcr_ratio("The rain fell", asked) == 0
    assert mrcr_ratio("abcThe rain", asked) == pytest.approx(2 * 8 / (8 + 13))


def test_graphwalks_takes_the_list_of_the_last_line():
    asked = question("a", "b")
    assert final_list_f1("I think.\nFinal Answer: [b, a]", asked) == 1
    assert final_list_f1("Final Answer: [a]", asked) == pytest.approx(2 / 3)
    assert final_list_f1("Final Answer: [a]\nand more", asked) == 0
    assert final_list_f1("[a, b]", asked) == final_list_f1("Final Answer: []", asked) == 0


def test_words_are_whole():
    assert whole_words("To York, of course", question("york")) == 1
    assert whole_words("Yorkshire", question("York")) == 0


def test_keys_are_joined_as_in_ruler():
    assert [joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"])] == [
        "a",
        "a, and b",
        "a, b, and c",
    ]
