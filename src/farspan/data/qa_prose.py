"""Questions about prose: who speaks, how a sentence goes on, numbers, names, simple relations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from farspan.data.sentences import Quotable, sentences
from farspan.data.turns import Item, as_answer

_TITLES = (
    r"(?:Mr\.?|Mrs\.?|Ms\.?|Miss|Dr\.?|Sir|Lady|Lord|Captain|Colonel|General|Major|Prince|Princess"
    r"|Count|Countess|Duke|King|Queen|Father|Brother|Sister|Aunt|Uncle|Madame|Monsieur|Mademoiselle"
    r"|Don|Professor|Doctor|Saint|St\.) "
)
_WORD_NAME = r"[A-Z][a-z]+(?:-[A-Z][a-z]+)?"
NAME = rf"(?:{_TITLES})?{_WORD_NAME}(?: (?:de |von |van |of )?{_WORD_NAME}){{0,2}}"
_NOT_NAMES = frozenset(
    re.findall(
        r"\S+",
        """A About According After Again Ah All Also Although Among An And Another Any As At Be
        Because Before Being Besides Both But By Certain Each Either English Even Every Everyone
        Finally First For From Had Has Have Having He Hence Her Here Hers Him His How However I
        If In Indeed Instead Is It Its Just Last Let Like Many May Me More Moreover Most Much My
        Nay Neither Never Next No Nobody None Nor Not Nothing Now O Of Oh On Once One Only Or
        Other Others Our Over Perhaps Please Quite Rather Second See Several Shall She Should
        Since So Some Someone Somebody Sometimes Soon Still Such Than That The Their Them Then
        There Therefore These They This Those Though Thou Three Through Thus Thy To Together Too
        Two Under Until Up Upon Very Was We Well Were What When Whence Where Whether Which While
        Who Whom Whose Why Will With Without Would Yes Yet You Your Madam God Heaven January
        February March April June July August September October November December Monday Tuesday
        Wednesday Thursday Friday Saturday Sunday Chapter Figure Table Section Article Act
        Congress Link Book Part Volume French German Latin Greek Christian State City Whereupon
        Thereupon Meanwhile Poor Dear Old Young Good Alas Government Union President""",
    )
)
_TITLES_ALONE = frozenset(
    re.findall(
        r"\S+",
        """Aunt Brother Captain Colonel Count Countess Doctor Don Duke Father General King Lady
        Lord Madame Mademoiselle Major Miss Monsieur Mother Mr Mrs Prince Princess Professor
        Queen Saint Sir Sister Uncle""",
    )
)
_VERBS = (
    r"(?:said|cried|replied|asked|answered|exclaimed|returned|whispered|shouted|murmured|remarked"
    r"|observed|muttered|inquired|continued|added|declared|demanded|called out|repeated|responded)"
)
_SPEECH = re.compile(
    r'(?:(?<=\n)|(?<=[ \n—-]))["“]([A-Z][^"“”\n]{14,260}?)[,.!?—-]["”] {1,2}'
    rf"(?:{_VERBS} (?P<after>{NAME})|(?P<before>{NAME}) {_VERBS})(?=[,.;:!—]| [a-z(])"
)
_JUNK = re.compile(
    r"[_*|{}<>=\[\]\\^~#§$/@+]|\.\.\.|…|  +\S+  |://|\b[A-Z]{3,}\b|--.*--.*--|\s[,.;:]|\([a-z]\)|”\w"
)
_NUMBER = re.compile(r"(?<![\w.,:/-])\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.,:/-])\d+(?:\.\d+)?")
_YEAR_BEFORE = re.compile(
    r"(?:\b(?:[Ii]n|[Ss]ince|of|[Bb]y|until|before|after|from|year|to) "
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November"
    r"|December),? )$"
)
_UNIT_AFTER = re.compile(
    r" (years|miles|feet|men|women|people|children|acres|pounds|dollars|days|hours|minutes|months"
    r"|weeks|yards|inches|meters|metres|kilometers|tons|degrees|soldiers|horses|ships|guns|cents"
    r"|shillings|guineas|francs|leagues|paces|steps|votes|members|states|seconds|officers|persons|troops"
    r"|prisoners|houses|families|vessels|sailors|workers|students|islands|species|volts|watts)\b"
)
_PROPER = re.compile(rf"(?<![.!?\"“'‘:;] )(?<=[a-z,] ){NAME}(?=[ ,.;:!?])(?!'s|’s| [A-Z])")
_NOT_BEFORE = re.compile(
    r"\b(?:[Tt]he|an?|our|their|his|her|my|your|its|this|that|these|those|[A-Z][\w.]*) $"
)
_BLANK = "____"
_VERB_AFTER = re.compile(
    r" (?:was|had|could|would|went|came|looked|felt|took|gave|turned|stood|sat|smiled|laughed"
    r"|thought|knew|saw|heard|made|began|rose|ran|walked|answered|asked|said|replied|cried|spoke|kept|held"
    r"|put|did|must|might|should|himself|herself|nodded|sighed|hesitated|remained|became|seemed)\b"
)
_RELATIVES = (
    "son|daughter|wife|husband|brother|sister|father|mother|widow|nephew|niece|cousin|uncle|aunt"
)
_CLAUSE = r"(?<!of )(?<!and )(?<!to )(?<!in )(?<!by )(?<!with )(?<!from )(?<!for )(?<!at )\b"
_PLACE = rf"(?:the )?{_WORD_NAME}(?: {_WORD_NAME}){{0,2}}"
_END = r"(?=[,.;:]| (?:in|on|and|about|where|when|until|for|with|as|at|but|who|which)\b)"
_RELATIONS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("born", re.compile(rf"{_CLAUSE}(?P<a>{NAME}) was born (?:in|at) (?P<v>{_PLACE}){_END}"), "a"),
    (
        "lived",
        re.compile(rf"{_CLAUSE}(?P<a>{NAME}) (?:lived|resided) (?:in|at) (?P<v>{_PLACE}){_END}"),
        "a",
    ),
    ("died", re.compile(rf"{_CLAUSE}(?P<a>{NAME}) died (?:in|at) (?P<v>{_PLACE}){_END}"), "a"),
    ("married", re.compile(rf"{_CLAUSE}(?P<a>{NAME}) (?:had )?married (?P<v>{NAME}){_END}"), "a"),
    (
        "relative",
        re.compile(
            rf"{_CLAUSE}(?P<v>{NAME}), (?:the )?(?:eldest |youngest |only |younger |elder )?"
            rf"(?P<b>{_RELATIVES}) of (?P<a>{NAME})(?=[,.;])"
        ),
        "ab",
    ),
    (
        "capital",
        re.compile(rf"\b(?P<v>{_WORD_NAME}), the capital of (?P<a>{_PLACE})(?=[,.;])"),
        "a",
    ),
    (
        "capital",
        re.compile(rf"\b[Tt]he capital of (?P<a>{_PLACE}) (?:is|was) (?P<v>{_PLACE}){_END}"),
        "a",
    ),
    (
        "agent",
        re.compile(
            rf"{_CLAUSE}(?P<a>(?:[Tt]he )?{_WORD_NAME}(?: {_WORD_NAME}){{0,3}}) (?:is|was) "
            rf"(?P<b>founded|discovered|written|built|invented|killed|defeated|elected|painted|created"
            rf"|established|composed|conquered|captured|murdered|adopted|succeeded) by "
            rf"(?P<v>(?:the )?{NAME}){_END}"
        ),
        "ab",
    ),
)


def prose_items(text: str, quotable: Quotable) -> Iterator[Item]:
    """Questions of all prose kinds, in no order and not thinned."""
    yield from _speakers(text, quotable)
    yield from _relations(text)
    names = Counter(match[0] for match in _PROPER.finditer(text))
    # Old books write nouns with capitals: a word that is also written small is no name.
    common = set(re.findall(r"\b[a-z]+\b", text))
    names = Counter({name: n for name, n in names.items() if name.lower() not in common})
    before: tuple[int, int] | None = None
    for start, end in sentences(text):
        sentence = text[start:end]
        good = _is_good(sentence)
        if good and before is not None and text[before[1] : start] in (" ", "  "):
            yield from _follower(text, before, (start, end), quotable)
        before = (start, end) if good else None
        if not good or not quotable.unique(start, end):
            continue
        yield from _completion(sentence, start, quotable)
        yield from _numbers(sentence, start, quotable)
        yield from _names(sentence, start, quotable, names)


def clean(text: str) -> str:
    """The text with single spaces."""
    return " ".join(text.split())


def _is_name(name: str) -> bool:
    """Whether a capitalised phrase is a name, not a sentence's first word or a bare title."""
    parts = name.split()
    if len(parts) == 1 and parts[0].rstrip(".") in _TITLES_ALONE:
        return False
    return parts[0] not in _NOT_NAMES and parts[-1] not in _NOT_NAMES


