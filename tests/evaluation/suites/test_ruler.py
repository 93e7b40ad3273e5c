"""RULER's tasks against facts of their definitions (arXiv 2404.06654)."""

import re
from collections import Counter

import pytest

from farspan.data.needles import FILLER
from farspan.errors import RequestError
from farspan.evaluation.suites import Files
from farspan.evaluation.suites.ruler_needles import DEPTHS, SETTINGS

NEEDLE = re.compile(r"One of the special magic (\w+) for ([\w-]+) is: ([\w-]+)\.")
KINDS = {
    "words": r"[a-z]+-[a-z]+",
    "numbers": r"[1-9]\d{6}",
    "uuids": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
}


@pytest.mark.parametrize("name", list(SETTINGS))
@pytest.mark.parametrize("index", range(3))
def test_needles_are_as_many_and_of_the_kinds_that_the_settings_say(name, index, draw):
    settings = SETTINGS[name]
    sample, _ = draw(f"ruler/{name}", 4096, index)
    (question,) = sample.questions
    found = NEEDLE.findall(sample.body.text)
    n_keys = max(settings.keys, settings.queries)
    if settings.haystack == "needle":
        assert len(found) > 20
    else:
        assert len(found) == n_keys * settings.values
        assert len({key for _, key, _ in found}) == n_keys
    for kind, key, value in found:
        assert kind == settings.value_type
        assert re.fullmatch(KINDS[settings.key_type], key)
        assert re.fullmatch(KINDS[settings.value_type], value)
    asked = [key for key in dict.fromkeys(k for _, k, _ in found) if key in question.text]
    assert len(asked) == settings.queries
    values = [v for _, key, v in found if key in asked]
    assert sorted(values) == sorted(question.answers)
    assert len(question.answers) == settings.queries * settings.values


def test_one_value_is_asked_for_in_the_singular_and_several_in_the_plural(draw):
    (single,) = draw("ruler/niah_single_2", 4096)[0].questions
    assert re.fullmatch(
        r"What is the special magic number for \S+ mentioned in the provided text\?", single.text
    )
    assert single.prefix.endswith("mentioned in the provided text is")
    sample, _ = draw("ruler/niah_multiquery", 4096)
    (many,) = sample.questions
    assert many.text.startswith("What are all the special magic numbers for ")
    assert re.search(r"for \S+, \S+, \S+, and \S+ mentioned", many.text)
    assert many.prefix.endswith("mentioned in the provided text are")
    assert sample.head.text == (
        "Some special magic numbers are hidden within the following text. Make sure to memorize"
        " it. I will quiz you about the numbers afterwards.\n"
    )


def test_depths_are_forty_percentages():
    assert len(DEPTHS) == 40 and DEPTHS[0] == 0 and DEPTHS[-1] == 100
    assert DEPTHS[:6].tolist() == [0, 3, 5, 8, 10, 13]


def test_noise_is_the_five_sentences_over_and_over(draw):
    sample, _ = draw("ruler/niah_single_1", 4096)
    lines = [line for line in sample.body.text.splitlines() if not NEEDLE.fullmatch(line)]
    assert set(lines) == {FILLER} and len(lines) > 50


def test_variables_are_one_chain_of_four_hops_in_order(draw):
    sample, task = draw("ruler/vt", 4096)
    (question,) = sample.questions
    assigned = re.findall(r"VAR ([A-Z]{5}) = (?:VAR )?(\w+)", sample.body.text)
    assert len(assigned) == 5 == len(question.answers)
    names = [name for name, _ in assigned]
    value = re.search(r"assigned the value (\d{5})", question.text)[1]
    assert [source for _, source in assigned] == [value, *names[:-1]]
    assert tuple(names) == question.answers
    example = re.findall(r"VAR ([A-Z]{3}) = ", sample.head.text)
    assert len(example) == 5 and sample.head.n_tokens <= 560
    assert task.max_tokens == 30


def test_ten_words_are_common_thirty_times_and_the_others_three(draw):
    sample, _ = draw("ruler/cwe", 8192)
    (question,) = sample.questions
    entries = re.findall(r"(\d+)\. (\S+)", sample.body.text)
    assert [int(number) for number, _ in entries] == list(range(1, len(entries) + 1))
    counts = Counter(word for _, word in entries)
    assert set(Counter(counts.values())) == {30, 3}
    assert {w for w, n in counts.items() if n == 30} == set(question.answers)
    assert len(question.answers) == 10
    example = Counter(
        w for _, w in re.findall(r"(\d+)\. (\S+)", sample.head.text.split("\nQuestion")[0])
    )
    assert sorted(example.values()) == [3] * 30 + [10] * 10


def test_common_words_repeat_less_in_short_lists(draw):
    sample, _ = draw("ruler/cwe", 2048)
    counts = Counter(word for _, word in re.findall(r"(\d+)\. (\S+)", sample.body.text))
    assert set(counts.values()) == {6, 1}


def test_words_do_not_run_out_at_a_million_tokens(draw):
    sample, _ = draw("ruler/cwe", 1 << 20)
    counts = Counter(re.findall(r"\d+\. (\S+)", sample.body.text))
    assert len(counts) > 20_000 and set(counts.values()) == {30, 3}


def test_coded_words_fall_with_the_square_of_their_rank(draw):
    sample, _ = draw("ruler/fwe", 16384)
    (question,) = sample.questions
    counts = Counter(sample.body.text.split())
    ranked = counts.most_common()
    assert ranked[0][0] == "..."
    assert {word for word, _ in ranked[1:4]} == set(question.answers)
    assert all(re.fullmatch("[a-z]{6}", word) for word, _ in ranked[1:])
    total = ranked[0][1]
    for rank in (2, 3, 4, 5):
        assert ranked[rank - 1][1] == pytest.approx(total / rank**2, abs=1.5)


def test_the_answering_paragraph_is_one_of_many_numbered_documents(draw):
    sample, task = draw("ruler/qa_1", 4096, 5)
    (question,) = sample.questions
    numbers = [int(n) for n in re.findall(r"Document (\d+):\n", sample.body.text)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 8
    assert question.answers[0] in sample.body.text
    assert question.text.startswith("Answer the question based on the given documents.")
    assert task.score("it was on DAY 3, 4, 5, 6, 7, 8, 9 and 10", question) in (0.0, 1.0)


def test_all_paragraphs_of_a_hotpot_question_are_there(draw):
    sample, _ = draw("ruler/qa_2", 8192, 2)
    (question,) = sample.questions
    town = question.answers[0].removesuffix("shire")
    assert f"{town} lies in {town}shire" in sample.body.text
    assert f"The painter was born in {town}." in sample.body.text


def test_files_of_another_format_are_told(tmp_path, draw):
    path = tmp_path / "squad.json"
    for text in ("[1, 2]", "{", '{"data": [{"paragraphs": [{}]}]}', "[]"):
        path.write_text(text)
        from farspan.evaluation.suites.ruler_questions import read_squad

        read_squad.cache_clear()
        with pytest.raises((RequestError, AssertionError), match=r"squad\.json"):
            draw("ruler/qa_1", 4096, files=Files(squad=path), seed=len(text))
