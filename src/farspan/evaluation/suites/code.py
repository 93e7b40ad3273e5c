"""Questions about a source tree: find a function by what it does, and say where things are.

`repoqa/function` follows RepoQA (Liu et al. 2024, arXiv 2406.06025): a function is to be
reproduced from a description, here its own docstring, which is cut out of the text. A reply counts
if it is at least 0.8 alike, there by BLEU, here by matching characters. `codeqa` asks for files,
parameters and neighbours.
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from farspan.errors import RequestError
from farspan.evaluation.encoder import Passage, join
from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import whole_words
from farspan.evaluation.suites import Files

ALIKE = 0.8
LINES = (5, 25)
"""Lines of the functions that are asked for."""

REPO_TOKENS, CODE_TOKENS = 384, 48
MAX_FILE_CHARACTERS = 60_000
MOST_CHARACTERS_A_TOKEN = 6
"""Longer files than this suggests are not even tokenised."""

_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}
_REPO_ORDER = (
    "Based on the function description and code context, please retrieve and repeat the exact"
    " described function from the code context in a code block wrapped by ```:"
)
_CODE_HEAD = "This is a source tree. Each file begins with a line that names it.\n\n"


@dataclass(frozen=True)
class Function:
    """A function of a file: its code without its docstring, that docstring, its parameters."""

    name: str
    code: str
    description: str
    parameters: tuple[str, ...]
    following: str | None


def tasks(files: Files) -> list[Task]:
    """The function search and three kinds of questions."""
    kinds: dict[str, tuple[Callable[[Draft, Path], Sample], str]] = {
        "codeqa/file": (_ask_file, "main.py"),
        "codeqa/parameters": (_ask_parameters, "self"),
        "codeqa/next": (_ask_next, "main"),
    }
    root = files.code or default_root()
    found = [
        Task(
            name="repoqa/function",
            make=lambda draft: _ask_function(draft, root),
            score=alike,
            max_tokens=REPO_TOKENS,
            source="farspan, after Liu et al. 2024, arXiv 2406.06025",
            constant="def main():\n    pass",
        )
    ]
    for name, (make, constant) in kinds.items():
        found.append(
            Task(
                name=name,
                make=lambda draft, make=make: make(draft, root),  # type: ignore[misc]
                score=all_in_order if name == "codeqa/parameters" else whole_words,
                max_tokens=CODE_TOKENS,
                source="farspan's own",
                constant=constant,
            )
        )
    return found


def default_root() -> Path:
    """Python's own library."""
    return Path(sysconfig.get_paths()["stdlib"])


def alike(reply: str, question: Question) -> float:
    """1 if the code in the reply is at least 0.8 alike to the function."""
    code = reply.split("```")[1] if reply.count("```") else reply
    code = code.removeprefix("python\n").strip()
    matcher = SequenceMatcher(None, code, question.answers[0].strip(), autojunk=False)
    return float(bool(code) and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE)


def all_in_order(reply: str, question: Question) -> float:
    """1 if the reply has all answers, as whole words, in their order."""
    words = iter("".join(c if c.isalnum() or c == "_" else " " for c in reply).split())
    return float(all(answer in words for answer in question.answers))


def _ask_function(draft: Draft, root: Path) -> Sample:
    path, functions = _needle_file(draft, root, lambda f: len(f.description.split()) >= 8)
    function = functions[int(draft.rng.integers(len(functions)))]
    question = Question(
        f"Function Description:\n{function.description}\n\n{_REPO_ORDER}",
        (function.code,),
        perfect=f"```python\n{function.code}\n```",
        joint="\n\n",
    )
    text = without_docstring(_read(path), function.name)
    return _sample(draft, root, path, question, f"{_REPO_ORDER}\n\n", REPO_TOKENS, text)


def _ask_file(draft: Draft, root: Path) -> Sample:
    path, functions = _needle_file(draft, root, lambda f: True)
    function = functions[int(draft.rng.integers(len(functions)))]
    place = path.relative_to(root).as_posix()
    text = f"In which file is the function `{function.name}` defined? Give its name alone."
    question = Question(text, (place,), perfect=place)
    return _sample(draft, root, path, question, _CODE_HEAD, CODE_TOKENS)


def _ask_parameters(draft: Draft, root: Path) -> Sample:
    path, functions = _needle_file(draft, root, lambda f: len(f.parameters) >= 2)
    function = functions[int(draft.rng.integers(len(functions)))]
    place = path.relative_to(root).as_posix()
    question = Question(
        f"Which parameters does the function `{function.name}` in `{place}` take? Give their"
        " names.",
        function.parameters,
        perfect=", ".join(function.parameters),
    )
    return _sample(draft, root, path, question, _CODE_HEAD, CODE_TOKENS)


