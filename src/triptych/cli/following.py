"""`triptych get --watch`: what is there, and then what changes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from triptych.cli.events import Seen, identity, show
from triptych.cli.kinds import name_of
from triptych.cli.output import Format, say
from triptych.core.model import Key, Kind

if TYPE_CHECKING:
    from triptych.client.rest import Client
    from triptych.client.rest.messages import Event


class Wanted(NamedTuple):
    """Objects of a kind: the one with this identity, or all whose fields have these values."""

    kind: Kind
    key: Key | None
    filters: Mapping[str, str]

    @property
    def query(self) -> dict[str, str]:
        """What a watch can be asked to leave out; the rest is left out here."""
        tenant = self.filters.get("tenant") or (self.key.tenant if self.key is not None else "")
        return {"kind": self.kind.value} | ({"tenant": tenant} if tenant else {})

    def has(self, event: Event) -> bool:
        """Whether an object is among them as it is now."""
        if event.object is None:
            return False
        if self.key is not None:
            return (event.tenant, event.name) == self.key[1:]
        return all(event.object.get(field) == value for field, value in self.filters.items())


def look(client: Client, wanted: Wanted, *, watch: bool) -> tuple[int, list[dict[str, Any]]]:
    """What is there, and (to watch it) a revision after which no change is missed. NotFoundError for no such name."""
    from triptych.client.rest import api

    if wanted.key is not None:
        # A single object does not come with a revision of the whole network.
        revision = client.send(api.listing(Kind.TENANT).first).revision if watch else 0
        return revision, [client.send(api.get(wanted.key)).item]
    pages = api.listing(wanted.kind, wanted.filters)
    page = client.send(pages.first)
    revision, items = page.revision, list(page.items)
    while (following := pages.after(page)) is not None:
        page = client.send(following)
        items += page.items
    return revision, items


def follow(client: Client, wanted: Wanted, revision: int, items: list[dict[str, Any]], output: Format) -> None:
    """Show what changes after what was looked at, until interrupted; as data, first what is there, each an event."""
    from triptych.client.rest.messages import Event

    seen: Seen = {}
    for item in items:
        event = Event("present", revision, wanted.kind.value, item.get("tenant", ""), name_of(wanted.kind, item), item)
        if output is not Format.TABLE:
            show(event, output, seen)
        seen[identity(event)] = item
    say(f"watching what changes after revision {revision}, until interrupted")
    for event in client.watch(revision, wanted.query):
        if event.action == "snapshot":
            # What comes is everything anew, and what is not in it does not exist.
            seen.clear()
        if event.kind and not _news(event, wanted, seen):
            continue
        show(event, output, seen)
        if event.kind and not wanted.has(event):
            seen.pop(identity(event), None)


def _news(event: Event, wanted: Wanted, seen: Seen) -> bool:
    """Whether an object came, differs from what was shown of it, or is wanted no longer."""
    before = seen.get(identity(event))
    return (wanted.has(event) or before is not None) and event.object != before
