"""Doing what `steps` decided: one operation after the other, and nothing decided here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby

from pyroute2 import NetlinkError

from triptych.drivers.base import Applied, merge
from triptych.errors import DataPlaneError
from triptych.kernel.netns import NetnsThread
from triptych.lab import namespaces
from triptych.lab import operations as op
from triptych.lab.links import Links
from triptych.lab.planes import Planes

_AT_ONCE = max(8, os.cpu_count() or 1)
"""Data planes that are opened side by side; an agent that begins waits for others as often as it works."""

Progress = Callable[[str, int, int], None]
"""Called before each operation with a few words, how many are done, and how many there are."""


def no_progress(_words: str, _done: int, _total: int) -> None:
    """For callers that do not look."""


def perform(operations: Sequence[op.Operation], planes: Planes, progress: Progress) -> Applied:
    """Carry out operations in their order, those of data planes through `planes`, which is closed at the end.

    Stops at the first that fails with DataPlaneError (or an EnvironmentError_ subclass);
    the operations are repeatable, so starting over is safe. The rows that a data plane
    refuses do not stop the rest and are in the result.
    """
    with NetnsThread(None) as thread:
        return thread.run(lambda: _Performer(planes).perform(operations, progress))


class _Performer:
    """What is open while operations are carried out."""

    def __init__(self, planes: Planes) -> None:
        self._links = Links()
        self._planes = planes
        self._opening: dict[str, Future[None]] = {}
        self._applied: list[Applied] = []

    def perform(self, operations: Sequence[op.Operation], progress: Progress) -> Applied:
        done, total = 0, len(operations)
        try:
            for together, group in groupby(operations, lambda operation: isinstance(operation, op.OpenPlane)):
                part = list(group)
                # Opening is the kernel's verifier at work, for tenths of a second each: on every CPU.
                for operation in self._open_all(part) if together else part:
                    words = op.describe(operation)
                    progress(words, done, total)
                    with _in_words(words):
                        self._do(operation)
                    done += 1
            progress("done", total, total)
        finally:
            self._planes.close()
            self._links.close()
        return merge(self._applied)

    def _open_all(self, orders: Sequence[op.Operation]) -> Iterator[op.Operation]:
        """Open data planes side by side; yields each order before it waits for it."""
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            for order in orders:
                assert isinstance(order, op.OpenPlane)
                self._opening[order.host.name] = pool.submit(self._planes.open, order.host)
            try:
                yield from orders
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _do(self, operation: op.Operation) -> None:
        links = self._links
        match operation:
            case op.MakeNamespace(namespace, profile):
                namespaces.make(namespace, profile)
                links.up(namespace, "lo")
            case op.RemoveNamespace(namespace):
                links.forget(namespace)
                namespaces.remove(namespace)
            case op.MakeBridge():
                links.bridge(operation)
            case op.MakeUplink():
                links.uplink(operation)
            case op.MakeWire():
                links.wire(operation)
            case op.MakeTap():
                links.tap(operation)
            case op.MoveLink(link, source, target):
                links.move(link, source, target)
            case op.RemoveLink(namespace, link):
                links.remove(namespace, link)
            case _:
                self._do_inside(operation)

    def _do_inside(self, operation: op.Operation) -> None:
        """What is set on links that are there."""
        links = self._links
        match operation:
            case op.SetMtu(namespace, link, mtu):
                links.set_mtu(namespace, link, mtu)
            case op.SetForwarding(namespace, on):
                value = str(int(on))
                links.write(namespace, {"ipv4/ip_forward": value, "ipv6/conf/all/forwarding": value})
            case op.AddAddress(namespace, link, address):
                links.add_address(namespace, link, address)
            case op.RemoveAddress(namespace, link, address):
                links.remove_address(namespace, link, address)
            case op.AddDefault(namespace, link, version, gateway):
                links.set_default(namespace, link, version, None if gateway is None else str(gateway))
            case op.RemoveDefault(namespace, version):
                links.remove_default(namespace, version)
            case _:
                self._do_plane(operation)

    def _do_plane(self, operation: op.Operation) -> None:
        planes = self._planes
        match operation:
            case op.OpenPlane(host):
                self._opening.pop(host.name).result()
            case op.RemovePlane(host):
                planes.remove(host)
            case op.SetVteps(host, vteps):
                planes.set_vteps(host, vteps)
            case op.Attach(host, port):
                planes.attach(host, port)
            case op.Detach(host, name):
                planes.detach(host, name)
            case op.WriteRows(host):
                self._applied.append(planes.write(host))


@contextmanager
def _in_words(words: str) -> Iterator[None]:
    """What the kernel refuses, told as what was to be done."""
    try:
        yield
    except (NetlinkError, OSError) as error:
        raise DataPlaneError(f"lab: could not {words}: {error}") from error
