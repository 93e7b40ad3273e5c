"""The command `farspan`: finds the command, and turns errors into a sentence and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from farspan import __version__
from farspan.errors import RequestError
from farspan.files import is_disk_full

STARTED = time.perf_counter()
"""When the program began, as nearly as it can tell."""

COMMANDS: dict[str, tuple[str, str]] = {
    "ask": ("farspan.cli.ask", "Ask a question about documents of any length."),
    "bench": ("farspan.cli.bench", "Measure speed and memory, beside other engines."),
    "convert": ("farspan.cli.convert", "Write a checkpoint with another plan or positions."),
    "data": ("farspan.cli.data", "Make long training data from any documents."),
    "eval": ("farspan.cli.eval", "Measure what models do with long contexts."),
    "plan": ("farspan.cli.plan", "What a layer plan costs, and what its layers see."),
    "sessions": ("farspan.cli.sessions", "List, fork, rewind, move and check what was read."),
    "serve": ("farspan.cli.serve", "Serve an OpenAI-compatible API and a page."),
    "train": ("farspan.cli.train", "Train an adapter by a recipe."),
}
"""Each command's module, and its line in the list of commands.

The module has a function of the command's name, or a `typer.Typer` called `app`. It is imported
only when the command is called, and imports torch and the like only when it runs.
"""

# Threads that wait should sleep: where they spin, as by default, another busy program on the same
# cores makes answers ten times slower. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

FAILED, WRONG_REQUEST, INTERRUPTED = 1, 2, 130


class _Farspan(TyperGroup):
    """Runs a command and tells its errors to a person."""

    def invoke(self, ctx: Any) -> Any:
        """The command's result; `typer.Exit` with the code of what went wrong."""
        try:
            return super().invoke(ctx)
        except RequestError as error:
            _tell(str(error))
            raise typer.Exit(WRONG_REQUEST) from error
        except KeyboardInterrupt as error:
            _tell(str(error) or "interrupted")
            raise typer.Exit(INTERRUPTED) from error
        except OSError as error:
            if not is_disk_full(error):
                raise
            _tell("no room left on the disk; free some space or set FARSPAN_CACHE to a larger one")
            raise typer.Exit(WRONG_REQUEST) from error


def make_app(words: Sequence[str]) -> typer.Typer:
    """The application, with the commands that occur in a command line, others by name alone."""
    app = typer.Typer(
        name="farspan",
        cls=_Farspan,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    completing = any(name.startswith("_FARSPAN_COMPLETE") for name in os.environ)
    for name, (module_name, line) in COMMANDS.items():
        if name not in words and not completing:
            app.command(name, short_help=line)(_nothing)
            continue
        module = importlib.import_module(module_name)
        if isinstance(getattr(module, "app", None), typer.Typer):
            app.add_typer(module.app, name=name, short_help=line)
        else:
            app.command(name, short_help=line)(getattr(module, name))
    return app


def run() -> None:
    """The entry point: 0 done, 1 failed on the way, 2 the request was wrong, 130 interrupted."""
    try:
        make_app(sys.argv[1:])()
    except Exception as error:
        if os.environ.get("FARSPAN_DEBUG"):
            traceback.print_exc()
        else:
            _tell(f"failed: {type(error).__name__}: {error} (--debug shows where)")
        sys.exit(FAILED)


def _nothing() -> None:
    """Stands for a command that this command line does not call."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"farspan {__version__}")
        raise typer.Exit


def _debug(wanted: bool) -> None:
    if wanted:
        os.environ["FARSPAN_DEBUG"] = "1"


def _options(
    version: bool = typer.Option(
        False, "--version", help="Show the version.", is_eager=True, callback=_show_version
    ),
    debug: bool = typer.Option(
        False, "--debug", help="Show where an unexpected error happened.", callback=_debug
    ),
) -> None:
    """Million-token context for language models, on a laptop and on GPUs.

    Example: farspan ask book.txt "Whom does Natasha marry?"
    """


def _tell(sentence: str) -> None:
    """One sentence on stderr."""
    print(f"farspan: {' '.join(sentence.split())}", file=sys.stderr)