def _is_good(sentence: str) -> bool:
    """Whether a sentence is prose of a handy length, whole, without markup or open quotation."""
    if not 45 <= len(sentence) <= 320 or not sentence[0].isupper() or _JUNK.search(sentence):
        return False
    if re.search(r"[\"“”]|(?:^|[ -])'|;.{0,11}$", sentence):
        return False
    if sentence.count("(") != sentence.count(")") or sentence.count("‘") != sentence.count("’"):
        return "(" not in sentence and ")" not in sentence and "‘" not in sentence
    return sentence[-1] in ".!?"


def _speakers(text: str, quotable: Quotable) -> Iterator[Item]:
    for match in _SPEECH.finditer(text):
        name = match["after"] or match["before"]
        words = list(re.finditer(r"\S+", match[1]))
        if len(words) < 5 or not _is_name(name) or _JUNK.search(match[1]):
            continue
        n_words = len(words) if len(words) <= 18 else 12
        cut = words[n_words - 1].end()
        begin = match.start(1)
        if not quotable.unique(begin, begin + cut):
            continue
        quote = clean(match[1][:cut]).rstrip(",;:")
        if len(words) <= 18 and match[0][len(match[1]) + 1] in "!?":
            quote += match[0][len(match[1]) + 1]
        yield Item("says", (quote,), as_answer(name), match.start(), match.end())


