"""Source trees: where a function is defined, what it takes, what it is for, who calls it.

The tasks are made with Python's own parser and solved by patterns on the text. Call chains run
through small modules that are put among real ones.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Task, UnfitError
from farspan.data.generation.library import CODE, Library, Part
from farspan.data.generation.wordings import Wordings
from farspan.data.turns import pick
from farspan.data.words import ADJECTIVES, NOUNS

_NAME, _FILE = r"\w+", r"[\w./-]+?"
HEADING = "# ===== file: {name} ====="
_HEADING = re.compile(r"^# ===== file: (\S+) =====$", re.M)
_DEF = re.compile(r"^def (\w+)\(", re.M)

DEFINED = Wordings(
    """In which file is the function {name} defined?
    Where is {name} defined? Name the file.
    Which file holds the definition of the function {name}?
    Find the file that defines {name}.
    The function {name} is defined in one of the files. Which?
    Name the file in which one finds def {name}.
    To read the source of {name}, which file must be opened?
    Which of the files defines the function {name}?""",
    name=_NAME,
)
TAKES = Wordings(
    """Which parameters does the function {name} take, in order?
    List the parameters of {name} in their order.
    What are the names of the parameters in the definition of {name}?
    Give the signature of {name}: its parameters, in order.
    How are the parameters of the function {name} called, from the first on?
    Look up {name} and name its parameters in order.
    With which parameters is the function {name} defined?
    Name, in order, all parameters of {name}.""",
    name=_NAME,
)
DESCRIBED = Wordings(
    """Which function is described by these words: "{text}"
    Find the function whose description begins with "{text}"
    What is the name of the function documented as "{text}"
    "{text}" is the description of which function?
    Name the function with the docstring "{text}"
    Look for the function that is described so: "{text}"
    Which function does its author describe with "{text}"
    One function's documentation begins "{text}" What is its name?""",
    text=r"[^\n]+?",
)
CALLERS = Wordings(
    """Which functions of the file {file} call {name}?
    In {file}, which other functions call {name}?
    List the functions in {file} whose bodies call {name}.
    By which functions of {file} is {name} called?
    Find all callers of {name} within {file}.
    Who calls {name} in {file}? Name the functions.
    If {name} changed, which functions of {file} that call it would be affected?
    Name every function of {file} that makes a call to {name}.""",
    name=_NAME,
    file=_FILE,
)
RETURNS = Wordings(
    """Which number does {name}() return?
    Follow the calls from {name}: what number is returned in the end?
    What is the result of calling {name}()?
    Evaluate {name}() by following its calls through the files.
    Through all calls, which number does {name}() come to?
    Calling {name}() gives which number?
    Trace {name}() through the modules. What does it return?
    What number results from {name}()?""",
    name=_NAME,
)


@dataclass(frozen=True)
class Function:
    """A function at the top of a file: its place in the text and what the parser says of it."""

    name: str
    start: int
    end: int
    parameters: tuple[str, ...]
    description: str
    calls: frozenset[str]


@lru_cache(maxsize=4096)
def functions_of(text: str) -> tuple[Function, ...]:
    """The functions at the top of a Python text; none if it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    lines = np.cumsum([0, *(len(line) for line in text.splitlines(keepends=True))]).tolist()
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        arguments = node.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        calls = {
            x.func.id
            for x in ast.walk(node)
            if isinstance(x, ast.Call) and isinstance(x.func, ast.Name)
        }
        description = (ast.get_docstring(node) or "").split("\n")[0].strip()
        end = lines[node.end_lineno or node.lineno]
        start = lines[node.lineno - 1]
        names = tuple(x.arg for x in parameters)
        found.append(Function(node.name, start, end, names, description, frozenset(calls)))
    return tuple(found)


@dataclass(frozen=True)
class Tree:
    """Files under headings in one text, with where each one's text starts."""

    text: str
    names: tuple[str, ...]
    texts: tuple[str, ...]
    starts: tuple[int, ...]
    parts: tuple[Part, ...]

    def draw(
        self, rng: np.random.Generator, fits: Callable[[Function], bool]
    ) -> tuple[int, Function]:
        """A function that fits, whose name is defined once, and the number of its file."""
        for number in rng.permutation(len(self.texts)).tolist():
            found = [x for x in functions_of(self.texts[number]) if fits(x)]
            for i in rng.permutation(len(found)).tolist():
                if len(re.findall(rf"^\s*(?:async )?def {found[i].name}\(", self.text, re.M)) == 1:
                    return number, found[i]
        raise UnfitError("no function of these files can be asked for")

    def span(self, number: int, function: Function) -> tuple[int, int]:
        """Where a function stands in the text."""
        start = self.starts[number]
        return start + function.start, start + function.end


