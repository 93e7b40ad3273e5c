"""The layer plan: which mixer each layer has, as a readable string.

window(512)*6, [recall(512), window(512)*3]*3, recall(512), window(512)*11
full*30
window(1024, sinks=4)*29, full
heads(window(128)|window(1024)|full)*30
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields

from farspan.errors import RequestError
from farspan.mixers.heads.spec import Heads, written
from farspan.mixers.recall import Recall
from farspan.mixers.registry import MIXERS
from farspan.mixers.spec import MixerSpec
from farspan.mixers.window import Window

DEFAULT_WINDOW = 512
_TOKEN = re.compile(r"\s*(?:(?P<name>[a-z_]+)|(?P<number>\d+)|(?P<mark>[\[\](),*=|]))")


@dataclass(frozen=True)
class Plan:
    """The mixers of all layers, bottom first."""

    layers: tuple[MixerSpec, ...]

    @property
    def recall_layers(self) -> tuple[int, ...]:
        """Indices of the layers with a store."""
        return tuple(i for i, layer in enumerate(self.layers) if layer.stores)

    @property
    def read_depth(self) -> int:
        """How many layers read tokens pass: up to the last recall layer, or all without one.

        Layers above see asked tokens alone, so a document costs them nothing.
        """
        return self.recall_layers[-1] + 1 if self.recall_layers else len(self.layers)

    def __str__(self) -> str:
        return ", ".join(written(self.layers))


def parse_plan(text: str, n_layers: int) -> Plan:
    """A plan from its string or a preset's name: `full`, `window` or `reader`.

    `reader` is `reader_plan`. Raises `RequestError` if the text cannot be read or gives another
    number of layers.
    """
    if text in _PRESETS:
        return _PRESETS[text](n_layers)
    layers = _Parser(text).plan()
    if len(layers) != n_layers:
        raise RequestError(
            f"layer plan {text!r} has {len(layers)} layers, the model has {n_layers}"
        )
    return Plan(tuple(layers))


def reader_plan(n_layers: int, window: int = DEFAULT_WINDOW) -> Plan:
    """Recall at four depths (fewer in shallow models) from a fifth to three fifths.

    Measured on SmolLM2-135M: with the last recall layer at 18 of 30 the task is learnt, at 17 it
    is not (docs/log.md).
    """
    count = min(4, max(1, n_layers // 3))
    first, last = n_layers * 0.2, n_layers * 0.6
    step = (last - first) / max(1, count - 1)
    recall = {round(first + i * step) for i in range(count)}
    return Plan(tuple(Recall(window) if i in recall else Window(window) for i in range(n_layers)))


_PRESETS = {
    "full": lambda n: Plan((MIXERS["full"](),) * n),
    "window": lambda n: Plan((Window(DEFAULT_WINDOW),) * n),
    "reader": reader_plan,
}


class _Parser:
    """plan = item {"," item};  item = ("[" plan "]" | mixer) ["*" number].

    The parts of `heads` are items too, with "|" between them.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(f"unexpected {text[position:].strip()[:10]!r}")
            self.tokens.append(match.group().strip())
            position = match.end()
        self.next = 0

    def plan(self) -> list[MixerSpec]:
        layers = self._items()
        if self.next < len(self.tokens):
            raise self._error(f"unexpected {self.tokens[self.next]!r}")
        return layers

    def _items(self) -> list[MixerSpec]:
        layers = self._item()
        while self._take(","):
            layers += self._item()
        return layers

    def _item(self) -> list[MixerSpec]:
        if self._take("["):
            layers = self._items()
            self._need("]")
        else:
            layers = [self._mixer()]
        return layers * self._number(1) if self._take("*") else layers

    def _mixer(self) -> MixerSpec:
        kind = self._pop()
        if kind not in MIXERS:
            known = f"mixers {', '.join(MIXERS)} and the whole plans {', '.join(_PRESETS)}"
            raise self._error(f"unknown mixer {kind!r}; there are the {known}")
        spec = MIXERS[kind]
        if spec is Heads and self._take("("):
            return self._heads()
        settings = self._settings(spec) if self._take("(") else {}
        missing = [f.name for f in fields(spec) if f.default is MISSING and f.name not in settings]
        if missing:
            raise self._error(f"{kind} needs its {missing[0]}")
        return self._checked(lambda: spec(**settings))

    def _heads(self) -> MixerSpec:
        """`window(128)*2|full)`."""
        parts = self._item()
        while self._take("|"):
            parts += self._item()
        self._need(")")
        return self._checked(lambda: Heads(tuple(parts)))

    def _checked(self, make: Callable[[], MixerSpec]) -> MixerSpec:
        try:
            return make()
        except RequestError as error:
            raise self._error(str(error)) from error

    def _settings(self, spec: type[MixerSpec]) -> dict[str, int | str]:
        """`512, sinks=4)`: the first value may stand without its name."""
        known = [field.name for field in fields(spec)]
        if not known:
            raise self._error(f"{spec.kind} takes no arguments")
        found: dict[str, int | str] = {}
        while True:
            name = known[0]
            if found or self.tokens[self.next + 1 : self.next + 2] == ["="]:
                name = self._pop()
                if name not in known or name in found:
                    raise self._error(f"{spec.kind} takes {', '.join(known)}, once each")
                self._need("=")
            default = next(f.default for f in fields(spec) if f.name == name)
            found[name] = self._pop() if isinstance(default, str) else self._number(0)
            if self._take(")"):
                return found
            self._need(",")

    def _pop(self) -> str:
        if self.next == len(self.tokens):
            raise self._error("it ends too early")
        self.next += 1
        return self.tokens[self.next - 1]

    def _take(self, mark: str) -> bool:
        found = self.next < len(self.tokens) and self.tokens[self.next] == mark
        self.next += found
        return found

    def _need(self, mark: str) -> None:
        found = self._pop()
        if found != mark:
            raise self._error(f"expected {mark!r}, found {found!r}")

    def _number(self, least: int) -> int:
        found = self._pop()
        if not found.isdigit() or not least <= int(found) < 10**8:
            raise self._error(f"expected a number from {least} on, found {found!r}")
        return int(found)

    def _error(self, what: str) -> RequestError:
        example = "window(512)*5, [recall(512), window(512)*4]*5"
        return RequestError(f"layer plan {self.text!r}: {what}. An example: {example}")
