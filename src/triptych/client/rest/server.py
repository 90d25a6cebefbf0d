"""Which controller to ask, as whom, and whose certificate to believe.

Flags come before the environment, and that before the user's file. The file says it itself,
or has named contexts, each of them a controller with its token and authority. A context counts
as a whole or not at all: its token is sent to its own controller alone.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import httpx
import msgspec

from triptych.errors import InputError

_SCHEMES = ("https", "http")


@dataclass(frozen=True, slots=True)
class Server:
    """A controller. `ca` is a PEM file (None: the system's authorities); `token` is never printed."""

    url: str
    token: str = field(default="", repr=False)
    ca: Path | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        host = httpx.URL(self.url).host
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def trust(self) -> ssl.SSLContext | bool:
        """What verifies its certificate; InputError when `ca` cannot be read."""
        if httpx.URL(self.url).scheme == "http":
            # No TLS, so nothing to verify: reading the system's authorities takes longer than a call.
            return False
        if self.ca is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca))
        except OSError as error:
            raise InputError(f"authority {self.ca}: {error.strerror or error}; give a PEM file with --ca") from error


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one place (a file, the environment, flags) says of the controller; None: nothing."""

    server: str | None = None
    token: str | None = None
    token_file: str | None = None
    ca: str | None = None


class File(Given, frozen=True, forbid_unknown_fields=True):
    """What the user's file says: of the controller itself, or of several, and which of them `context` is."""

    context: str | None = None
    contexts: dict[str, Given] = {}

    def said(self, name: str | None, path: Path) -> Given:
        """What it says in a context (None: in none); InputError with those that there are."""
        if name is None:
            return Given(self.server, self.token, self.token_file, self.ca)
        if name in self.contexts:
            return self.contexts[name]
        known = f"it has {', '.join(self.contexts)}" if self.contexts else f"write a section [contexts.{name}]"
        raise InputError(f"context {name!r}: {path} has none of this name; {known}")


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The client's configuration file: TRIPTYCH_CONFIG, or `triptych/client.toml` in the user's folder for those."""
    said = environment.get("TRIPTYCH_CONFIG")
    if said:
        return Path(said)
    home = environment.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "triptych" / "client.toml"


def from_file(path: Path, context: str | None = None) -> Given:
    """What a file says, in a context (None: the one that it chooses itself, or in none); nothing when it is not there.

    InputError names file and field, or the contexts that there are.
    """
    file = read_file(path)
    return file.said(context or file.context, path)


def read_file(path: Path) -> File:
    """Everything that a file says; InputError names file and field."""
    try:
        return parse_file(path.read_bytes().decode(), path)
    except FileNotFoundError:
        return File()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def parse_file(text: str, path: Path) -> File:
    """The same of a file's text."""
    try:
        file = msgspec.convert(tomllib.loads(text), File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        known = "server, token, token_file and ca, context, and a section [contexts.NAME] for each"
        raise InputError(f"{path}: {error}; known are {known}") from error
    for name, given in file.contexts.items():
        if not given.server:
            raise InputError(f'{path}: contexts.{name}: server is missing; give one like "https://ctl:8443"')
    return file


def places(flags: Given, context: str | None, environment: Mapping[str, str], path: Path) -> list[tuple[str, Given]]:
    """Who says which controller, by name and in order; `context` is the one of a flag. For `choose`.

    That leaves the environment out, as flags come before it: a token there is another controller's.
    """
    file = read_file(path)
    name = context or environment.get("TRIPTYCH_CONTEXT") or file.context
    before = [("flags", flags)]
    if context is None:
        before.append(("environment", from_environment(environment)))
        if name is not None and any(given.server for _, given in before):
            # Not even one that is not there is in the way.
            return before
    return [*before, (str(path) if name is None else f"context {name}", file.said(name, path))]


def from_environment(environment: Mapping[str, str] = os.environ) -> Given:
    """What TRIPTYCH_SERVER, TRIPTYCH_TOKEN, TRIPTYCH_TOKEN_FILE and TRIPTYCH_CA say; empty ones say nothing."""

    def said(name: str) -> str | None:
        return environment.get(f"TRIPTYCH_{name}") or None

    return Given(said("SERVER"), said("TOKEN"), said("TOKEN_FILE"), said("CA"))


def choose(*places: Given) -> Server | None:
    """The controller that some places name together, each field from the first that says it; None when none does.

    A place that names a token or a file of one decides on both. InputError for an address
    that is none, a token that cannot be read, or one that would go unencrypted.
    """
    url = next((place.server for place in places if place.server), None)
    if url is None:
        return None
    by_token = next((place for place in places if place.token or place.token_file), Given())
    ca = next((place.ca for place in places if place.ca), None)
    server = Server(_checked(url), _token(by_token), None if ca is None else Path(ca).expanduser())
    if httpx.URL(server.url).scheme == "http" and not server.is_loopback:
        raise InputError(f"server {url!r}: only loopback is spoken to without TLS; write https://")
    return server


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"server {url!r}: not an address ({error}); write for example https://ctl:8443") from error
    if parsed.scheme not in _SCHEMES or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise InputError(f"server {url!r}: not the address of a controller; write for example https://ctl:8443")
    return url.rstrip("/")


def _token(place: Given) -> str:
    if place.token:
        token = place.token.strip()
    elif place.token_file is not None:
        try:
            token = Path(place.token_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"token file {place.token_file}: cannot be read: {reason}") from error
    else:
        return ""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError("the token is not one: it is a single word; triptych token create makes one")
    return token
