"""What etcd's revisions are to the contract, between and within large commits."""

from __future__ import annotations

from triptych.stores.etcd.layout import Gate
from triptych.stores.etcd.reading import State
from triptych.stores.etcd.spans import Spans

SPANS = Spans(((10, 14), (20, 23)), 23)


def test_seen() -> None:
    """What carries a revision within a span is seen at its end; every other revision is itself."""
    seen = {revision: SPANS.seen(revision) for revision in (1, 10, 11, 13, 14, 15, 20, 21, 22, 23, 99)}
    assert seen == {1: 1, 10: 10, 11: 14, 13: 14, 14: 14, 15: 15, 20: 20, 21: 23, 22: 23, 23: 23, 99: 99}
    assert Spans().seen(5) == 5


def test_resume() -> None:
    """From the decision of a large commit to before its end nothing new is to be seen: a watch begins before it."""
    resumed = {revision: SPANS.resume(revision) for revision in (9, 10, 13, 14, 19, 20, 22, 23, 24)}
    assert resumed == {9: 9, 10: 9, 13: 9, 14: 14, 19: 19, 20: 19, 22: 19, 23: 23, 24: 24}


def test_ends() -> None:
    """A span is found by its end and by its beginning, and by nothing else."""
    assert [SPANS.began(revision) for revision in (10, 13, 14, 20, 23, 24)] == [None, None, 10, None, 20, None]
    assert [SPANS.over(revision) for revision in (9, 10, 14, 20, 21)] == [None, 14, None, 23, None]


def test_kept() -> None:
    """What is put when a large commit ends, and where, tells all spans again."""
    assert Spans.read(SPANS.after(31), 40) == Spans(((10, 14), (20, 23), (31, 40)), 40)
    assert Spans.read(Spans().after(3), 5) == Spans(((3, 5),), 5)
    assert Spans.read(SPANS.without({14}), 50) == Spans(((20, 23),), 50)


def test_under_way() -> None:
    """While a decided commit is applied what was before it is to be seen; before it is decided, the present."""
    checked = State(Gate("a"), 30, SPANS, 35)
    decided = State(Gate("a", decided=True), 30, SPANS, 35)
    assert (State(None, 0, SPANS, 35).visible, checked.visible, decided.visible) == (35, 35, 29)
    assert [decided.resume(revision) for revision in (21, 29, 30, 35, 36)] == [19, 29, 29, 29, 36]
    assert checked.resume(31) == 31