def _completion(sentence: str, start: int, quotable: Quotable) -> Iterator[Item]:
    words = list(re.finditer(r"\S+", sentence))
    if not 13 <= len(words) <= 34:
        return
    cut = len(words) - min(len(words) // 2, 14)
    if cut < 7 or not quotable.unique(start, start + words[cut - 1].end()):
        return
    head = clean(sentence[: words[cut - 1].end()])
    tail = clean(sentence[words[cut].start() :])
    if head[-1] in ".!?":
        return
    yield Item("completion", (head,), tail, start, start + len(sentence))


def _follower(
    text: str, before: tuple[int, int], after: tuple[int, int], quotable: Quotable
) -> Iterator[Item]:
    first, second = clean(text[slice(*before)]), clean(text[slice(*after)])
    if 6 <= first.count(" ") <= 24 and 5 <= second.count(" ") <= 20 and quotable.unique(*before):
        yield Item("next_sentence", (first,), second, before[0], after[1])


def _around(sentence: str, start: int, span: tuple[int, int], quotable: Quotable) -> bool:
    """Whether what remains beside a blank is still found only once."""
    return quotable.unique(start, start + span[0]) or quotable.unique(
        start + span[1], start + len(sentence)
    )


def _numbers(sentence: str, start: int, quotable: Quotable) -> Iterator[Item]:
    found = list(_NUMBER.finditer(sentence))
    if len(found) != 1 or not 7 <= sentence.count(" ") <= 32:
        return
    match = found[0]
    if any(char.isdigit() for char in sentence[: match.start()] + sentence[match.end() :]):
        return
    after = sentence[match.end() : match.end() + 1]
    if (
        match.start() == 0
        or after not in " ,.;?!"
        or not _around(sentence, start, match.span(), quotable)
    ):
        return
    blank = clean(sentence[: match.start()] + _BLANK + sentence[match.end() :])
    value, end = match[0], start + len(sentence)
    before = sentence[: match.start()]
    if re.fullmatch(r"1[0-9]{3}|20[0-2][0-9]", value) and _YEAR_BEFORE.search(before):
        yield Item("year", (blank,), as_answer(value), start, end)
        return
    unit = _UNIT_AFTER.match(sentence, match.end())
    if unit is not None and value != "1":
        yield Item("how_many", (blank, unit[1]), as_answer(f"{value} {unit[1]}"), start, end)
    elif not re.search(r"\b(?:[Cc]hapter|[Ff]igure|[Ss]ection|[Pp]age|[Nn]o\.|Article) $", before):
        yield Item("number", (blank,), as_answer(value), start, end)


def _names(sentence: str, start: int, quotable: Quotable, names: Counter[str]) -> Iterator[Item]:
    words = sentence.count(" ") + 1
    if not 9 <= words <= 32:
        return
    found = [match for match in _PROPER.finditer(sentence) if _is_name(match[0])]
    if len(found) != 1:
        return
    match = found[0]
    if _NOT_BEFORE.search(sentence, 0, match.start()):
        return
    outside = sentence[: match.start()] + sentence[match.end() :]
    if names[match[0]] < 2 or match[0] in outside:
        return
    if not _around(sentence, start, match.span(), quotable):
        return
    blank = clean(sentence[: match.start()] + _BLANK + sentence[match.end() :])
    person = re.match(_TITLES, match[0]) or _VERB_AFTER.match(sentence, match.end())
    kind = "person" if person else "name"
    yield Item(kind, (blank,), as_answer(match[0]), start, start + len(sentence))


def _relations(text: str) -> Iterator[Item]:
    found: dict[tuple[str, ...], list[Item]] = {}
    for kind, pattern, keys in _RELATIONS:
        for match in pattern.finditer(text):
            slots = tuple(clean(match[key]) for key in keys)
            value = clean(match["v"])
            bare = re.sub(r"^[Tt]he ", "", slots[0])
            if not _is_name(bare) or not _is_name(value.removeprefix("the ")) or "\n" in match[0]:
                continue
            slots = (re.sub(r"^The ", "the ", slots[0]), *slots[1:])
            item = Item(kind, slots, as_answer(value), match.start(), match.end())
            found.setdefault((kind, *slots), []).append(item)
    for items in found.values():
        if len({item.answer for item in items}) == 1:
            yield items[0]