def _tree(draft: Draft, room: int, added: dict[str, str] | None = None) -> Tree:
    """Python files in random order, as many as fit, with `added` ones among them."""
    library, rng = draft.library, draft.rng
    files = dict(added or {})
    used = sum(draft.count(_shown(name, text)) for name, text in files.items())
    entries = dict.fromkeys(files, -1)
    members = _python_files(library)
    for entry in rng.permutation(members).tolist():
        name = _short(library.entries[entry].id)
        cost = library.tokens(entry) + draft.count(_shown(name, ""))
        if used + cost > room or name in files:
            if used > 0.95 * room:
                break
            continue
        found = library.entries[entry]
        files[name] = library.between(found.first, found.last).strip("\n")
        entries[name] = entry
        used += cost
    if used < 0.85 * room:
        raise UnfitError("the source files do not fill the length")
    names = [list(files)[i] for i in rng.permutation(len(files)).tolist()]
    pieces, starts, parts, at = [], [], [], 0
    for name in names:
        piece = _shown(name, files[name])
        start = at + len(piece) - len(files[name]) - 2
        starts.append(start)
        if entries[name] >= 0:
            parts.append(Part(entries[name], start, start + len(files[name])))
        pieces.append(piece)
        at += len(piece)
    text = "".join(pieces)[:-2]
    if len(_HEADING.findall(text)) != len(names):
        raise UnfitError("a file has headings like those between files")
    return Tree(text, tuple(names), tuple(files[x] for x in names), tuple(starts), tuple(parts))


def _shown(name: str, text: str) -> str:
    return f"{HEADING.format(name=name)}\n\n{text}\n\n"


def _short(name: str) -> str:
    return "/".join(name.replace(" ", "_").split("/")[-3:])


@lru_cache(maxsize=4)
def _python_files(library: Library) -> tuple[int, ...]:
    members = library.by_kind[CODE][0].tolist()
    found = tuple(i for i in members if library.entries[i].id.endswith(".py"))
    if not found:
        raise UnfitError("the documents hold no Python files")
    return found


def _files(document: str) -> dict[str, str]:
    heads = list(_HEADING.finditer(document))
    ends = [head.start() for head in heads[1:]] + [len(document)]
    return {h[1]: document[h.end() : end] for h, end in zip(heads, ends, strict=True)}


def _blocks(text: str) -> dict[str, str]:
    """The text of each function at the top level, up to the next line that is not indented."""
    found = {}
    for match in _DEF.finditer(text):
        following = re.compile(r"^(?![\s)\]}])", re.M).search(text, match.end())
        found[match[1]] = text[match.start() : following.start() if following else len(text)]
    return found


def _defined(draft: Draft) -> Task:
    tree = _tree(draft, draft.room())
    number, function = tree.draw(draft.rng, lambda f: True)
    question = draft.say.question(DEFINED.texts, "name of the file", name=function.name)
    span = tree.span(number, function)
    return Task(tree.text, question, (tree.names[number],), (span,), tree.parts)


def _solve_defined(document: str, question: str) -> Answer:
    at = document.index(f"def {DEFINED.match(question)['name']}(")
    return ([h[1] for h in _HEADING.finditer(document, 0, at)][-1],)


def _takes(draft: Draft) -> Task:
    tree = _tree(draft, draft.room())
    number, function = tree.draw(draft.rng, lambda f: len(f.parameters) >= 2)
    form = "names, separated by commas"
    question = draft.say.question(TAKES.texts, form, name=function.name)
    return Task(
        tree.text, question, function.parameters, (tree.span(number, function),), tree.parts
    )


def _solve_takes(document: str, question: str) -> Answer:
    """Names before ":", "=" or "," at the outer level of the brackets."""
    name = TAKES.match(question)["name"]
    start = document.index(f"def {name}(") + len(name) + 5
    depth, pieces, at = 0, [""], start
    while depth >= 0:
        mark = document[at]
        depth += (mark in "([{") - (mark in ")]}")
        if mark == "," and depth == 0:
            pieces.append("")
        elif depth >= 0:
            pieces[-1] += mark
        at += 1
    names = [re.split(r"[:=]", re.sub(r"#[^\n]*", "", piece))[0].strip() for piece in pieces]
    return tuple(name for name in names if name and name[0] not in "*/")


def _is_described(function: Function) -> bool:
    return 4 <= len(function.description.split()) <= 24 and '"' not in function.description


