"""A VM's interface comes and goes on this host.

An attach is granted by the controller, or, while none answers, by the last facts that one
sent: a host that may start its VMs without a controller needs no more than to have been
told once that a port is its own. It is answered when the port can talk.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from triptych.agent.contract import Claims, Grant, Phase, PortStatus
from triptych.agent.reconcile import PlaneStatus, Reconciler
from triptych.client.local.messages import LONGEST_WAIT, Attach, Detach, Done
from triptych.errors import ClaimRefusedError, ControllerUnavailableError, InputError, TriptychError

_PORT = re.compile(r"[^/\s]{1,255}/[^/\s]{1,255}\Z")
_INTERFACE = re.compile(r"(?!\.{1,2}\Z)[^/:\s]{1,15}\Z")
"""What the kernel takes for the name of an interface (dev_valid_name), and more: one that prints is asked for."""


class Attachments:
    """Serves attach and detach. `links` gives the host's interfaces now; `save` puts the outcome on disk."""

    def __init__(
        self,
        reconciler: Reconciler,
        claims: Claims,
        links: Callable[[], Mapping[str, int]],
        save: Callable[[], Awaitable[None]],
    ) -> None:
        self._reconciler = reconciler
        self._claims = claims
        self._links = links
        self._save = save
        # A lock is forgotten with its last holder.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def attach(self, request: Attach) -> Done:
        """Raises InputError and ClaimRefusedError with what is in the way; the same request again is no error."""
        port, interface = _checked(request)
        async with self._turn(f"port {port}"), self._turn(f"interface {interface}"):
            # The interface may have become another one a moment ago.
            await self._reconciler.settle()
            before = _find(await self._reconciler.status(), port)
            if before is not None and before.claimed and (before.phase, before.interface) == (Phase.LIVE, interface):
                return Done(port, before.phase, "it was attached already")
            await self._make_way(port, interface)
            grant, note = await self._granted(port)
            await self._reconciler.attach(port, interface, claimed=grant is not None)
            await self._save()
        if not request.wait:
            status = await self._reconciler.status()
        else:
            status = await self._reconciler.wait_for(lambda now: _is_settled(now, request, grant), request.wait)
        return _answer(status, request, grant, note)

    async def claim(self) -> None:
        """Ask the controller for ports that were attached while none answered; what it refuses is not asked again."""
        for name in [port.name for port in (await self._reconciler.status()).ports if not port.claimed]:
            async with self._turn(f"port {name}"):
                now = _find(await self._reconciler.status(), name)
                if now is None or now.claimed or now.phase is Phase.GONE:
                    continue
                try:
                    await self._claims.attach(name)
                except ClaimRefusedError:
                    # Whose it is instead, the facts say.
                    pass
                except TriptychError:
                    return
                await self._reconciler.claimed(name)
                await self._save()

    async def detach(self, request: Detach) -> Done:
        """Raises InputError for what is no port's name, DataPlaneError when the kernel refuses."""
        _check_port(request.port)
        async with self._turn(f"port {request.port}"):
            before = _find(await self._reconciler.status(), request.port)
            await self._reconciler.detach(request.port)
            await self._save()
            if before is None or not before.interface:
                return Done(request.port, "detached", "it was not attached")
            try:
                await self._claims.detach(request.port, before.generation)
            except (ControllerUnavailableError, InputError) as error:
                return Done(request.port, "detached", f"the controller does not know: {error}")
        return Done(request.port, "detached")

    @asynccontextmanager
    async def _turn(self, what: str) -> AsyncIterator[None]:
        """One request at a time for a port or an interface; a port is always taken first."""
        lock = self._locks.setdefault(what, asyncio.Lock())
        async with lock:
            yield

    async def _make_way(self, port: str, interface: str) -> None:
        links = self._links()
        if interface not in links:
            raise InputError(f"port {port}: interface {interface} does not exist on this host; make it first")
        for other in (await self._reconciler.status()).ports:
            if other.phase is not Phase.GONE and other.name == port and other.interface not in {"", interface}:
                raise InputError(f"port {port}: is attached to interface {other.interface}; detach it first")
            if other.name != port and other.interface == interface:
                if other.phase is not Phase.GONE:
                    raise InputError(f"port {port}: interface {interface} is port {other.name}'s; detach that first")
                # A name that was given to another VM's interface; whoever asks now knows better.
                await self._reconciler.detach(other.name)

    async def _granted(self, port: str) -> tuple[Grant | None, str]:
        """The controller's grant; or None and why, when the last facts have to do."""
        try:
            return await self._claims.attach(port), ""
        except ControllerUnavailableError as error:
            facts, *_ = await self._reconciler.facts()
            if facts is None or all(known.name != port for known in facts.ports):
                raise InputError(
                    f"port {port}: no controller answers ({error}), and by the last that was heard it is not this"
                    " host's; try again when a controller is back"
                ) from error
            return None, "no controller answers; granted by what it said last"


def _checked(request: Attach) -> tuple[str, str]:
    _check_port(request.port)
    if not (_INTERFACE.match(request.interface) and request.interface.isprintable()):
        raise InputError(f"interface {request.interface!r}: is not the name of an interface; give 1 to 15 letters")
    if not 0 <= request.wait <= LONGEST_WAIT:
        raise InputError(f"wait {request.wait}: is not between 0 and {LONGEST_WAIT:.0f} seconds")
    return request.port, request.interface


def _check_port(name: str) -> None:
    if not (_PORT.match(name) and name.isprintable()):
        raise InputError(f"port {name!r}: is not TENANT/PORT; write it like acme/web-1")


def _find(status: PlaneStatus, port: str) -> PortStatus | None:
    return next((item for item in status.ports if item.name == port), None)


def _is_settled(status: PlaneStatus, request: Attach, grant: Grant | None) -> bool:
    """It can talk, or waiting longer does not mend it: the data plane refuses, or somebody detached it."""
    found = _find(status, request.port)
    if found is None or found.interface != request.interface or found.phase is Phase.REFUSED:
        return True
    return _can_talk(found, status.revision, grant)


def _can_talk(found: PortStatus, revision: int, grant: Grant | None) -> bool:
    """Attached, at the generation that was granted or a later one, with the rows of that revision in."""
    if found.phase is not Phase.LIVE:
        return False
    return grant is None or (found.generation >= grant.generation and revision >= grant.revision)


def _answer(status: PlaneStatus, request: Attach, grant: Grant | None, note: str) -> Done:
    port, wait = request.port, request.wait
    found = _find(status, port)
    if found is None or found.interface != request.interface:
        raise InputError(f"port {port}: was detached while it was being attached")
    if _can_talk(found, status.revision, grant):
        refused = "; ".join(f"{item.rows} rows of {item.table}: {item.message}" for item in status.applied.refused)
        return Done(port, found.phase, note or (f"the data plane does not take {refused}" if refused else ""))
    detail = found.detail or "its rows are not programmed yet"
    if found.phase is Phase.REFUSED:
        raise InputError(detail)
    if wait:
        remedy = f"it stays attached, and will be (triptych detach {port} gives it up)"
        raise InputError(f"port {port}: not live after {wait:g} s: {detail}; {remedy}")
    return Done(port, Phase.WAITING, note or detail)
