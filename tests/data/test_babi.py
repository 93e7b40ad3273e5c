"""The simulator: every answer follows from its story, found again by other means."""

import re

import numpy as np
import pytest

from farspan.data.babi import (
    PARAPHRASED,
    SIMULATED,
    find_babi,
    outcomes,
    read_babi,
    simulate,
)
from farspan.errors import RequestError

MOVES = re.compile(r"(\w+) (?:moved|went|went back|journeyed|travelled) to the (\w+)\.")
TAKES = re.compile(r"(\w+) (?:got|took|picked up|grabbed) the (\w+) there\.")
DROPS = re.compile(r"(\w+) (?:dropped|discarded|put down|left) the (\w+)\.")
GIVES = re.compile(r"(\w+) (?:gave|passed|handed) the (\w+) to (\w+)\.")


QA11 = """1 Ilse hurried to the bathroom.
2 A little later she hurried to the bedroom.
3 Where is Ilse? \tbedroom\t1 2
4 Otto hurried to the office.
5 A little later he hurried to the garden.
6 Where is Otto? \tgarden\t4 5
1 Paula hurried to the kitchen.
2 A little later she hurried to the bedroom.
3 Where is Paula? \tbedroom\t1 2
"""


def replay(facts):
    """Who is where, who holds what in order, and where each thing has been."""
    where, holds, been = {}, {}, {}

    def note(thing, place):
        if place and (not been.get(thing) or been[thing][-1] != place):
            been.setdefault(thing, []).append(place)

    for fact in facts:
        if m := MOVES.fullmatch(fact):
            where[m[1]] = m[2]
            for thing in [t for t, p in holds.items() if p == m[1]]:
                note(thing, m[2])
        elif m := TAKES.fullmatch(fact):
            holds[m[2]] = m[1]
            note(m[2], where.get(m[1]))
        elif m := DROPS.fullmatch(fact):
            assert holds.pop(m[2]) == m[1]
        elif m := GIVES.fullmatch(fact):
            assert holds[m[2]] == m[1]
            holds[m[2]] = m[3]
            note(m[2], where.get(m[3]))
        else:
            raise AssertionError(fact)
    return where, holds, been


def stories(task, count=80):
    rng = np.random.default_rng(len(task))
    return [simulate(task, rng) for _ in range(count)]


def words(question):
    return question.rstrip("?").split()


def test_where_people_and_things_are():
    for story in stories("qa1"):
        assert replay(story.facts)[0][words(story.question)[-1]] == story.answer
    for story in stories("qa2"):
        assert replay(story.facts)[2][words(story.question)[-1]][-1] == story.answer
    for story in stories("qa3"):
        been = replay(story.facts)[2]
        thing, place = re.search(r"was the (\w+) before the (\w+)\?", story.question).groups()
        assert been[thing][-2:] == [story.answer, place]


def test_what_lies_north():
    opposite = {"north": "south", "south": "north", "east": "west", "west": "east"}
    for story in stories("qa4"):
        known = set()
        for fact in story.facts:
            one, way, other = re.fullmatch(r"The (\w+) is (\w+) of the (\w+)\.", fact).groups()
            known |= {(one, way, other), (other, opposite[way], one)}
        if m := re.fullmatch(r"What is (\w+) of the (\w+)\?", story.question):
            found = [a for a, way, b in known if (way, b) == m.groups()]
        else:
            place, way = re.fullmatch(r"What is the (\w+) (\w+) of\?", story.question).groups()
            found = [b for a, w, b in known if (a, w) == (place, way)]
        assert found == [story.answer]


def test_who_gave_what_to_whom():
    for story in stories("qa5"):
        replay(story.facts)
        giver, thing, taker = [m.groups() for f in story.facts if (m := GIVES.fullmatch(f))][-1]
        assert story.answer in (giver, thing, taker)
        assert story.answer not in words(story.question)


def test_yes_no_and_how_many():
    for story in stories("qa6"):
        person, place = words(story.question)[1], words(story.question)[-1]
        assert (replay(story.facts)[0][person] == place) == (story.answer == "yes")
    names = ["none", "one", "two"]
    for story in stories("qa7"):
        person = re.search(r"is (\w+) carrying", story.question)[1]
        assert names[list(replay(story.facts)[1].values()).count(person)] == story.answer
    for story in stories("qa8"):
        person = re.search(r"is (\w+) carrying", story.question)[1]
        held = [t for t, p in replay(story.facts)[1].items() if p == person]
        assert set(story.answer.split(",")) == (set(held) or {"nothing"})


def test_negation_and_doubt():
    for task in ("qa9", "qa10"):
        for story in stories(task):
            person, place = words(story.question)[1], words(story.question)[-1]
            last = [fact for fact in story.facts if fact.split()[0] == person][-1]
            if "either" in last:
                expected = "maybe" if place in last else "no"
            elif " not in " in last or "no longer" in last:
                assert place in last
                expected = "no"
            else:
                expected = "yes" if place in last else "no"
            assert story.answer == expected


@pytest.mark.parametrize("task", SIMULATED)
def test_every_answer_is_as_likely(task):
    rng = np.random.default_rng(7)
    answers = [simulate(task, rng).answer for _ in range(400)]
    share = 1 / len(outcomes(task))
    for outcome in outcomes(task):
        count = sum(x == outcome or (outcome == "two things" and "," in x) for x in answers)
        assert abs(count / 400 - share) < 4 * np.sqrt(share * (1 - share) / 400)


def test_other_words_share_no_verb_with_babis_own():
    rng = np.random.default_rng(0)
    verbs = r"\b(moved|went|journeyed|travelled|got|took|grabbed|dropped|discarded|put down|gave)\b"
    for task in ("qa1", "qa2", "qa3"):
        story = simulate(task, rng, PARAPHRASED)
        assert not any(re.search(verbs, fact) for fact in story.facts)


def test_files_give_a_story_for_each_question_with_the_facts_before_it(tmp_path):
    (tmp_path / "qa11_basic-coreference_test.txt").write_text(QA11)
    path = find_babi(tmp_path, "qa11")
    found = read_babi(path)
    assert [len(story.facts) for story in found] == [2, 4, 2]
    assert found[1].question == "Where is Otto?" and found[1].answer == "garden"
    assert find_babi(tmp_path, "qa1") is None  # qa11 is another task


def test_files_of_another_format_are_told(tmp_path):
    path = tmp_path / "qa1_x.txt"
    for text in ("Mary went home.\n", "", "1 Mary went home.\n"):
        path.write_text(text)
        read_babi.cache_clear()
        with pytest.raises(RequestError, match="qa1_x"):
            read_babi(path)
