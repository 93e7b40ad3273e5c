"""Small files of every format, made by hand."""

from __future__ import annotations

import io
import zipfile

CONTAINER = """<?xml version="1.0"?>
<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>"""
OPF = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The Ferry</dc:title></metadata>
<manifest><item id="two" href="two.xhtml"/><item id="one" href="text/one%20.xhtml"/>
<item id="font" href="f.otf"/></manifest>
<spine><itemref idref="one"/><itemref idref="two"/></spine></package>"""
PAGE = """<html><head><title>{title}</title><style>p {{}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>"""


def epub(encryption: str = "") -> bytes:
    """A book of two chapters."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/book.opf", OPF)
        one = PAGE.format(title="Departure", text="The ferry left. It was dawn.")
        archive.writestr("OEBPS/text/one .xhtml", one)
        two = PAGE.format(title="Arrival", text="They reached Low Harbour.")
        archive.writestr("OEBPS/two.xhtml", two)
        if encryption:
            archive.writestr("META-INF/encryption.xml", encryption)
    return out.getvalue()


def pdf(*pages: str, password: str = "") -> bytes:
    """A PDF with a line of Helvetica on each page, and an outline entry for each."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for number, text in enumerate(pages, 1):
        page = writer.add_blank_page(300, 300)
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
        if text:
            writer.add_outline_item(f"Part {number}", number - 1)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def docx() -> bytes:
    """A document with a title, headings, a paragraph and a table."""
    from docx import Document

    document = Document()
    document.add_heading("The Ferry", 0)
    document.add_heading("Departure", 1)
    document.add_paragraph("The ferry left Port Avery at dawn.")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "captain", "Ilse Brand"
    document.add_heading("Arrival", 1)
    document.add_paragraph("They reached Low Harbour.")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
