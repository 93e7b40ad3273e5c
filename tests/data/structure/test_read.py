import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farspan.data.structure.levels import LEVELS, levels_of, paragraph_spans, sentence_spans
from farspan.data.structure.read import (
    CODE,
    UnreadableError,
    content_of,
    read_content,
    read_levels,
)

from .files import docx, epub, pdf


def outline(content):
    """Depth, title and the first words under each heading."""
    return [(h.depth, h.title, content.text[h.start :][:12]) for h in content.headings]


def test_plain_text_and_its_levels(tmp_path):
    text = "PART I\n\nCHAPTER 1. The Fen\n\nMr. Pell came. He sat.\n\nCHAPTER 2\n\nHe left!\n"
    (tmp_path / "a.txt").write_text(text)
    levels = read_levels(tmp_path / "a.txt")
    assert [(s.depth, s.title) for s in levels.sections] == [
        (1, "PART I"),
        (2, "CHAPTER 1. The Fen"),
        (2, "CHAPTER 2"),
    ]
    part, first, second = levels.sections
    assert part.end == len(text) and first.end == second.start
    said = [text[a:b] for a, b in levels.spans("sentence")]
    assert "Mr. Pell came." in said and "He sat." in said and "He left!" in said
    assert len(levels.spans("paragraph")) == 5 and levels.spans("document") == [(0, len(text))]
    assert levels.spans("section") == [(s.start, s.end) for s in levels.sections]


def test_markdown():
    text = "Title\n=====\n\n# A #\n\n```\n# not one\n```\n\n## B\n\nSub\n---\n\ntext"
    content = content_of(text.encode(), ".md", "a.md")
    assert [(h.depth, h.title) for h in content.headings] == [
        (1, "Title"),
        (1, "A"),
        (2, "B"),
        (2, "Sub"),
    ]


def test_html():
    html = (
        "<title>T &amp; U</title><script>no</script><body><h1>One <b>big</b></h1>"
        "<p>A <i>word</i>,\n  next.<br>line<div>x<ul><li>i1<li>i2</ul></div><pre>a\n  b</pre>"
        "<table><tr><td>1<td>2<tr><td>3</table><h2></h2><h3>Low</h3>end"
    )
    content = content_of(html.encode(), ".html", "a.html")
    assert content.title == "T & U"
    assert content.text.startswith("One big\n\nA word, next.\nline\n\nx\n\ni1\ni2")
    assert "a\n  b" in content.text and "1 | 2" in content.text and "no" not in content.text
    assert outline(content) == [(1, "One big", "One big\n\nA w"), (3, "Low", "Low\n\nend")]
    latin = '<meta charset="iso-8859-1"><p>caf\xe9'.encode("latin-1")
    assert content_of(latin, ".htm", "a.htm").text == "caf\xe9"
    with pytest.raises(UnreadableError, match="encoding it names"):
        content_of(b'<meta charset="nonsense"><p>a', ".htm", "a.htm")


def test_a_page_nested_deeply():
    html = "<div>" * 5000 + "inside" + "</div>" * 5000
    assert content_of(html.encode(), ".html", "a.html").text == "inside"


def test_epub():
    content = content_of(epub(), ".epub", "a.epub")
    assert content.title == "The Ferry"
    assert outline(content) == [
        (1, "Departure", "Departure\n\nT"),
        (1, "Arrival", "Arrival\n\nThe"),
    ]
    fonts = '<e xmlns="x"><CipherReference URI="OEBPS/f.otf"/></e>'
    assert content_of(epub(fonts), ".epub", "a.epub") == content
    for data, reason in (
        (epub('<e xmlns="x"><CipherReference URI="OEBPS/two.xhtml"/></e>'), "is an encrypted EPUB"),
        (epub()[:-30], "no EPUB that can be read"),
        (b"", "no EPUB that can be read"),
        (epub().replace(b"book.opf", b"gone.opf"), "no EPUB that can be read"),
    ):
        with pytest.raises(UnreadableError, match=reason):
            content_of(data, ".epub", "a.epub")


def test_pdf():
    content = content_of(pdf("The ferry left.", "They arrived."), ".pdf", "a.pdf")
    assert content.text == "The ferry left.\n\nThey arrived."
    assert outline(content) == [(1, "Part 1", "The ferry le"), (1, "Part 2", "They arrived")]
    for data, reason in (
        (pdf("secret", password="x"), "is an encrypted PDF"),
        (pdf("", ""), "is a PDF without text"),
        (b"%PDF-1.7 broken", "is a PDF that cannot be read"),
        (pdf("The ferry left.")[:200], "is a PDF that cannot be read"),
    ):
        with pytest.raises(UnreadableError, match=reason):
            content_of(data, ".pdf", "a.pdf")