def _ask_next(draft: Draft, root: Path) -> Sample:
    path, functions = _needle_file(draft, root, lambda f: f.following is not None)
    function = functions[int(draft.rng.integers(len(functions)))]
    place = path.relative_to(root).as_posix()
    assert function.following is not None
    question = Question(
        f"Which function of `{place}` is defined right after `{function.name}`? Give its name"
        " alone.",
        (function.following,),
        perfect=function.following,
    )
    return _sample(draft, root, path, question, _CODE_HEAD, CODE_TOKENS)


def _sample(
    draft: Draft,
    root: Path,
    path: Path,
    question: Question,
    head_text: str,
    max_tokens: int,
    text: str | None = None,
) -> Sample:
    """The needle's file among others of the tree, as many as fit."""
    head = draft.encode(head_text)
    needle = _file(draft, root, path, _read(path) if text is None else text)
    room = draft.room(max_tokens, question, beside=[head])
    if needle.n_tokens > room:
        raise RequestError(
            f"{draft.length} tokens do not hold {path.name} with a question; give a greater length"
        )
    parts, room = [needle], room - needle.n_tokens
    others = [other for other in source_files(root) if other != path]
    for index in draft.rng.permutation(len(others)).tolist():
        text = _read(others[index])
        if len(text) > MOST_CHARACTERS_A_TOKEN * room:
            continue
        one = _file(draft, root, others[index], text)
        if one.n_tokens <= room:
            parts.append(one)
            room -= one.n_tokens
        elif room < draft.length // 20:
            break
    order = draft.rng.permutation(len(parts)).tolist()
    return Sample(head, join(parts[i] for i in order), (question,))


def _file(draft: Draft, root: Path, path: Path, text: str) -> Passage:
    return draft.encode.once(f"# file: {path.relative_to(root).as_posix()}\n{text.strip()}\n\n")


def _needle_file(
    draft: Draft, root: Path, fits: Callable[[Function], bool]
) -> tuple[Path, list[Function]]:
    """A file of at most half the length, with functions that fit and are unique in the tree."""
    paths = source_files(root)
    for index in draft.rng.permutation(len(paths)).tolist():
        path = paths[index]
        if path.stat().st_size > MOST_CHARACTERS_A_TOKEN * draft.length // 2:
            continue
        functions = [f for f in functions_of(path) if fits(f) and names(root).get(f.name) == 1]
        if functions and _file(draft, root, path, _read(path)).n_tokens <= draft.length // 2:
            return path, functions
    raise RequestError(
        f"no file under {root} has a function to ask for and takes at most half of {draft.length}"
        " tokens; give a greater length or another --code"
    )


@cache
def source_files(root: Path) -> tuple[Path, ...]:
    """The Python files of a tree, tests and installed packages left out, in order."""
    found = [
        path
        for path in sorted(root.rglob("*.py"))
        if not _SKIPPED & set(path.relative_to(root).parts)
        and 200 < path.stat().st_size < MAX_FILE_CHARACTERS
    ]
    if len(found) < 2:
        raise RequestError(f"{root} has {len(found)} Python files; a source tree has more")
    return tuple(found)


@cache
def names(root: Path) -> dict[str, int]:
    """How often each function name is defined in a tree."""
    counts: dict[str, int] = {}
    for path in source_files(root):
        for line in _read(path).splitlines():
            words = line.split("(")[0].split()
            if "def" in words[:2]:
                counts[words[-1]] = counts.get(words[-1], 0) + 1
    return counts


@cache
def functions_of(path: Path) -> tuple[Function, ...]:
    """The functions at the top of a file that have a docstring, parameters and a handy length."""
    text = _read(path)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return ()
    defined = [x for x in tree.body if isinstance(x, ast.FunctionDef)]
    found = []
    for i, node in enumerate(defined):
        description = ast.get_docstring(node)
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if description is None or not LINES[0] <= lines <= LINES[1] or node.decorator_list:
            continue
        cut = _lines_without_docstring(text.splitlines(), node)
        code = "\n".join(
            cut[node.lineno - 1 : len(cut) - len(text.splitlines()) + (node.end_lineno or 0)]
        )
        arguments = node.args
        parameters = tuple(
            x.arg for x in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        )
        following = defined[i + 1].name if i + 1 < len(defined) else None
        found.append(Function(node.name, code, description, parameters, following))
    return tuple(found)


def without_docstring(text: str, name: str) -> str:
    """A file's text without the docstring of one of its functions."""
    nodes = (x for x in ast.parse(text).body if isinstance(x, ast.FunctionDef) and x.name == name)
    return "\n".join(_lines_without_docstring(text.splitlines(), next(nodes)))


def _lines_without_docstring(lines: Sequence[str], node: ast.FunctionDef) -> list[str]:
    docstring = node.body[0]
    assert docstring.end_lineno is not None
    return [*lines[: docstring.lineno - 1], *lines[docstring.end_lineno :]]


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
