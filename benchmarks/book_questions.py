"""Questions extracted from one document, a few of each kind, answered on this machine.

python benchmarks/book_questions.py .demo/the-black-arrow.txt
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from farspan.apps.ask import prompt_ids
from farspan.data.qa import extract_items, render
from farspan.data.reader import read_documents
from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from farspan.engine.session import open_session
from farspan.models.load import load_model


def main() -> None:
    """Prints each question with the answer given and the one wanted, then the count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--each", type=int, default=4, help="questions of a kind")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    document = read_documents([options.path])
    model = load_model(say=print)
    rng = np.random.default_rng(options.seed)
    kinds = defaultdict(list)
    for item in extract_items(document.text, "book"):
        kinds[item.kind].append(item)
    right = total = 0
    with open_session(model, document, name=None, force=False) as session:
        session.read()
        for kind, items in kinds.items():
            for index in rng.permutation(len(items))[: options.each]:
                item = items[int(index)]
                question = render(kind, item.slots, rng)
                ids = generate(
                    model.decoder,
                    prompt_ids(model, question),
                    session.state,
                    stop_ids=model.tokenizer.eos_ids,
                    sampling=Sampling(max_tokens=64),
                )
                answer = model.tokenizer.decode(list(ids)).strip()
                right += answer == item.answer.strip()
                total += 1
                print(f"{kind} | {question} | {answer} | {item.answer}")
    print(f"{right} of {total} word for word")


if __name__ == "__main__":
    main()
