"""From declared objects to rows: at once, or change by change.

`compile_network` is the truth: every producer, once. `Compiler` holds the rows and makes
only those again that a change concerns; whatever path of changes leads to a network, its
rows are those of `compile_network`, byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from triptych.core.compile.declared import Declared
from triptych.core.compile.ledger import Ledger
from triptych.core.compile.lookup import Id
from triptych.core.compile.newcomers import Newcomers
from triptych.core.compile.producers import Maker, Producer, produce, producers
from triptych.core.compile.rules import RULES, Rule, by_kind
from triptych.core.compile.scopes import Scope, merge_rows, scope_rows, scopes_needed, split_delta
from triptych.core.model import Key, Network, Object
from triptych.core.tables import Delta, Rows, Table, TableSet, merge_deltas


class Put(NamedTuple):
    """Declare an object, or declare it anew in place of the one with the same identity."""

    object: Object


class Delete(NamedTuple):
    """Take an object back; one that is not there is no error."""

    key: Key


Change = Put | Delete


class Work(NamedTuple):
    """What an `apply` cost: producers made again, and rows compared with what was there."""

    producers: int = 0
    rows: int = 0


def changes_between(old: Network, new: Network) -> list[Change]:
    """The changes that lead from one network to another: what goes, then what comes or differs."""
    gone: list[Change] = [Delete(key) for key in old.objects if key not in new.objects]
    return gone + [Put(item) for key, item in new.objects.items() if old.objects.get(key) != item]


def compile_network(network: Network) -> TableSet:
    """Every row of a network."""
    declared = Declared(network)
    rows, made = TableSet(), 0
    for producer in producers(declared):
        for table, key, value in produce(declared, producer):
            rows.tables[table.name][key] = value
            made += 1
    if made != len(rows):
        # Two producers made one key (or one made a row twice): the strongest must win, so go
        # again with the strongest last. Sorting always would cost more than all the rest.
        for producer in sorted(producers(declared), reverse=True):
            for table, key, value in produce(declared, producer):
                rows.tables[table.name][key] = value
    return rows


class Compiler:
    """The rows of a network that changes; each change costs what it changes, not what there is."""

    def __init__(self, network: Network | None = None, rules: Iterable[Rule] = RULES) -> None:
        self._rules = by_kind(rules)
        self._declared = Declared(network or ())
        self._ledger = Ledger()
        self.former: dict[Key, Object | None] = {}
        """What the objects that the last `apply` changed were before it; None: not there. Newcomers are left out."""
        self.newcomers: Mapping[str, Collection[Id]] = {}
        """The new ports that the last `apply` took in together, by host."""
        self._last = Delta()
        self._parts: Mapping[Scope, Delta] | None = None
        self.work = Work()
        """Of the last `apply` (at first: of the full compile)."""
        self._make(producers(self._declared))

    def copy(self) -> Compiler:
        """An independent one of the same network, made without compiling: objects and rows are shared."""
        twin = Compiler()
        twin._rules = self._rules
        twin._declared = self._declared.copy()
        twin._ledger = self._ledger.copy()
        return twin

    @property
    def declared(self) -> Declared:
        """What is declared now; to be read, never changed."""
        return self._declared

    @property
    def rows(self) -> TableSet:
        """Every row: an independent set, so asking costs O(rows)."""
        return merge_rows(self._ledger.scopes.values())

    @property
    def replaced(self) -> Mapping[str, Rows]:
        """By table, the former values of rows that the delta of the last `apply` put in place of others."""
        return self._ledger.replaced

    @property
    def parts(self) -> Mapping[Scope, Delta]:
        """The delta of the last `apply` by scope."""
        if self._parts is None:
            self._parts = split_delta(self._last)
        return self._parts

    def scope(self, scope: Scope) -> TableSet:
        """The rows of one scope, as an independent set; empty for one that has none."""
        rows = self._ledger.scopes.get(scope)
        return rows.copy() if rows is not None else TableSet()

    def scopes_of_host(self, host: str) -> frozenset[Scope]:
        """The scopes that a host needs; empty for a host with nothing bound to it."""
        return scopes_needed(self._declared, host)

    def host_rows(self, host: str) -> TableSet:
        """The rows that a host should have (full distribution)."""
        return merge_rows(self.scope(scope) for scope in self.scopes_of_host(host))

    def host_size(self, host: str) -> int:
        """How many rows these are; asking costs O(scopes)."""
        scopes = self._ledger.scopes
        return sum(len(scopes[scope]) for scope in self.scopes_of_host(host) if scope in scopes)

    def maker(self, table: Table, key: bytes) -> tuple[Producer, bytes] | None:
        """The producer and the value of the row at that key, or None when there is no such row."""
        producer, value = self._ledger.maker(table, key), self._ledger.value(table, key)
        return (producer, value) if producer is not None and value is not None else None

    def apply(self, changes: Iterable[Change], newcomers: Newcomers | None = None) -> Delta:
        """Take a batch of changes in, in any order, and return the smallest delta of rows.

        What counts is the network after the whole batch: inside it, references may dangle.
        `newcomers` belong to the batch, beside `changes`, which are their `others`.
        """
        dirty: dict[Producer, None] = {}
        self.former = {}
        self.newcomers = {}
        for change in changes:
            new = change.object if isinstance(change, Put) else None
            key = new.key if new is not None else change.key  # type: ignore[union-attr]
            old = self._declared.get(key)
            if old == new:
                continue
            self.former.setdefault(key, old)
            rules = [rule for rule in self._rules[key.kind] if rule.fires(old, new)]
            # A producer whose rows differ on the two sides of this one step is named by a rule
            # asked on one side or the other; so, step by step, for the whole batch.
            if old is not None:
                for rule in rules:
                    dirty.update(dict.fromkeys(rule.dirties(self._declared, old)))
                self._declared.delete(old)
            if new is not None:
                self._declared.put(new)
                for rule in rules:
                    dirty.update(dict.fromkeys(rule.dirties(self._declared, new)))
        if newcomers is None:
            return self._make(dirty)
        self.newcomers = newcomers.of_host
        self._declared.join(newcomers.ports, newcomers.of_segment, newcomers.of_host, newcomers.members)
        for (tenant, name), counts in newcomers.members.items():
            if self._declared.floods(self._declared.segments[tenant, name]):
                dirty.update(dict.fromkeys(Producer(Maker.FLOOD, tenant, name, host) for host in counts))
        return self._make(dirty, newcomers)

    def _make(self, dirty: Iterable[Producer], newcomers: Newcomers | None = None) -> Delta:
        made = [(producer, tuple(produce(self._declared, producer))) for producer in dirty]
        alone = newcomers is not None and self._ledger.free(newcomers.makers) and newcomers.free(made)
        if newcomers is not None and not alone:
            # In a network that contradicts itself who wins is settled row by row.
            made += newcomers.made.items()
        delta, compared = self._ledger.settle(made)
        self.work = Work(len(made), compared)
        self._last, self._parts = delta, None
        if newcomers is not None and alone:
            self._ledger.join(newcomers.made, newcomers.makers, newcomers.rows)
            self.work = Work(len(made) + len(newcomers.made), compared + sum(map(len, newcomers.makers.values())))
            self._parts = _joined(self.parts, newcomers.rows)
            self._last = merge_deltas([delta, *(Delta(dict(rows.tables)) for rows in newcomers.rows.values())])
        return self._last


def _joined(parts: Mapping[Scope, Delta], added: Mapping[Scope, TableSet]) -> dict[Scope, Delta]:
    """Changes by scope with rows that are new."""
    new = {scope: Delta({name: part for name, part in rows.tables.items() if part}) for scope, rows in added.items()}
    both = {scope: merge_deltas([parts[scope], delta]) for scope, delta in new.items() if scope in parts}
    return {**parts, **new, **both}


def scopes_of_host(network: Network, host: str) -> frozenset[Scope]:
    """The scopes that a host needs. Ask a `Compiler` to ask for many hosts."""
    return scopes_needed(Declared(network), host)


def host_rows(network: Network, host: str) -> TableSet:
    """The rows that a host should have (full distribution). Ask a `Compiler` to ask for many hosts."""
    return scope_rows(compile_network(network), scopes_of_host(network, host))
