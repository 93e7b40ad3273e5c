"""How a server is set up."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from farspan.engine.scheduler import Limits
from farspan.errors import RequestError


@dataclass(frozen=True)
class Settings:
    """Where the server listens, who may ask, and how much.

    `body_bytes` bounds any request, `document_bytes` an uploaded document; `requests_a_minute`
    and `documents` bound each tenant. `open_sessions` are held in memory for the next question.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key_file: Path | None = None
    body_bytes: int = 4 << 20
    document_bytes: int = 64 << 20
    requests_a_minute: int = 1200
    documents: int = 1000
    open_sessions: int = 8
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise RequestError(f"port is {self.port}, must be from 0 to 65535")
        if self.api_key_file is None and not is_loopback(self.host):
            raise RequestError(
                f"host {self.host} can be reached from other machines, and there are no keys; give"
                " --api-key-file FILE (make one with --new-key NAME), or use --host 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
