"""Bearer tokens: `ID.SECRET`. The store has a salted hash of the secret, never the secret.

A secret has 256 random bits, so that one pass of BLAKE2b (RFC 7693), keyed with a salt per
token, is all its hash needs: there is nothing to guess, and a slow hash would only make
every request slow.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from hmac import compare_digest

import msgspec

from triptych.controller.service.access import Actor, Role
from triptych.controller.service.audit import Origin, audit_put
from triptych.controller.service.book import Book
from triptych.controller.service.keys import TOKENS
from triptych.core.model.fields import RefusedError
from triptych.core.model.fields import name as read_name
from triptych.errors import InputError, NotFoundError, UnauthenticatedError
from triptych.stores.base import Absent, Conflict, Exists, Put, Store, Txn

_SALT = 16
_DIGEST = 32
_SECRET = 32
_LONGEST = 200
_LOOK_AGAIN = 60.0
LONGEST_LIFETIME = 36_500 * 86_400
"""Seconds; who wants more wants a token without an end."""

_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Token(msgspec.Struct, frozen=True):
    """A token as the store has it. Times are seconds since the epoch; `expires` None: never. `tenants` None: all."""

    id: str
    name: str
    role: Role
    tenants: tuple[str, ...] | None
    created: float
    expires: float | None
    salt: bytes
    digest: bytes

    def is_over(self, now: float) -> bool:
        """Whether its time is up."""
        return self.expires is not None and self.expires <= now

    def counts_for_all(self, now: float) -> bool:
        """Whether it is an admin's of all tenants, who can make others, and not over."""
        return self.role is Role.ADMIN and self.tenants is None and not self.is_over(now)

    @property
    def actor(self) -> Actor:
        """Who shows it."""
        scope = None if self.tenants is None else frozenset(self.tenants)
        return Actor(f"token:{self.id} ({self.name})", self.role, scope)


class Issued(msgspec.Struct, frozen=True):
    """A new token, and what its bearer sends; nobody can ever show that again. It is in the store at `revision`."""

    token: Token
    secret: str
    revision: int = 0


def rfc3339(moment: float | None) -> str:
    """Seconds since the epoch as text; empty for None. What is beyond the calendar is its first or last second."""
    if moment is None:
        return ""
    inside = min(max(moment, _FIRST.timestamp()), _LAST.timestamp())
    return datetime.fromtimestamp(inside, UTC).isoformat(timespec="seconds")


def new_token(name: str, role: Role, tenants: tuple[str, ...] | None, now: float, lifetime: float | None) -> Issued:
    """Make a token; InputError for a name or a lifetime that is none."""
    for word in (name, *(tenants or ())):
        try:
            read_name(word)
        except RefusedError as refused:
            raise InputError(f"token: {word!r} {refused.problem}; {refused.remedy}") from None
    if lifetime is not None and not 0 < lifetime <= LONGEST_LIFETIME:
        raise InputError(
            f"token {name}: cannot live {lifetime:g} s; give 1 to {LONGEST_LIFETIME} seconds, or none: for ever"
        )
    identity, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(_SECRET), secrets.token_bytes(_SALT)
    expires = None if lifetime is None else now + lifetime
    token = Token(identity, name, role, tenants, now, expires, salt, _hash(secret, salt))
    return Issued(token, f"{identity}.{secret}")


async def issue(
    store: Store,
    name: str,
    role: Role,
    *,
    tenants: tuple[str, ...] | None = None,
    now: float,
    lifetime: float | None = None,
    origin: Origin,
) -> Issued:
    """Make a token and keep its hash; InputError."""
    issued = new_token(name, role, tenants, now, lifetime)
    return msgspec.structs.replace(issued, revision=await keep(store, issued, now=now, origin=origin))


async def keep(store: Store, issued: Issued, *, now: float, origin: Origin) -> int:
    """Let a new token count, as of the revision that is returned; StoreError."""
    token = issued.token
    key = TOKENS + token.id.encode()
    entry = audit_put(origin, "token issued", now, detail=f"{token.id} ({token.name}, {token.role.value})")
    done = await store.commit(Txn((Absent(key),), (Put(key, msgspec.json.encode(token)), entry)))
    return done.revision


async def revoke(store: Store, identity: str, *, now: float, origin: Origin) -> int:
    """Let a token count no longer, as of the revision that is returned; NotFoundError."""
    key = TOKENS + identity.encode()
    entry = audit_put(origin, "token revoked", now, detail=identity)
    unknown = NotFoundError(f"token {identity!r}: there is none of that id; triptych token list shows all")
    if not identity.isalnum() or len(identity) > _LONGEST:
        raise unknown
    done = await store.commit(Txn((Exists(key),), (entry,), (key,)))
    if isinstance(done, Conflict):
        raise unknown
    return done.revision


class TokenBook(Book[Token]):
    """All tokens, as the store last told them: a revoked one counts no longer at once."""

    def __init__(self) -> None:
        super().__init__(TOKENS, msgspec.json.Decoder(Token).decode)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """All of them, the oldest first."""
        return tuple(sorted(self.known.values(), key=lambda token: (token.created, token.id)))

    def who(self, bearer: str, now: float) -> Actor:
        """Whose a secret is; UnauthenticatedError without telling why."""
        return self.token(bearer, now).actor

    def counts(self, identity: str, now: float) -> bool:
        """Whether the token of that id is there and not over."""
        token = self.known.get(identity)
        return token is not None and not token.is_over(now)

    async def ended(self, identity: str, now: Callable[[], float]) -> None:
        """Return once the token of that id counts no longer: it is revoked, or over."""
        changed = asyncio.Event()
        unlisten = self.listen(changed.set)
        try:
            while self.counts(identity, now()):
                changed.clear()
                token = self.known[identity]
                # The clock may be set meanwhile, so it is looked at now and then.
                left = _LOOK_AGAIN if token.expires is None else min(token.expires - now(), _LOOK_AGAIN)
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await changed.wait()
        finally:
            unlisten()

    def token(self, bearer: str, now: float) -> Token:
        """The token of a secret; UnauthenticatedError without telling why."""
        identity, _, secret = bearer.partition(".")
        token = self.known.get(identity)
        salt, digest = (token.salt, token.digest) if token is not None else (bytes(_SALT), bytes(_DIGEST))
        # An unknown id takes as long as a wrong secret.
        right = compare_digest(_hash(secret[:_LONGEST], salt), digest)
        if token is None or not right or token.is_over(now):
            raise UnauthenticatedError("the token is not valid; ask an admin for a new one (triptych token create)")
        return token


def _hash(secret: str, salt: bytes) -> bytes:
    return blake2b(secret.encode("utf-8", "replace"), key=salt, digest_size=_DIGEST, person=b"triptych-token").digest()
