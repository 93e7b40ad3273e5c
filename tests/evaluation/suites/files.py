"""Files of the formats that suites read, small and invented."""

import json
from pathlib import Path

from farspan.evaluation.suites import Files

TOWNS = ("Aldham", "Brill", "Corfe", "Deal", "Ely", "Frome", "Goring", "Hythe")

BABI_11 = """1 Ilse hurried to the bathroom.
2 A little later she hurried to the bedroom.
3 Where is Ilse? \tbedroom\t1 2
4 Otto hurried to the office.
5 A little later he hurried to the garden.
6 Where is Otto? \tgarden\t4 5
1 Paula hurried to the kitchen.
2 A little later she hurried to the bedroom.
3 Where is Paula? \tbedroom\t1 2
"""


SOURCE = '''"""Module {i}."""


def first_{i}(left, right, *, scale=1):
    """Add two numbers of shop {i} and multiply the sum by a scale that is one at first."""
    total = left + right
    total *= scale
    return total


def second_{i}(text):
    """Turn a text around, as the shop window number {i} shows it from within the room."""
    found = text[::-1]
    found = found.strip()
    return found
'''


def write_tree(root: Path, count: int) -> Path:
    """A source tree of so many files, and one of tests."""
    (root / "inner" / "tests").mkdir(parents=True)
    for i in range(count):
        folder = root / "inner" if i % 2 else root
        (folder / f"module_{i}.py").write_text(SOURCE.format(i=i))
    (root / "inner" / "tests" / "test_it.py").write_text(SOURCE.format(i=999))
    return root


def write_files(folder: Path) -> Files:
    articles = [
        {
            "title": town,
            "paragraphs": [
                {
                    "context": f"{town} is a market town. Its fair was held on day {i + 3}. " * 12,
                    "qas": [
                        {
                            "id": town,
                            "question": f"On which day was the fair of {town} held?",
                            "answers": [{"text": f"day {i + 3}", "answer_start": 0}],
                        }
                    ],
                }
            ],
        }
        for i, town in enumerate(TOWNS)
    ]
    (folder / "squad.json").write_text(json.dumps({"version": "1.1", "data": articles}))
    hotpot = [
        {
            "question": f"In which county is the town where the painter of {town} was born?",
            "answer": f"{town}shire",
            "supporting_facts": [[town, 0], [f"Painter {i}", 0]],
            "context": [
                [town, [f"{town} lies in {town}shire. ", "It is old. " * 60]],
                [f"Painter {i}", [f"The painter was born in {town}."]],
                [f"Other {i}", ["Nothing to see here."]],
            ],
        }
        for i, town in enumerate(TOWNS)
    ]
    (folder / "hotpot.json").write_text(json.dumps(hotpot))
    (folder / "babi").mkdir()
    (folder / "babi" / "qa11_basic-coreference_test.txt").write_text(BABI_11)
    code = write_tree(folder / "tree", 80)
    return Files(folder / "squad.json", folder / "hotpot.json", folder / "babi", code)
