"""The exception tree, drawn by who can act.

::

    TriptychError
    ├── InputError            the person who wrote the document or the command
    │   ├── DocumentError      every fault of a document at once
    │   ├── NotFoundError      a name that nothing declared carries
    │   ├── CommandError       a command to be run in a machine is not there, or cannot be run
    │   ├── ClaimRefusedError  a port is not this host's to have
    │   ├── ReferencedError    what others refer to cannot be deleted
    │   ├── PreconditionError  it is not, or no longer, what the writer thinks it is
    │   ├── ContentionError    others kept changing the same; trying again helps
    │   ├── UnauthenticatedError  no token, or one that is not valid
    │   └── ForbiddenError     the token's role or tenant does not allow it
    ├── EnvironmentError_     the person who runs the machine
    │   ├── PrivilegeError    root (or a capability) is missing
    │   └── MissingToolError  a program, library or kernel feature is missing
    ├── DataPlaneError        the kernel refused; the rest keeps working
    │   ├── TableFullError    a map has no room for more rows
    │   └── LayoutError       a pinned map has another layout version
    ├── ControllerUnavailableError  no controller answers; what is programmed keeps forwarding
    ├── SavedStateError       what an agent keeps on disk is damaged, or of another version
    ├── WireError             a message of the other end that no honest one sends
    └── StoreError                    the store did not do it; nothing is half-applied
        ├── StoreUnavailableError     it cannot be reached now; trying again may help
        │   └── OutcomeUnknownError   it may have committed; read before trying again
        ├── StoreClosedError          this end closed it
        ├── StoreLockedError          another process holds the file
        ├── StoreFormatError          the file is damaged, newer, or not a store
        ├── TransactionTooLargeError  more bytes than one commit may carry
        ├── RevisionGoneError         compacted, or never happened here
        └── LeaseNotFoundError        expired, revoked, or never granted

This module imports nothing of the project, so that any room can raise from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class TriptychError(Exception):
    """Root of everything Triptych raises on purpose; its text is one line for a person."""


class InputError(TriptychError):
    """What was asked for is wrong; asking differently helps."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a document: which object, which field, which value, and what would be right."""

    object: str
    field: str
    value: str
    problem: str
    remedy: str
    source: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = self.source or "document"
        if self.line is not None:
            where = f"{where}:{self.line}"
        field = f" {self.field}" if self.field else ""
        value = f" {self.value!r}" if self.value else ""
        return f"{where}: {self.object}:{field}{value} {self.problem}; {self.remedy}"


class DocumentError(InputError):
    """A document was refused; `faults` holds every reason, nothing was applied."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class NotFoundError(InputError):
    """A name that nothing declared carries."""


class CommandError(InputError):
    """A command cannot be run; `code` is what a shell would exit with: 127 not found, 126 not to be run."""

    def __init__(self, command: str, reason: str, code: int) -> None:
        self.code = code
        super().__init__(f"cannot run {command!r}: {reason}; give a command that is installed")


class ClaimRefusedError(InputError):
    """A host asked for a port that is not its to have; the message names the owner."""


class ReferencedError(InputError):
    """Others refer to `name`, which was to be deleted; `referrers` are some of them, `more` how many there are."""

    def __init__(self, name: str, referrers: Sequence[str], more: int) -> None:
        self.name, self.referrers, self.more = name, tuple(referrers), more
        others = f" and {more} more" if more else ""
        super().__init__(
            f"{name}: cannot be deleted while {', '.join(referrers)}{others} refer to it; delete or change these first"
        )


class PreconditionError(InputError):
    """An object is not, or no longer, what the writer thinks it is; nothing was changed."""


class ContentionError(InputError):
    """Others kept changing what this change depends on; nothing was changed, trying again helps."""


class UnauthenticatedError(InputError):
    """There is no token, or one that is not valid (any more)."""


class ForbiddenError(InputError):
    """The role or the tenant of a token does not allow this."""


class EnvironmentError_(TriptychError):
    """The machine lacks something; the message says what to install or change."""


class PrivilegeError(EnvironmentError_):
    """The operation needs root (CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN)."""


class MissingToolError(EnvironmentError_):
    """A program, a shared library or a kernel feature is missing."""


class DataPlaneError(TriptychError):
    """The kernel refused a change; what was programmed before keeps forwarding."""


class TableFullError(DataPlaneError):
    """A map has no room for another row; the rows that fit are in."""


class LayoutError(DataPlaneError):
    """A pinned map has another layout version than this program."""


class WireError(TriptychError):
    """The other end sent what the protocol does not allow; nothing of that message was taken."""


class ControllerUnavailableError(TriptychError):
    """No controller answers; nothing was changed, and what is programmed keeps forwarding."""


class SavedStateError(TriptychError):
    """What an agent keeps on disk cannot be used: damaged, or of another version."""


class StoreError(TriptychError):
    """The store did not do what was asked; nothing is half-applied."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or cannot write now; nothing was changed, trying again may help."""


class OutcomeUnknownError(StoreUnavailableError):
    """The answer to a commit was lost: it may have been applied or not. Read back before trying again."""


class StoreClosedError(StoreError):
    """The store was closed by this end while, or before, it was used."""


class StoreLockedError(StoreError):
    """Another process has the store's file open."""


class StoreFormatError(StoreError):
    """The store's file is damaged, of a newer version, or not a store at all."""


class TransactionTooLargeError(StoreError):
    """A transaction carries more bytes than the store takes in one commit; `size` and `limit` are bytes."""

    def __init__(self, size: int, limit: int, remedy: str) -> None:
        self.size, self.limit = size, limit
        super().__init__(f"a transaction of {size} bytes is more than the {limit} that one commit may carry; {remedy}")


class RevisionGoneError(StoreError):
    """A revision was asked for whose history was compacted, or that has not happened in this store."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        super().__init__(f"revision {revision} is compacted or has not happened; list at the current one")


class LeaseNotFoundError(StoreError):
    """A lease expired, was revoked, or was never granted."""

    def __init__(self, lease: int) -> None:
        self.lease = lease
        super().__init__(f"lease {lease} has expired or was never granted; grant a new one and attach its keys again")
