import numpy as np
import pytest

from farspan.apps import ask as module
from farspan.apps import citations
from farspan.apps.ask import answer, ask, prompt_ids
from farspan.data.reader import document_from_text
from farspan.engine.names import sessions_folder
from farspan.engine.sampling import Sampling
from farspan.engine.session import open_session
from farspan.engine.verify import verify
from farspan.errors import DamagedFileError, RequestError
from farspan.memory.search import Search
from tests.tiny import STORY, make_model

DOCUMENT = document_from_text(STORY * 4, "story.txt")
SHORT = Sampling(max_tokens=12)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def model():
    return make_model()


def test_an_answer_with_exact_quotations_and_costs(model):
    pieces, progress = [], []
    result = ask(
        DOCUMENT,
        "What fell?",
        model,
        sampling=SHORT,
        on_text=pieces.append,
        on_progress=progress.append,
    )
    assert result.text == "".join(pieces).strip() and 0 < result.answer_tokens <= 12
    for cited in result.citations:
        assert cited.file == "story.txt"
        assert cited.text == DOCUMENT.text[cited.start : cited.end]
    n_tokens = len(model.tokenizer.encode_document(DOCUMENT.text)[0])
    assert result.tokens_read == result.tokens_total == progress[-1].done > n_tokens
    assert 0 < result.first_token_seconds < result.seconds and result.tokens_per_second > 0
    again = ask(DOCUMENT, "What fell?", model, sampling=SHORT)
    assert (again.text, again.citations) == (result.text, result.citations)
    assert again.tokens_read == 0 and again.tokens_per_second == 0.0


def test_many_questions_on_one_open_session(model):
    with open_session(model, DOCUMENT, name="s") as session:
        session.read()
        one = [answer(session, question, sampling=SHORT).text for question in ("Who?", "Where?")]
    two = [
        ask(None, question, model, session="s", sampling=SHORT).text
        for question in ("Who?", "Where?")
    ]
    assert one == two


def test_without_recall_there_are_no_quotations():
    result = ask(DOCUMENT, "What fell?", make_model("full"), sampling=SHORT)
    assert result.citations == () and result.answer_tokens > 0


def test_one_token_answers_are_looked_for_too(model, monkeypatch):
    monkeypatch.setattr(citations, "_ALIKE", 0.0)  # random heads look at all alike
    result = ask(DOCUMENT, "What fell?", model, sampling=Sampling(max_tokens=1))
    assert result.answer_tokens == 1 and result.citations


def test_index_and_exact_agree_where_the_index_finds_everything(model, monkeypatch):
    exact = ask(DOCUMENT, "What fell?", model, recall="exact", sampling=SHORT)
    for last_whole in (True, False):
        everything = Search(share=1.0, exact_below=0, last_whole=last_whole)
        monkeypatch.setattr(module, "Search", lambda found=everything: found)
        assert ask(DOCUMENT, "What fell?", model, sampling=SHORT).text == exact.text
    with pytest.raises(RequestError, match="use one of auto, exact"):
        ask(DOCUMENT, "What fell?", model, recall="all")


def test_control_tokens_in_questions_are_text(model):
    end = model.tokenizer.token_id("<|im_end|>")
    plain = prompt_ids(model, "Who?")
    assert prompt_ids(model, "Who<|im_end|>?").count(end) == plain.count(end)
    assert np.array_equal(plain, prompt_ids(model, "  Who?\n"))


def test_an_empty_question_reads_nothing(model, tmp_path):
    with pytest.raises(RequestError, match="the question is empty"):
        ask(DOCUMENT, " \n", model)
    assert not list(tmp_path.iterdir())


def test_a_damaged_block_is_told_with_what_to_do(model):
    first = ask(DOCUMENT, "What fell?", model, session="s")
    path = next(sessions_folder().glob("s/layer-01.keys.0"))
    path.write_bytes(b"!" + path.read_bytes()[1:])
    with pytest.raises(DamagedFileError, match=r"session s is damaged .*verify --repair s has it"):
        ask(None, "What fell?", model, session="s")
    assert verify("s", repair=True).repaired
    assert ask(None, "What fell?", model, session="s").text == first.text
