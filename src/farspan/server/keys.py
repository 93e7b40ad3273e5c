"""API keys: kept as hashes in a file, one tenant a key."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from farspan.errors import RequestError
from farspan.files import write_whole

LOCAL = "local"
"""The tenant of a server without keys, which only its own machine reaches."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class Keys:
    """Tells whose key it is. Keys are random and long, so one fast hash keeps them."""

    def __init__(self, tenants: Mapping[str, str]) -> None:
        self._tenants = dict(tenants)

    def tenant(self, key: str) -> str | None:
        """The tenant of a key, None for a key that is not known."""
        return self._tenants.get(_digest(key))

    @classmethod
    def read(cls, path: Path) -> Keys:
        """From a file that `add_key` wrote; `RequestError` if it is missing, empty or damaged."""
        tenants = {digest: name for name, digest in _entries(path)}
        if not tenants:
            raise RequestError(f"{path} holds no key; make one with --new-key NAME")
        return cls(tenants)


def add_key(path: Path, tenant: str) -> str:
    """Makes a key for a tenant, keeps its hash in the file, and returns it: it is nowhere else.

    A tenant may have several keys. Raises `RequestError` for names other than a-z, 0-9 and dash.
    """
    if not _TENANT.fullmatch(tenant):
        raise RequestError(
            f"tenant {tenant!r}: use up to 32 small letters, digits and dashes, no dash first"
        )
    key = "fs-" + secrets.token_urlsafe(32)
    entries = _entries(path) if path.exists() else []
    lines = [
        json.dumps({"tenant": name, "sha256": d}) for name, d in [*entries, (tenant, _digest(key))]
    ]
    write_whole(path, ("\n".join(lines) + "\n").encode())
    path.chmod(0o600)
    return key


def _entries(path: Path) -> list[tuple[str, str]]:
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        return [(str(line["tenant"]), str(line["sha256"])) for line in lines]
    except OSError as error:
        raise RequestError(f"the keys in {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path} is no file of API keys; make one with --new-key NAME"
        ) from error


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