def _described(draft: Draft) -> Task:
    tree = _tree(draft, draft.room() - 64)
    number, function = tree.draw(draft.rng, _is_described)
    if tree.text.count(function.description) > 1:
        raise UnfitError("two functions are described alike")
    form = "name of the function"
    question = draft.say.question(DESCRIBED.texts, form, text=function.description)
    span = tree.span(number, function)
    return Task(tree.text, question, (function.name,), (span,), tree.parts)


def _solve_described(document: str, question: str) -> Answer:
    at = document.index(DESCRIBED.match(question)["text"])
    return (list(_DEF.finditer(document, 0, at))[-1][1],)


def _callers(draft: Draft) -> Task:
    tree = _tree(draft, draft.room())
    rng = draft.rng
    for number in rng.permutation(len(tree.texts)).tolist():
        functions = functions_of(tree.texts[number])
        for i in rng.permutation(len(functions)).tolist():
            name = functions[i].name
            hits = [f for f in functions if name in f.calls and f.name != name]
            if 1 <= len(hits) <= 6:
                slots = {"name": name, "file": tree.names[number]}
                form = "names of functions, separated by commas"
                question = draft.say.question(CALLERS.texts, form, **slots)
                spans = tuple(tree.span(number, f) for f in hits)
                answer = tuple(f.name for f in hits)
                return Task(tree.text, question, answer, spans, tree.parts)
    raise UnfitError("no function of these files is called by others")


def _solve_callers(document: str, question: str) -> Answer:
    asked = CALLERS.match(question)
    text, name = _files(document)[asked["file"]], asked["name"]
    call = re.compile(rf"(?<![\w.]){name}\(")
    blocks = {n: b.split("\n", 1)[-1] for n, b in _blocks(text).items()}
    return tuple(n for n, body in blocks.items() if n != name and call.search(body))


def _chain(draft: Draft) -> Task:
    """Functions that call the next one in another file; the last returns a number."""
    rng = draft.rng
    hops, n_chains = int(rng.integers(2, 5)), 3
    names: dict[str, None] = {}
    while len(names) < hops * n_chains:
        names[f"{pick(rng, ADJECTIVES)}_{pick(rng, NOUNS)}"] = None
    functions = list(names)
    modules = [f"links/module_{c}.py" for c in "abcde"]
    home = {name: modules[int(rng.integers(len(modules)))] for name in functions}
    bodies: dict[str, list[str]] = {module: [] for module in modules}
    imports: dict[str, list[str]] = {module: [] for module in modules}
    values = (rng.choice(90_000, size=n_chains, replace=False) + 10_000).tolist()
    snippets = {}
    for c in range(n_chains):
        chain = functions[c * hops : (c + 1) * hops]
        for i, name in enumerate(chain):
            result = f"{chain[i + 1]}()" if i + 1 < hops else str(values[c])
            snippets[name] = f"def {name}():\n    return {result}"
            bodies[home[name]].append(snippets[name])
            if i + 1 < hops and home[chain[i + 1]] != home[name]:
                module = home[chain[i + 1]][6:-3]
                imports[home[name]].append(f"from links.{module} import {chain[i + 1]}")
    added = {}
    for module in modules:
        order = rng.permutation(len(bodies[module])).tolist()
        texts = ["\n".join(sorted(imports[module]))] * bool(imports[module])
        added[module] = "\n\n\n".join([*texts, *(bodies[module][i] for i in order)]) or "pass"
    tree = _tree(draft, draft.room(), added)
    spans = []
    for name in functions[:hops]:
        at = tree.text.index(snippets[name])
        spans.append((at, at + len(snippets[name])))
    question = draft.say.question(RETURNS.texts, "number", name=functions[0])
    return Task(tree.text, question, (str(values[0]),), tuple(spans), tree.parts)


def _solve_chain(document: str, question: str) -> Answer:
    found = RETURNS.match(question)["name"]
    while not found.isdigit():
        match = re.search(rf"^def {found}\(\):\n    return (\w+)", document, re.M)
        if match is None:
            raise ValueError(f"{found} is not defined")
        found = match[1]
    return (found,)


def _guess_name(question: str, rng: np.random.Generator) -> Answer:
    return (pick(rng, ("main", "run", "get", "main.py", "utils.py", "_parse")),)


FAMILIES = tuple(
    Family(f"code/{name}", level, make, solve, _guess_name, ordered=ordered, needs=CODE)
    for name, level, make, solve, ordered in (
        ("described", "local", _described, _solve_described, False),
        ("signature", "local", _takes, _solve_takes, True),
        ("defined", "local", _defined, _solve_defined, False),
        ("callers", "medium", _callers, _solve_callers, False),
        ("chain", "medium", _chain, _solve_chain, False),
    )
)
