"""The first admin token of a store that has none: in a file before it is in the store, so that somebody knows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triptych.controller.service.access import Role
from triptych.controller.service.audit import Origin
from triptych.controller.service.tokens import Issued, keep, new_token
from triptych.errors import InputError, OutcomeUnknownError, StoreError
from triptych.stores.base import Store


async def first_token(store: Store, path: Path, now: float) -> Issued:
    """Make an admin's token, write it into a new file, and let it count; InputError, StoreError.

    Whenever this ends, a token that counts is in the file. A file whose token does not count
    is left only by a crash in between, and by a store that did not say what became of it.
    """
    issued = new_token("bootstrap", Role.ADMIN, None, now, None)
    with _secret_file(path, issued.secret):
        await keep(store, issued, now=now, origin=Origin("local"))
    return issued


@contextmanager
def _secret_file(path: Path, secret: str) -> Iterator[None]:
    """A new file that is taken away again when the store is known to have refused what is done meanwhile."""
    write_secret(path, secret)
    try:
        yield
    except OutcomeUnknownError:
        raise
    except StoreError:
        path.unlink()
        raise


def write_secret(path: Path, secret: str) -> None:
    """Write a secret durably into a new file that only its owner can read; InputError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise InputError(
            f"bootstrap_token {path}: is there already, and no admin's token counts in the store, so what it holds is "
            "of no use here; move it away, or give the path of a new file"
        ) from error
    except OSError as error:
        raise InputError(
            f"bootstrap_token {path}: cannot be made: {error.strerror}; give the path of a new file"
        ) from error
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(descriptor)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        path.unlink()
        raise InputError(f"bootstrap_token {path}: cannot be written: {error.strerror}") from error
