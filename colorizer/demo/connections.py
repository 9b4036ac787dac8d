"""What the server allows a connection before there is a request: so many of an address, and not for long.

Uvicorn waits without end for the head of a request. A thousand connections that send none would take all descriptors.
"""

import asyncio
import ipaddress
from collections import Counter
from typing import Any

MOST_SILENT = 100
"""Connections of an address that have not sent the whole head of a request."""
PATIENCE = 10.0
"""Seconds that a connection has for the head of its first request."""


def name_visitor(address: str) -> str:
    """Name the visitor at an address: of IPv6, a household has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def bound_connections(config: Any, most_silent: int = MOST_SILENT, patience: float = PATIENCE) -> None:
    """Have a server refuse what would exhaust its connections.

    Parameters
    ----------
    config : uvicorn.Config
        That of the server, which may run already; connections that it takes from now on are bounded.
    most_silent : int
        See `MOST_SILENT`.
    patience : float
        See `PATIENCE`.
    """
    base: Any = config.http_protocol_class
    silent: Counter[str] = Counter()

    class Bounded(base):
        """A connection that is closed if it says nothing."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            peer = transport.get_extra_info("peername")
            self._visitor = name_visitor(str(peer[0])) if peer else ""
            self._is_silent = True
            silent[self._visitor] += 1
            self._end = asyncio.get_running_loop().call_later(patience, transport.abort)
            if silent[self._visitor] > most_silent:
                transport.abort()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._is_silent and self.cycle is not None:  # The head of a request is here.
                self._speak()

        def connection_lost(self, error: Exception | None) -> None:
            self._speak()
            super().connection_lost(error)

        def _speak(self) -> None:
            if self._is_silent:
                self._is_silent = False
                self._end.cancel()
                silent[self._visitor] -= 1
                if not silent[self._visitor]:
                    del silent[self._visitor]

    config.http_protocol_class = Bounded
