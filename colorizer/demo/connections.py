"""Limits on connections that haven't sent a request yet: their number per address, and how long they may take.

Uvicorn waits forever for the head of a request. A thousand connections that send none would use up all descriptors.
"""

import asyncio
import ipaddress
from typing import Any

MAX_PENDING = 100
"""Connections per address that haven't sent a complete request head; beyond that, the oldest is closed."""
HEADER_TIMEOUT = 10.0
"""Seconds that a connection has to send the head of its first request."""


def name_visitor(address: str) -> str:
    """Name the visitor at an address; with IPv6, a household has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def is_public(address: str) -> bool:
    """Whether an address is reachable from the whole internet; others may be those of a proxy with many visitors."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def limit_connections(config: Any, max_pending: int = MAX_PENDING, timeout: float = HEADER_TIMEOUT) -> None:
    """Make a server close connections that would exhaust its descriptors.

    Parameters
    ----------
    config : uvicorn.Config
        The server's; the server may be running already, and the limits hold for connections accepted from now on.
    max_pending : int
        See `MAX_PENDING`.
    timeout : float
        See `HEADER_TIMEOUT`.
    """
    base: Any = config.http_protocol_class
    pending: dict[str, dict[Any, None]] = {}  # By visitor, the oldest first.

    class Bounded(base):
        """A connection that is closed unless it sends the head of a request in time."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            peer = transport.get_extra_info("peername")
            self._visitor = name_visitor(str(peer[0])) if peer else ""
            self._end = asyncio.get_running_loop().call_later(timeout, transport.abort)
            others = pending.setdefault(self._visitor, {})
            others[self] = None
            if len(others) > max_pending:
                # The oldest one goes: real visitors send their request at once.
                next(iter(others)).drop()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None:  # The head of a request has arrived.
                self._mark_active()

        def connection_lost(self, error: Exception | None) -> None:
            self._mark_active()
            super().connection_lost(error)

        def drop(self) -> None:
            self._mark_active()
            self.transport.abort()

        def _mark_active(self) -> None:
            self._end.cancel()
            others = pending.get(self._visitor, {})
            others.pop(self, None)
            if not others:
                pending.pop(self._visitor, None)

    config.http_protocol_class = Bounded
