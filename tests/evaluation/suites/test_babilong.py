"""BABILong's prompts, the place of the facts, and what files change."""

from farspan.evaluation.suites import find_tasks
from farspan.evaluation.suites.babilong import prompts


def test_prompts_are_the_published_ones():
    found = prompts()
    assert list(found) == [f"qa{i}" for i in range(1, 21)]
    assert found["qa1"]["post_prompt"] == (
        "Always return your answer in the following format: The most recent location of ’person’"
        " is ’location’. Do not write anything else after that."
    )
    assert found["qa5"]["labels"] == ["Bill", "Fred", "Jeff", "Mary", "apple", "football", "milk"]
    for prompt in found.values():
        assert prompt["examples"].count("<example>") == prompt["examples"].count("</example>") > 1
        assert "  " not in prompt["instruction"] + prompt["post_prompt"]


def test_facts_stand_in_their_order_between_sentences_of_the_book(draw):
    sample, _ = draw("babilong/qa1", 4096, 3)
    (question,) = sample.questions
    assert sample.head.text.endswith("\n\n<context>\n")
    assert question.text.startswith("</context>\n\nQuestion: Where is ")
    person = question.about["asks"].split()[-1].rstrip("?")
    last = max(
        sample.body.text.rfind(f" {person} {verb} to the ")
        for verb in ("moved", "went", "went back", "journeyed", "travelled")
    )
    assert sample.body.text[last:].split(".")[0].endswith(question.answers[0])


def test_files_give_tasks_beyond_the_simulator_with_their_own_chance(draw, files):
    (task,) = find_tasks(("babilong/qa11",), files)
    assert (task.missing, task.constant, task.chance) == ("", "bedroom", 2 / 3)
    sample, _ = draw("babilong/qa11", 2048)
    assert sample.questions[0].answers[0] in ("bedroom", "garden")
    (missing,) = find_tasks(("babilong/qa20",), files)
    assert "--babi" in missing.missing
