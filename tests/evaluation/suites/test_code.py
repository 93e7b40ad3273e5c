"""Questions about a source tree whose answers can be looked up in it."""

import ast
import re

import pytest

from farspan.evaluation.samples import Question
from farspan.evaluation.suites import Files
from farspan.evaluation.suites.code import alike, all_in_order, default_root, functions_of

from .files import write_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Files(code=write_tree(tmp_path_factory.mktemp("tree"), 12))


def test_pythons_own_library_is_the_default(draw):
    sample, task = draw("codeqa/next", 16384, files=Files())
    (question,) = sample.questions
    path = default_root() / re.search(r"of `([^`]+)`", question.text)[1]
    name = re.search(r"after `(\w+)`", question.text)[1]
    defined = [x.name for x in ast.parse(path.read_text()).body if isinstance(x, ast.FunctionDef)]
    assert defined[defined.index(name) + 1] == question.answers[0]
    assert task.missing == ""


def test_the_function_is_in_the_text_without_its_description(draw, tree):
    sample, task = draw("repoqa/function", 2048, 1, files=tree)
    (question,) = sample.questions
    description = question.text.split("\n")[1]
    (code,) = question.answers
    assert code in sample.body.text and description not in sample.body.text
    assert "first_999" not in sample.body.text
    ast.parse(code)
    assert task.score(code, question) == 1
    assert task.score(code.replace("total", "summe"), question) in (0.0, 1.0)
    assert task.score("def other():\n    return 1", question) == 0


def test_files_begin_with_their_names(draw, tree):
    sample, _ = draw("codeqa/file", 2048, files=tree)
    (question,) = sample.questions
    name = re.search(r"`(\w+)`", question.text)[1]
    parts = sample.body.text.split("# file: ")[1:]
    (holder,) = [part.split("\n")[0] for part in parts if f"def {name}(" in part]
    assert holder == question.answers[0]


def test_parameters_and_neighbours(draw, tree):
    (question,) = draw("codeqa/parameters", 2048, files=tree)[0].questions
    assert question.answers == ("left", "right", "scale")
    (question,) = draw("codeqa/next", 2048, files=tree)[0].questions
    number = re.search(r"`first_(\d+)`", question.text)[1]
    assert question.answers == (f"second_{number}",)


def test_order_and_likeness():
    question = Question("", ("left", "right"), "")
    assert all_in_order("It takes left and right.", question) == 1
    assert all_in_order("right, left", question) == all_in_order("leftright", question) == 0
    code = Question("", ("def f(x):\n    return x + 1",), "")
    assert alike("Here:\n```python\ndef f(x):\n    return x + 1\n```", code) == 1
    assert alike("def f(y):\n    return y + 1", code) == 1  # two letters of 26
    assert alike("def g():\n    pass", code) == 0


def test_files_that_do_not_parse_have_no_functions(tmp_path):
    (tmp_path / "old.py").write_text('print "hello"\n')
    assert functions_of(tmp_path / "old.py") == ()


def test_a_tree_without_sources_is_told(tmp_path, draw):
    with pytest.raises(AssertionError, match="Python files"):
        draw("codeqa/file", 2048, files=Files(code=tmp_path))
