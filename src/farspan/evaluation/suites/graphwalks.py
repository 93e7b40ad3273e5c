"""GraphWalks: breadth-first search and parents in a list of edges (OpenAI 2025, with GPT-4.1).

Prompt, examples and metric as published, the closing request for an answer in farspan's words;
random graphs of about two edges a node.
"""

from __future__ import annotations

import numpy as np

from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import final_list_f1

MAX_TOKENS = 256
SOURCE = "OpenAI 2025, the dataset graphwalks (MIT License), prompt and metric"
NODE_DIGITS = 10
MOST_ANSWERS = 8
BFS_DEPTHS = (1, 2)

_HEAD = """You will be given a graph as a list of directed edges. All nodes are at least degree 1. \
You will also get a description of an operation to perform on the graph. Your job is to execute \
the operation on the graph and return the set of nodes that the operation results in. If asked for \
a breadth-first search (BFS), only return the nodes that are both reachable and exactly at that \
depth (not nodes at intermediate depths), and do not return the starting node. If asked for the \
parents of a node, only return the nodes that have an edge leading to the given node, do not \
return the given node itself.

Here is an example:
<begin example>
The graph has the following edges:
uvwx -> alke
abcd -> uvwx
abcd -> efgh
efgh -> uvwx

Example 1:
Operation:
Perform a BFS from node abcd with depth 1.
Final Answer: [uvwx, efgh]

Example 2:
Operation:
Perform a BFS from node alke with depth 1.
Final Answer: []

Example 3:
Operation:
Find the parents of node uvwx.
Final Answer: [abcd, efgh]

Example 4:
Operation:
Find the parents of node abcd.
Final Answer: []
<end example>

Here is the graph to operate on:
The graph has the following edges:
"""
_QUESTION = """Operation:
{operation}

You should immediately return the set of nodes that the operation results in, with no additional \
text. Give the answer as the last line, in the form: Final Answer: [node, node]"""


def tasks() -> list[Task]:
    """Both operations."""
    return [
        Task(
            name=f"graphwalks/{kind}",
            make=make,
            score=final_list_f1,
            max_tokens=MAX_TOKENS,
            source=SOURCE,
            constant="Final Answer: []",
        )
        for kind, make in (("bfs", _bfs), ("parents", _parents))
    ]


def _bfs(draft: Draft) -> Sample:
    return _make(draft, bfs=True)


def _parents(draft: Draft) -> Sample:
    return _make(draft, bfs=False)


def _make(draft: Draft, *, bfs: bool) -> Sample:
    """As many edges as fit; the answer has one to eight nodes."""
    head = draft.encode(_HEAD)
    names = _names(draft.rng, draft.length // 16 + 8)
    longest = _ask(f"Perform a BFS from node {names[0]} with depth 1.", tuple(names[:1]))
    room = draft.room(MAX_TOKENS, longest, beside=[head])
    edges = _edges(draft.rng, len(names))
    lines = [f"{names[a]} -> {names[b]}\n" for a, b in edges.tolist()]
    body = draft.encode("".join(lines))
    # Every line takes about as many tokens; cut by the measure of all of them.
    while body.n_tokens > room:
        lines = lines[: int(len(lines) * 0.999 * room / body.n_tokens)]
        body = draft.encode("".join(lines))
    edges = edges[: len(lines)]
    while True:
        start, depth = int(draft.rng.choice(edges[:, 0 if bfs else 1])), 1
        if bfs:
            depth = int(draft.rng.choice(BFS_DEPTHS))
            found = at_depth(edges, start, depth)
            operation = f"Perform a BFS from node {names[start]} with depth {depth}."
        else:
            found = set(edges[edges[:, 1] == start, 0].tolist()) - {start}
            operation = f"Find the parents of node {names[start]}."
        if 0 < len(found) <= MOST_ANSWERS:
            answers = tuple(names[node] for node in sorted(found))
            return Sample(head, body, (_ask(operation, answers),))


def at_depth(edges: np.ndarray, start: int, depth: int) -> set[int]:
    """Nodes whose shortest way from `start` has `depth` edges `[N, 2]`, source then target."""
    seen, front = {start}, {start}
    for _ in range(depth):
        onward = edges[np.isin(edges[:, 0], list(front)), 1]
        front = set(onward.tolist()) - seen
        seen |= front
    return front


def _ask(operation: str, answers: tuple[str, ...]) -> Question:
    perfect = f"Final Answer: [{', '.join(answers)}]"
    return Question(_QUESTION.format(operation=operation), answers, perfect=perfect)


def _names(rng: np.random.Generator, count: int) -> list[str]:
    """Distinct hexadecimal names."""
    names: dict[str, None] = {}
    while len(names) < count:
        names[rng.bytes(NODE_DIGITS // 2).hex()] = None
    return list(names)


def _edges(rng: np.random.Generator, nodes: int) -> np.ndarray:
    """Distinct random edges `[N, 2]` without loops, two for each of half of the nodes."""
    pairs = rng.integers(nodes // 2, size=(nodes, 2))
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return rng.permutation(pairs)
