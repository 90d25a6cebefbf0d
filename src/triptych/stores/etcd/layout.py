"""Where everything lies in the cluster, and what of it others may see. Pure.

For the namespace `/triptych/v1/`::

    /triptych/v1-ID/...    what a large commit has staged; nobody watches it
    /triptych/v1.gate      a large commit is under way (`Gate`)
    /triptych/v1.spans     the large commits of the past (`spans.Spans`)
    /triptych/v1/KEY       what the store holds

`-`, `.` and `/` follow each other, so one watch takes in the last three and none of the first.
"""

from __future__ import annotations

import msgspec

from triptych.stores.rules import prefix_end


class Gate(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one large commit that is under way: its id, and whether it is decided that it happens."""

    id: str
    decided: bool = False


class Layout:
    """The keys of one namespace, which ends with a slash."""

    def __init__(self, namespace: bytes) -> None:
        if not namespace.endswith(b"/"):
            raise ValueError(f"namespace {namespace!r} does not end with a slash; write one, like /triptych/v1/")
        stem = namespace[:-1]
        self.data = namespace
        self.data_end = stem + b"0"
        self.gate = stem + b".gate"
        self.spans = stem + b".spans"
        self.watched = stem + b"."
        self.staged = stem + b"-"
        self.staged_end = stem + b"."

    def folder(self, id_: str) -> bytes:
        """Before all that one large commit stages."""
        return self.staged + id_.encode() + b"/"

    def owner(self, id_: str) -> bytes:
        """There, under a lease, for as long as the writer of a large commit that is not decided lives."""
        return self.folder(id_) + b"owner"

    def chunks(self, id_: str) -> bytes:
        """Before the chunks of a large commit."""
        return self.folder(id_) + b"chunk/"

    def chunk(self, id_: str, number: int) -> bytes:
        """One chunk: the operations that one transaction of etcd takes."""
        return self.chunks(id_) + b"%08d" % number

    def lease(self, id_: str, lease: int) -> bytes:
        """Attached to a lease that a large commit names, at its decision."""
        return self.folder(id_) + b"lease/%d" % lease

    def id_of(self, staged: bytes) -> str:
        """Whose a staged key is."""
        return staged[len(self.staged) :].partition(b"/")[0].decode()


def end_of(prefix: bytes) -> bytes:
    """The first key after a prefix that is not all 0xff."""
    return prefix_end(prefix) or b"\0"
