"""The files that a controller's settings name: what is wrong with them, found before it begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from triptych.controller.config import ControllerConfig, Etcd
from triptych.daemon.settings import Wrong
from triptych.errors import InputError
from triptych.pki.judge import Fault, judge_authority, judge_client, judge_controller


def wrong_files(config: ControllerConfig, now: datetime) -> Iterator[Wrong]:
    """Everything that is wrong with them; of those alone that would be read."""
    if (tls := config.tls) is not None:
        yield from _in("tls", judge_controller(tls.certificate, tls.key, now))
    if config.southbound and (mutual := config.southbound_tls) is not None:
        yield from _in("southbound_tls", judge_authority(mutual.authority, now))
        yield from _in("southbound_tls", judge_controller(mutual.certificate, mutual.key, now))
    if config.store.startswith("etcd:"):
        yield from _of_etcd(config.etcd, now)
    if config.bootstrap_token is not None and _is_new(config.store):
        yield from _of_first_token(config.bootstrap_token, config.store)


def read_text(path: Path) -> str:
    """What a file says; InputError when it cannot be read."""
    try:
        return path.read_text()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text") from error


def _in(section: str, faults: Iterable[Fault]) -> Iterator[Wrong]:
    for fault in faults:
        yield Wrong(f"{section}.{fault.part}", fault.problem)


def _of_etcd(etcd: Etcd, now: datetime) -> Iterator[Wrong]:
    if etcd.authority is not None:
        yield from _in("etcd", judge_authority(etcd.authority, now))
        if etcd.certificate is not None and etcd.key is not None:
            yield from _in("etcd", judge_client(etcd.certificate, etcd.key, now))
        elif etcd.certificate is not None or etcd.key is not None:
            yield Wrong("etcd.certificate" if etcd.key is None else "etcd.key", "is no pair; give both or none")
    if etcd.password_file is not None:
        try:
            read_text(etcd.password_file)
        except InputError as error:
            problem = str(error).removeprefix(f"{etcd.password_file}: ")
            yield Wrong("etcd.password_file", f"{problem}; give a file with the password alone")


def _is_new(store: str) -> bool:
    """Whether nothing can be in a store yet, not even a token. Of one that exists, only it knows."""
    kind, _, path = store.partition(":")
    return kind == "memory" or (kind == "sqlite" and not Path(path).exists())


def _of_first_token(path: Path, store: str) -> Iterator[Wrong]:
    folder = Path(store.partition(":")[2]).parent
    if path.exists():
        yield Wrong("bootstrap_token", "is there already; move it away, or give the path of a new file")
    elif not path.parent.is_dir() and path.parent not in (folder, *folder.parents):
        # The folder of the store is made.
        yield Wrong("bootstrap_token", "cannot be made: there is no such folder; give the path of a new file")
