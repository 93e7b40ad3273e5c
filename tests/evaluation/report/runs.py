"""Results of two invented models."""

from farspan.evaluation.results import ResultsWriter, read_folder
from farspan.evaluation.samples import spread_depth

LENGTHS = (8192, 32768)
ABOUT = {"kind": "farspan", "plan": "full", "device": "cpu"}


def answer(task, length, index, score, **more):
    record = {"kind": "answer", "task": task, "length": length, "index": index, "question": 0}
    record |= {"of": 1, "score": score, "reply": "x", "answers": ["x"], "tokens": length}
    record |= {"read_seconds": length / 1000, "answer_seconds": 1.0, "new_tokens": 5}
    return {**record, "peak_bytes": 1 << 30, **more}


def write_runs(folder):
    """`good` is right at 8K and half of the time at 32K; `good+full` stops at 8K, wrong."""
    for model, right in (("good+full", 0.0), ("good", 1.0)):
        run = {"model": model, "seed": 0, "haystack": "book"}
        with ResultsWriter.open(folder, run) as writer:
            invocation = {"kind": "invocation", "date": "2026-11-24", "about": ABOUT}
            writer.write({**invocation, "hardware": "a <processor>"})
            for length in LENGTHS:
                if model == "good+full" and length == 32768:
                    mark = {"kind": "cell", "length": length, "status": "skipped"}
                    for task in ("niah/single", "ruler/vt"):
                        writer.write({**mark, "task": task, "reason": "beyond 8k"})
                    continue
                for index in range(4):
                    score = right if length == 8192 else float(index % 2)
                    depth = spread_depth(index)
                    writer.write(answer("niah/single", length, index, score, depth=depth))
                    writer.write(answer("ruler/vt", length, index, 0.6 * right))
                    if model == "good":
                        writer.write(answer("ruler/cwe", length, index, 1.0))
                for place, loss in ((256, 3.0), (1024, 2.5)):
                    writer.write(answer("perplexity/haystack", length, place, loss, place=place))
            mark = {"kind": "cell", "task": "ruler/qa_1", "length": 8192, "status": "skipped"}
            writer.write({**mark, "reason": "needs a file with --squad"})
    return read_folder(folder)