def test_docx():
    content = content_of(docx(), ".docx", "a.docx")
    assert outline(content) == [
        (1, "The Ferry", "The Ferry\n\nD"),
        (1, "Departure", "Departure\n\nT"),
        (1, "Arrival", "Arrival\n\nThe"),
    ]
    assert "captain | Ilse Brand" in content.text
    for data, reason in ((b"PK\3\4 broken", "no .docx"), (b"\xd0\xcf\x11\xe0", "is encrypted")):
        with pytest.raises(UnreadableError, match=reason):
            content_of(data, ".docx", "a.docx")


SOURCES = {
    ".py": ("class A:\n    @x\n    def b(self): pass\ndef c(): pass\n", ["A", "b", "c"], [1, 2, 1]),
    ".js": ("// é\nclass A { b() {} }\nfunction c() {}\n", ["A", "b", "c"], [1, 2, 1]),
    ".ts": ("interface A {}\nclass B { c(): void {} }\n", ["A", "B", "c"], [1, 1, 2]),
    ".tsx": ("function A() { return <b/>; }\n", ["A"], [1]),
    ".java": ("class A { void b() {} }\n", ["A", "b"], [1, 2]),
    ".go": (
        "package p\ntype A struct {}\nfunc (a A) b() {}\nfunc c() {}\n",
        ["A", "b", "c"],
        [1] * 3,
    ),
    ".rs": ("struct A;\nimpl A { fn b() {} }\nfn c() {}\n", ["A", "A", "b", "c"], [1, 1, 2, 1]),
    ".c": ("int *b(int x) { return 0; }\nint c() { return 1; }\n", ["b", "c"], [1, 1]),
    ".cpp": ("namespace n { class A { int b() { return 1; } }; }\n", ["n", "A", "b"], [1, 2, 3]),
}


@pytest.mark.parametrize("suffix", SOURCES)
def test_code(suffix):
    text, names, depths = SOURCES[suffix]
    content = content_of(text.encode(), suffix, f"a{suffix}")
    assert content.kind == "code"
    assert [h.title for h in content.headings] == names
    assert [h.depth for h in content.headings] == depths
    for heading in content.headings:
        assert heading.title in text[heading.start :].split("\n{")[0]


def test_code_that_does_not_parse_is_text():
    assert content_of(b"def (:\n", ".py", "a.py").headings == ()
    assert set(CODE.values()) >= {"python", "javascript", "rust"}


@pytest.mark.parametrize("keys", [("role", "content"), ("from", "value")])
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_chats(keys, suffix):
    turns = [dict(zip(keys, x, strict=True)) for x in (("user", "Hi \ud83d\ude00"), ("bot", "Yes"))]
    chats = [{"messages": turns, "title": "First\none"}, {"conversations": turns}]
    text = "\n".join(map(json.dumps, chats)) if suffix == ".jsonl" else json.dumps(chats)
    content = content_of(text.encode(), suffix, "a" + suffix)
    one = "user: Hi \U0001f600\n\nbot: Yes"
    assert content.text == f"First one\n\n{one}\n\nConversation 2\n\n{one}\n\n".strip()
    assert [h.title for h in content.headings] == ["First one", "Conversation 2"]
    assert content.kind == "chat"


def test_other_json_is_text_and_half_characters_are_marked():
    assert content_of(b'{"a": [1, 2]}', ".json", "a").text == '{"a": [1, 2]}'
    turns = b'[{"role": "user", "content": "x \\ud800 y\\u0000"}]'
    assert content_of(turns, ".json", "a").text.endswith("user: x ? y?")
    with pytest.raises(UnreadableError, match=r"not JSON \(line 2"):
        content_of(b'{"a": 1}\n{"b', ".jsonl", "a")


def test_unknown_missing_and_a_gigantic_line(tmp_path):
    with pytest.raises(UnreadableError, match="kind that is not read"):
        read_content(tmp_path / "a.exe")
    with pytest.raises(UnreadableError, match="cannot be read: No such file"):
        read_content(tmp_path / "a.txt")
    line = "word " * 500_000
    spans = sentence_spans(line)
    assert spans[0][0] == 0 and spans[-1][1] == len(line.rstrip())


@given(st.text(alphabet=st.sampled_from(list("ab.!?\n \t\r\"'“”éß🙂#M")), max_size=300))
def test_levels_are_spans_of_the_text(text):
    levels = levels_of(text)
    for level in LEVELS[2:]:
        end = 0
        for a, b in levels.spans(level):
            assert end <= a < b <= len(text) and text[a:b] == text[a:b].strip()
            end = b
    kept = "".join(text[a:b] for a, b in levels.spans("sentence"))
    assert "".join(kept.split()) == "".join(text.split())
    paragraphs = paragraph_spans(text)
    assert all(any(a <= s < e <= b for a, b in paragraphs) for s, e in levels.spans("sentence"))
