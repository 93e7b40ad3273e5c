"""A run's folder: what was asked, where it ran, what was measured, and a card that tells it.

run.json         recipe, full configuration, environment
log.jsonl        a row of metrics each `log_every` steps
step-N/          checkpoints
training.png     losses and speed (with matplotlib)
README.md        the model card
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from farspan.errors import RequestError
from farspan.files import write_whole
from farspan.parallel.mesh import Mesh
from farspan.training.config import TrainConfig

Row = Mapping[str, object]
Log = Callable[[dict[str, object]], None]


@dataclass
class Run:
    """Collects the rows of a run and passes them on; only the first rank has files."""

    folder: Path
    recipe: str
    config: TrainConfig
    mesh: Mesh
    log: Log = lambda row: None
    about: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def logging(self) -> Iterator[Log]:
        """Writes what was asked, then a line a row; draws and describes at the end."""
        if not self.mesh.is_first:
            yield lambda row: None
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        asked = {
            "recipe": self.recipe,
            "config": asdict(self.config),
            "mesh": asdict(self.mesh.shape),
            "environment": environment(self.mesh),
        }
        write_whole(self.folder / "run.json", json.dumps(asked | self.about, indent=2).encode())
        with (self.folder / "log.jsonl").open("a") as file:

            def tell(row: dict[str, object]) -> None:
                print(json.dumps(row), file=file, flush=True)
                self.log(row)

            yield tell
        rows = read_rows(self.folder)
        draw(rows, self.folder / "training.png", tell_missing=self.log)
        write_whole(self.folder / "README.md", self.card(rows).encode())

    def card(self, rows: list[dict[str, Any]]) -> str:
        """The model card: what it is, how it was trained, what was measured while training."""
        steps = [row for row in rows if "answer_loss" in row]
        last = steps[-1] if steps else {}
        facts = environment(self.mesh)
        measured = [
            f"| {name.replace('_', ' ')} | {_shown(last[name])} |"
            for name in ("step", "answer_loss", "text_loss", "tokens_per_second", "skipped")
            if name in last
        ]
        settings = [f"    {name}: {value}" for name, value in asdict(self.config).items()]
        return "\n".join(
            [
                f"# {self.folder.name}",
                "",
                f"Trained with `farspan train {self.recipe}` on {facts['device']}, {facts['ranks']}"
                f" rank(s), torch {facts['torch']}, {time.strftime('%Y-%m-%d')}.",
                "",
                f"Layer plan: `{self.config.plan}`.",
                *(f"{key.capitalize()}: {value}." for key, value in self.about.items()),
                "",
                "| last row of log.jsonl | |",
                "|---|---|",
                *measured,
                "",
                "Losses are in nats on the training rows; they say nothing of other text. All rows"
                " are in log.jsonl, training.png shows them.",
                "",
                "Configuration:",
                "",
                *settings,
                "",
            ]
        )


def environment(mesh: Mesh) -> dict[str, Any]:
    """Versions and hardware."""
    cuda = mesh.device.type == "cuda"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
        "device": torch.cuda.get_device_name() if cuda else platform.processor() or "CPU",
        "ranks": dist.get_world_size(),
        "threads": torch.get_num_threads(),
    }


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log; none before the first."""
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def draw(rows: list[dict[str, Any]], path: Path, *, tell_missing: Log) -> None:
    """Losses and speed against steps; without matplotlib that is told and left out."""
    rows = [row for row in rows if "answer_loss" in row]
    if not rows:
        return
    try:
        from matplotlib.figure import Figure
    except ImportError:
        tell_missing({"note": "no picture: pip install 'farspan[plot]'"})
        return
    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, speed = figure.subplots(2, sharex=True)
    steps = [row["step"] for row in rows]
    for name in ("answer_loss", "text_loss"):
        losses.plot(steps, [row[name] for row in rows], label=name.replace("_", " "))
    losses.set_ylabel("loss, nats")
    losses.legend()
    speed.plot(steps, [row["tokens_per_second"] for row in rows])
    speed.set_ylabel("read tokens/s")
    speed.set_xlabel("step")
    figure.savefig(path)


def parse_settings(settings: list[str]) -> dict[str, str]:
    """`field=value` pairs; `RequestError` for what is none."""
    changes = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RequestError(f"--set {setting!r} is not of the form field=value")
        changes[name] = value
    return changes


def _shown(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
