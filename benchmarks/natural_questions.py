"""Human questions in their own words about one long document: SQuAD exact match and F1.

python benchmarks/natural_questions.py QUESTIONS.json
python benchmarks/natural_questions.py QUESTIONS.json --adapter NEW.safetensors
python benchmarks/natural_questions.py QUESTIONS.json --hide-in BOOK.txt --length 128k
python benchmarks/natural_questions.py QUESTIONS.json --no-adapter --only-paragraph

Beside other programs set OMP_WAIT_POLICY=PASSIVE, or waiting threads make it ten times slower.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from farspan.apps.ask import prompt_ids
from farspan.data.reader import read_documents
from farspan.engine.generate import generate
from farspan.engine.reading import read
from farspan.engine.sampling import Sampling
from farspan.errors import RequestError
from farspan.evaluation.speed import hardware
from farspan.evaluation.squad import (
    Question,
    contains,
    exact_match,
    f1,
    mean_interval,
    read_squad,
    share_interval,
)
from farspan.models.adapter import load_adapter
from farspan.models.chat import DialogueFormat
from farspan.models.decoder import DecoderState
from farspan.models.default import DEFAULT_MODEL, default_model_path
from farspan.models.load import LoadedModel, load_model
from farspan.training.recipes import Base
from farspan.units import parse_length

Answerer = Callable[[Question], str]


def main() -> None:
    """Prints the counts and shares, or with `--json` one object with every answer."""
    options = _options()
    paragraphs, questions = read_squad(options.questions)
    rng = np.random.default_rng(options.seed)
    asked = [questions[int(i)] for i in sorted(rng.permutation(len(questions))[: options.samples])]
    model = _model(options)
    began = time.perf_counter()
    if options.only_paragraph:
        answer, n_tokens = _beside_paragraph(model, options.max_tokens), 0
    else:
        ids = _document(paragraphs, options, model)
        n_tokens = len(ids)
        state = read(model.decoder, ids, model.decoder.init_state(1))
        answer = _from_state(model, state, options.max_tokens)
    seconds_read = time.perf_counter() - began
    rows = []
    for question in asked:
        guess = answer(question)
        rows.append(
            {
                "question": question.text,
                "answer": guess,
                "right": list(dict.fromkeys(question.answers)),
                "exact": exact_match(guess, question.answers),
                "f1": f1(guess, question.answers),
                "contains": contains(guess, question.answers),
            }
        )
        if not options.json:
            mark = "+" if rows[-1]["exact"] else "-"
            print(f"{mark} {question.text} | {guess} | {question.answers[0]}", file=sys.stderr)
    seconds = time.perf_counter() - began - seconds_read
    report = {
        "hardware": hardware() if options.device == "cpu" else torch.cuda.get_device_name(),
        "model": model.name,
        "adapter": str(options.adapter or options.use_adapter),
        "plan": model.plan,
        "context": "paragraph" if options.only_paragraph else "document",
        "tokens": n_tokens,
        "seconds_reading": seconds_read,
        "seconds_a_question": seconds / len(rows),
        **_scores(rows),
        "rows": rows,
    }
    print(json.dumps(report) if options.json else _table(report))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("questions", type=Path, help="a file in SQuAD 1.1 format")
    parser.add_argument("--samples", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--plan")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--adapter", type=Path, help="of the default model, instead of the shipped")
    parser.add_argument("--no-adapter", dest="use_adapter", action="store_false")
    parser.add_argument("--only-paragraph", action="store_true", help="read the right one alone")
    parser.add_argument("--hide-in", help="a text to spread the paragraphs over")
    parser.add_argument("--length", type=parse_length, help="tokens with the hiding text")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if (options.hide_in is None) != (options.length is None):
        parser.error("--hide-in and --length go together")
    return options


def _model(options: argparse.Namespace) -> LoadedModel:
    if options.adapter is None:
        return load_model(
            options.model,
            plan=options.plan,
            device=options.device,
            adapter=options.use_adapter,
            say=lambda message: print(message, file=sys.stderr),
        )
    base, adapter = Base.load(default_model_path()), load_adapter(options.adapter)
    adapter.merge_(base.tensors)
    decoder = base.decoder(options.plan or adapter.metadata.plan, options.device).eval()
    form = DialogueFormat.from_tokenizer(base.tokenizer)
    return LoadedModel(decoder, base.tokenizer, form, "", DEFAULT_MODEL)


def _document(paragraphs: list[str], options: argparse.Namespace, model: LoadedModel) -> np.ndarray:
    """The paragraphs in order, between equal pieces of the hiding text if there is one."""
    encode = model.tokenizer.encode_document
    parts = [encode(paragraph + "\n\n")[0] for paragraph in paragraphs]
    if options.hide_in:
        room = options.length - sum(map(len, parts))
        around = encode(read_documents([options.hide_in]).text)[0]
        if not 0 <= room <= len(around):
            raise RequestError(
                f"hiding {options.length - room:,} tokens of paragraphs in {len(around):,} tokens"
                f" does not make {options.length:,}; give another --length or a longer text"
            )
        pieces = np.array_split(around[:room], len(parts) + 1)
        parts = [x for pair in zip(pieces, [*parts, pieces[0][:0]], strict=True) for x in pair]
    return np.concatenate([_head(model), *parts])


def _head(model: LoadedModel) -> np.ndarray:
    return np.array(model.tokenizer.encode(model.format.before_document), dtype=np.uint32)


def _from_state(model: LoadedModel, state: DecoderState, max_tokens: int) -> Answerer:
    def answer(question: Question) -> str:
        ids = generate(
            model.decoder,
            prompt_ids(model, question.text),
            state,
            stop_ids=model.tokenizer.eos_ids,
            sampling=Sampling(max_tokens=max_tokens),
        )
        return model.tokenizer.decode(list(ids)).strip()

    return answer


def _beside_paragraph(model: LoadedModel, max_tokens: int) -> Answerer:
    def answer(question: Question) -> str:
        ids = np.concatenate([_head(model), model.tokenizer.encode_document(question.paragraph)[0]])
        state = read(model.decoder, ids, model.decoder.init_state(1))
        return _from_state(model, state, max_tokens)(question)

    return answer


def _scores(rows: list[dict]) -> dict:
    """Counts, shares and 95 % intervals."""
    total = len(rows)
    scores = {"total": total}
    for name in ("exact", "contains"):
        right = sum(row[name] for row in rows)
        scores |= {name: right, f"{name}_interval": share_interval(right, total)}
    values = [row["f1"] for row in rows]
    return scores | {"f1": sum(values) / total, "f1_interval": mean_interval(values)}


def _table(report: dict) -> str:
    def span(name: str) -> str:
        return "{:.1f} to {:.1f} %".format(*(100 * x for x in report[f"{name}_interval"]))

    return "\n".join(
        (
            f"{report['hardware']}; {report['model']}, adapter {report['adapter']}",
            f"plan {report['plan']}",
            f"context: {report['context']} of {report['tokens']:,} tokens, read in"
            f" {report['seconds_reading']:.1f} s, {report['seconds_a_question']:.2f} s a question",
            f"exact match {report['exact']} of {report['total']} ({span('exact')})",
            f"F1 {100 * report['f1']:.1f} % ({span('f1')})",
            f"answer contained {report['contains']} of {report['total']} ({span('contains')})",
        )
    )


if __name__ == "__main__":
    main()
