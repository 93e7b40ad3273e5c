import pytest
from hypothesis import given
from hypothesis import strategies as st

from farspan.apps.sentences import sentence_spans

WRAPPED = """It was a dark night, and the rain fell in torrents upon the roofs
of the town. Mr. J. Pell said "Hold the lantern!" and went out. Was he
mad? Nobody knew… perhaps 3.5 miles away, e.g. at Dr. Brand's.

A NEW CHAPTER
- first item
- second item, which is
2) third"""


def pieces(text):
    return [text[a:b] for a, b in sentence_spans(text, 0, len(text))]


def test_wrapped_lines_abbreviations_and_items():
    assert [" ".join(piece.split()) for piece in pieces(WRAPPED)] == [
        "It was a dark night, and the rain fell in torrents upon the roofs of the town.",
        'Mr. J. Pell said "Hold the lantern!" and went out.',
        "Was he mad?",
        "Nobody knew… perhaps 3.5 miles away, e.g. at Dr. Brand's.",
        "A NEW CHAPTER",
        "- first item",
        "- second item, which is",
        "2) third",
    ]


def test_one_paragraph_a_line():
    text = "x" * 150 + "\n" + "y" * 150 + "\n“Yes.” She left.\n"
    assert pieces(text) == ["x" * 150, "y" * 150, "“Yes.”", "She left."]


@pytest.mark.parametrize("text", ["", "   \n ", "...", "No end"])
def test_edges(text):
    assert pieces(text) == ([text] if text.strip() else [])


@given(st.text(alphabet='aA.!? \n"-“”1\r', max_size=200), st.data())
def test_spans_cover_everything_but_white_space(text, data):
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, len(text)))
    spans = sentence_spans(text, start, stop)
    places = [i for a, b in spans for i in range(a, b)]
    assert places == sorted(set(places)) and all(start <= i < stop for i in places)
    missing = set(range(start, stop)) - set(places)
    assert not any(text[i].strip() for i in missing)
    assert all(text[a:b] == text[a:b].strip() for a, b in spans)
