import pytest
from typer.testing import CliRunner

from farspan.cli.main import make_app
from farspan.server.keys import Keys

RUN = CliRunner()


def run(*words):
    return RUN.invoke(make_app(["serve"]), ["serve", *words])


def test_a_key_is_made_and_printed_once(tmp_path):
    path = tmp_path / "keys"
    found = run("--api-key-file", str(path), "--new-key", "ann")
    assert found.exit_code == 0
    assert Keys.read(path).tenant(found.stdout.strip()) == "ann"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--host", "0.0.0.0"], "--api-key-file"),
        (["--new-key", "ann"], "--api-key-file"),
        (["--log-level", "loud"], "log level"),
        (["--port", "70000"], "port"),
    ],
)
def test_wrong_settings_are_refused(words, says):
    found = run(*words)
    assert found.exit_code == 2
    assert says in found.stderr
