"""Equal shares for tenants: who got the least goes first (start-time fair queueing)."""

from __future__ import annotations

from collections.abc import Iterable


class FairShare:
    """Counts the tokens that each tenant was served.

    A tenant that comes back after a pause starts level with those that are there: it neither has
    saved up time nor owes any.
    """

    def __init__(self) -> None:
        self._served: dict[str, float] = {}

    def keep(self, tenants: Iterable[str]) -> None:
        """Tells which tenants want something now; others are forgotten."""
        wanted = set(tenants)
        floor = min((n for t, n in self._served.items() if t in wanted), default=0.0)
        self._served = {t: self._served.get(t, floor) for t in wanted}

    def charge(self, tenant: str, tokens: float) -> None:
        """A tenant was served."""
        self._served[tenant] = self._served.get(tenant, 0.0) + tokens

    def served(self, tenant: str) -> float:
        """Tokens so far, by which tenants are ordered."""
        return self._served.get(tenant, 0.0)
