"""`python -m farspan`: the command line."""

from farspan.cli.main import run

run()
