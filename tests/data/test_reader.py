import codecs
import io
import sys

import pytest

from farspan.data.reader import document_from_text, read_documents
from farspan.errors import RequestError


def test_one_file_is_its_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("first\r\nsecond ž\n".encode())
    document = read_documents([path])
    assert document.text == "first\r\nsecond ž\n" and document.name == str(path)
    place = document.place(document.text.index("ž"))
    assert (place.file, place.offset, place.line) == (str(path), 14, 2)
    assert document.place(len(document.text)) is None


def test_many_files_know_their_places(tmp_path):
    texts = {"a.txt": "one\ntwo\n", "b.md": "# Three\n\nfour", "c": "\n\nfive"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    document = read_documents([tmp_path / name for name in texts])
    assert "===== b.md =====\n\n# Three" in document.text
    for part, text in zip(document.parts, texts.values(), strict=True):
        assert document.text[part.start : part.start + part.length] == text
        for i in range(len(text)):
            place = document.place(part.start + i)
            assert (place.file, place.offset) == (part.file, i)
            assert place.line == text[:i].count("\n") + 1
    assert document.place(0) is None and document.name.endswith("a.txt and 2 more")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Zażółć 🚢".encode(encoding))
    assert read_documents([tmp_path / "a.txt"]).text == "Zażółć 🚢"


def test_big_endian(tmp_path):
    (tmp_path / "a.txt").write_bytes(codecs.BOM_UTF16_BE + "hi".encode("utf-16-be"))
    assert read_documents([tmp_path / "a.txt"]).text == "hi"


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe\n")))
    document = read_documents(["-"])
    assert document.text == "from a pipe\n" and document.place(5).file == "-"


BAD = {
    "empty.txt": (b"", "holds no text"),
    "blank.txt": (b" \n\t\r\n", "holds no text"),
    "binary.txt": (b"ELF\0\1\2", "is a binary file"),
    "latin.txt": ("caf\xe9".encode("latin-1"), "not UTF-8 text (byte 3 is 0xe9)"),
    "half.txt": (codecs.BOM_UTF16_LE + b"a\0b", "begins like UTF-16 and is not"),
    "paper.pdf": (b"%PDF-1.7", "is a PDF that cannot be read"),
    "picture.png": (b"PNG", "is of a kind that is not read (.png)"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_told(tmp_path, name):
    data, message = BAD[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RequestError) as caught:
        read_documents([tmp_path / name])
    assert message in str(caught.value) and str(tmp_path / name) in str(caught.value)


def test_missing_folder_unreadable_and_twice(tmp_path, monkeypatch):
    with pytest.raises(RequestError, match="there is no file"):
        read_documents([tmp_path / "no.txt"])
    with pytest.raises(RequestError, match=r"nothing is left to read .* is an empty folder"):
        read_documents([tmp_path])
    with pytest.raises(RequestError, match="given twice"):
        read_documents(["-", "-"])
    with pytest.raises(RequestError, match="no document"):
        read_documents([])
    (tmp_path / "a.txt").write_text("x")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(RequestError, match=r"a.txt cannot be read: Permission denied"):
        read_documents([tmp_path / "a.txt"])


def test_folders_leave_out_what_cannot_be_read(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text("first")
    (tmp_path / "in" / "b.txt").write_bytes(b"\0\1")
    (tmp_path / "in" / "c.exe").write_bytes(b"MZ")
    (tmp_path / "in" / "deep" / "page.html").write_text("<h1>Second</h1><p>third")
    (tmp_path / "in" / "deep" / "up").symlink_to(tmp_path / "in")
    said = []
    document = read_documents([tmp_path / "in"], said.append)
    files = [str(tmp_path / "in" / name) for name in ("a.txt", "deep/page.html")]
    assert [part.file for part in document.parts] == files
    assert "Second\n\nthird" in document.text
    assert [line.split("/in/")[1] for line in said] == [
        "c.exe is of a kind that is not read (.exe)",
        "deep/up is a link to a folder above it",
        "b.txt is a binary file, not text",
    ]


def test_text_in_hand():
    assert document_from_text("hello", "greeting").place(4).file == "greeting"
    with pytest.raises(RequestError, match="greeting holds no text"):
        document_from_text(" ", "greeting")
