"""Questions about a document's structure: headings, key-and-value entries, sections of laws."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from farspan.data.sentences import sentences
from farspan.data.turns import Item, as_answer

_HEADING = re.compile(r"^#{1,5} +(\S[^\n]*?)(?: +#+)? *$", re.M)
_BARE_HEADING = re.compile(r"(?:[A-Za-z]+ +)?(?:[IVXLC]+|\d+)", re.I)
_NUMBERED = re.compile(
    r"(?P<number>(?:chapter|book|part|letter|canto|act|scene|stave) +(?:[ivxlc]+|\d+))"
    r"(?:\.|:|\s*[-—–]+)+\s*(?P<title>[^\n]{3,90})",
    re.I,
)
_SECTION = re.compile(r"^(§ ?[0-9A-Z][\w.:\-]*\d[\w.:\-]*?)\.? ([A-Z“\"][^\n]{3,100}?)\.?$", re.M)
_ENTRY = re.compile(r"^([A-Za-z][^:\n]{2,54}?) ?: +(\S[^\n]*)$", re.M)
_DATED = re.compile(r"\s*\((?:\d{4}|[A-Z][a-z]+ \d{4})(?: est\.)?\)$")
_TERM = re.compile(r"^\s*(?:\(\w+\) )?“([^”\n]{3,50})” means ([^\n:;]{15,170}?)\.?$", re.M)

_PLURAL_ENTRIES = frozenset(
    (
        "Geographic coordinates",
        "Natural resources",
        "Natural hazards",
        "Languages",
        "Religions",
        "Ethnic groups",
        "Industries",
        "Agricultural products",
        "Exports - partners",
        "Imports - partners",
        "Exports - commodities",
        "Imports - commodities",
        "National symbol(s)",
        "National color(s)",
        "key ports",
        "border countries",
    )
)
_KNOWN_ENTRIES = {
    "Climate": "the climate",
    "Terrain": "the terrain",
    "Coastline": "the length of the coastline",
    "Location": "the location",
    "Geographic coordinates": "the geographic coordinates",
    "Natural resources": "the natural resources",
    "Natural hazards": "the natural hazards",
    "Area - comparative": "the comparative area",
    "highest point": "the highest point",
    "lowest point": "the lowest point",
    "mean elevation": "the mean elevation",
    "Irrigated land": "the area of irrigated land",
    "conventional long form": "the official long name",
    "local short form": "the local short name",
    "local long form": "the local long name",
    "Government type": "the type of government",
    "Languages": "the languages",
    "Religions": "the religions",
    "Ethnic groups": "the ethnic groups",
    "Population growth rate": "the population growth rate",
    "Birth rate": "the birth rate",
    "Death rate": "the death rate",
    "Net migration rate": "the net migration rate",
    "Total fertility rate": "the total fertility rate",
    "Maternal mortality ratio": "the maternal mortality ratio",
    "Physician density": "the density of physicians",
    "Hospital bed density": "the density of hospital beds",
    "urban population": "the urban share of the population",
    "rate of urbanization": "the rate of urbanization",
    "Inflation rate (consumer prices) 2024": "the inflation rate of {} in 2024",
    "Inflation rate (consumer prices) 2023": "the inflation rate of {} in 2023",
    "Inflation rate (consumer prices) 2022": "the inflation rate of {} in 2022",
    "Real GDP per capita 2024": "the real GDP per capita of {} in 2024",
    "Real GDP per capita 2023": "the real GDP per capita of {} in 2023",
    "Real GDP per capita 2022": "the real GDP per capita of {} in 2022",
    "Real GDP growth rate 2024": "the real GDP growth rate of {} in 2024",
    "Real GDP growth rate 2023": "the real GDP growth rate of {} in 2023",
    "Unemployment rate 2024": "the unemployment rate of {} in 2024",
    "Unemployment rate 2023": "the unemployment rate of {} in 2023",
    "Exports 2023": "the value of exports of {} in 2023",
    "Imports 2023": "the value of imports of {} in 2023",
    "GDP (official exchange rate)": "the GDP at the official exchange rate",
    "Labor force": "the labor force",
    "Industries": "the industries",
    "Agricultural products": "the agricultural products",
    "Exports - partners": "the export partners",
    "Imports - partners": "the import partners",
    "Exports - commodities": "the export commodities",
    "Imports - commodities": "the import commodities",
    "Internet country code": "the internet country code",
    "Independence": "the date of independence",
    "National holiday": "the national holiday",
    "National symbol(s)": "the national symbols",
    "National color(s)": "the national colors",
    "Suffrage": "the voting age",
    "chief of state": "the chief of state",
    "head of government": "the head of government",
    "number of seats": "the number of seats in the legislature of {}",
    "legislature name": "the name of the legislature",
    "Airports": "the number of airports",
    "Heliports": "the number of heliports",
    "Civil aircraft registration country code prefix": "the aircraft registration prefix",
    "total ports": "the number of ports",
    "key ports": "the key ports",
    "territorial sea": "the extent of the territorial sea",
    "exclusive economic zone": "the extent of the exclusive economic zone",
    "border countries": "the bordering countries",
    "time difference": "the time difference",
    "Legal system": "the legal system",
    "Total renewable water resources": "the total of renewable water resources",
}


def structure_items(text: str, domain: str) -> Iterator[Item]:
    """Questions about structure, in no order."""
    if domain == "reference":
        yield from _entries(text)
        return
    if domain == "legal":
        yield from _sections(text)
        yield from _terms(text)
    yield from _headings(text)


def _headings(text: str) -> Iterator[Item]:
    found = list(_HEADING.finditer(text))
    if len(found) < 3:
        return
    names = [clean_heading(match[1]) for match in found]
    times = Counter(name.lower() for name in names)
    alone = [times[name.lower()] == 1 and 3 <= len(name) <= 110 for name in names]
    bare = [_BARE_HEADING.fullmatch(name) is not None for name in names]
    for i, (one, two) in enumerate(pairwise(found)):
        gap = text[one.end() : two.start()].strip()
        if alone[i] and alone[i + 1] and gap and not (bare[i] and bare[i + 1]):
            span = (one.start(), two.end())
            yield Item("heading_after", (names[i],), as_answer(names[i + 1]), *span, True)
            yield Item("heading_before", (names[i + 1],), as_answer(names[i]), *span, True)
    numbers = Counter(m["number"].lower() for n in names if (m := _NUMBERED.fullmatch(n)))
    for i, match in enumerate(found):
        if not alone[i]:
            continue
        end = found[i + 1].start() if i + 1 < len(found) else len(text)
        yield from _numbered(names[i], match, numbers)
        yield from _opening(text, match, end, names[i])


def clean_heading(heading: str) -> str:
    """A heading with single spaces and without emphasis marks or the stop at its end."""
    return " ".join(re.sub(r"[*_]", "", heading).split()).rstrip(".:;,")


def _numbered(name: str, match: re.Match[str], numbers: Counter[str]) -> Iterator[Item]:
    parts = _NUMBERED.fullmatch(name)
    if parts is None or numbers[parts["number"].lower()] != 1:
        return
    number, title = parts["number"], parts["title"]
    number = number.capitalize().split()[0] + " " + number.split()[1]
    yield Item("chapter_title", (number,), as_answer(title), *match.span(), True)
    if number.startswith("Chapter"):
        yield Item("chapter_number", (title,), as_answer(number), *match.span(), True)


def _opening(text: str, match: re.Match[str], end: int, name: str) -> Iterator[Item]:
    """How the part under a heading begins."""
    body = text[match.end() : end]
    found = next(sentences(body), None)
    if found is None or body[: found[0]].strip():
        return
    sentence = body[slice(*found)]
    plain = not re.search(r"[\"“”_*\[\]{}|<>=]|[A-Z]{3}", sentence) and sentence[0].isupper()
    if plain and 20 <= len(sentence) <= 180:
        span = (match.start(), match.end() + found[1])
        yield Item("chapter_begins", (name,), sentence, *span, True)


def _entries(text: str) -> Iterator[Item]:
    country = re.search(r"^conventional short form: ([A-Z][^\n;(]{2,40}?) *$", text, re.M)
    if country is None or country[1].strip().lower() == "none":
        return
    name = country[1].strip()
    found = list(_ENTRY.finditer(text))
    times = Counter(match[1].strip().lower() for match in found)
    for match in found:
        key, value = match[1].strip(), " ".join(match[2].split())
        value = _DATED.sub("", value)
        vague = value.lower() in ("na", "none", "yes", "no", "see below") or "note:" in value
        if times[key.lower()] != 1 or vague or not 1 <= len(value) <= 110:
            continue
        known = _KNOWN_ENTRIES.get(key)
        if known is not None:
            phrase = known.format(name) if "{}" in known else f"{known} of {name}"
            kind = "reference_many" if key in _PLURAL_ENTRIES else "reference"
            yield Item(kind, (phrase,), as_answer(value), *match.span())
        elif (key[0].isupper() or " " in key) and key != "conventional short form":
            yield Item("entry", (name, key), as_answer(value), *match.span())


def _sections(text: str) -> Iterator[Item]:
    found = list(_SECTION.finditer(text))
    numbers = Counter(match[1] for match in found)
    titles = Counter(match[2].lower() for match in found)
    for match in found:
        number, title = match[1], " ".join(match[2].split())
        if "repealed" in title.lower() or "reserved" in title.lower():
            continue
        if numbers[match[1]] == 1 and " " in title:
            yield Item("section_title", (number,), as_answer(title), *match.span())
        if titles[match[2].lower()] == 1 and title.count(" ") >= 2:
            yield Item("section_number", (title,), as_answer(number), *match.span(), True)


def _terms(text: str) -> Iterator[Item]:
    found = list(_TERM.finditer(text))
    times = Counter(match[1].lower() for match in found)
    for match in found:
        if times[match[1].lower()] == 1:
            yield Item("term", (match[1],), as_answer(match[2]), *match.span(), True)
