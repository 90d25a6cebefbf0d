"""Text that is no document: syntax, limits, encodings, and what YAML can hide."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.core.model import Block, Items
from triptych.documents import MAX_BYTES, MAX_DEPTH, Text, json_reader, load_network, read_json, read_yaml, yaml_reader
from triptych.errors import DocumentError
from triptych.testing.documents import network_of, refusals

HINT = "correct the text there; a value that holds ': ', ends in ':' or starts with a symbol needs quotes"
CASES: dict[str, tuple[str | bytes, str]] = {
    "syntax": (
        "hosts:\n  - {name: h1\n",
        f"net.yaml:3: document: is not YAML: did not find expected ',' or '}}'; {HINT}",
    ),
    "colon": (
        "hosts:\n  - name: h1\n    underlay: 2001:db8::\n",
        f"net.yaml:3: document: is not YAML: mapping values are not allowed in this context; {HINT}",
    ),
    "anchor": (
        "hosts: &all []\n",
        "net.yaml:1: document: has an anchor or alias 'all'; write the value out where it is used",
    ),
    "alias": (
        "hosts: []\nports: *all\n",
        "net.yaml:2: document: has an anchor or alias 'all'; write the value out where it is used",
    ),
    "tag": (
        "hosts:\n  - !!python/object/apply:os.system [id]\n",
        (
            "net.yaml:2: document: has a tag 'tag:yaml.org,2002:python/object/apply:os.system'; remove it; plain text,"
            " numbers and true or false are enough"
        ),
    ),
    "harmless tag": (
        "tenants: [{name: !!str 42}]\n",
        (
            "net.yaml:1: document: has a tag 'tag:yaml.org,2002:str'; remove it; plain text, numbers and true or false"
            " are enough"
        ),
    ),
    "key that is a list": (
        "hosts: []\n? [a, b]\n: 1\n",
        "net.yaml:2: document: has a list or mapping as a key; use a plain word as the key",
    ),
    "control character": (
        "hosts: \x07\n",
        (
            "net.yaml: document: is not YAML: unacceptable character #x0007: control characters are not allowed; remove"
            " what is not printable text"
        ),
    ),
    "latin-1": ("hosts: []\n# caf\xe9\n".encode("latin-1"), "net.yaml:2: document: is not UTF-8; save it as UTF-8"),
    "UTF-16": ("hosts: []\n".encode("utf-16"), "net.yaml:1: document: is not UTF-8; save it as UTF-8"),
    "lone surrogate": ("hosts: []\n\ud800\n", "net.yaml:2: document: is not UTF-8; save it as UTF-8"),
    "deep YAML": (
        "hosts: " + "[" * 100_000,
        "net.yaml:1: document: is nested deeper than 16 levels; the format needs six levels",
    ),
    "deep blocks": (
        "".join(" " * depth + "a:\n" for depth in range(40)),
        "net.yaml:17: document: is nested deeper than 16 levels; the format needs six levels",
    ),
    "large": (
        b"#" * (MAX_BYTES + 1),
        "net.yaml: document: is larger than 64 MiB; split it into several documents",
    ),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES)
def test_text_is_refused(text: str | bytes, message: str) -> None:
    """What is no document, or could cost more than its text, is refused with one message."""
    assert refusals(text) == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"hosts": [}', "net.json:1: document: is not JSON: a value is expected here"),
        ('{"hosts": []\n"ports": []}', "net.json:2: document: is not JSON: a comma or } is expected here"),
        ('{"hosts"\n\n[]}', "net.json:3: document: is not JSON: a colon is expected here"),
        ("{hosts: []}", "net.json:1: document: is not JSON: a key in double quotes is expected here"),
        ('{"hosts": []}\n{}', "net.json:2: document: is not JSON: there is more text after the end of the document"),
        ('{"hosts": [', "net.json:1: document: is not JSON: a value is expected here"),
        ('{"hosts": "\n"}', "net.json:1: document: is not JSON: Invalid control character at"),
        ("", "net.json:1: document: is not JSON: a value is expected here"),
    ],
)
def test_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A file that is called JSON has to be JSON, and the line where it is not is named."""
    path = tmp_path / "net.json"
    path.write_text(text)
    with pytest.raises(DocumentError) as caught:
        load_network([path])
    expected = f"{tmp_path}/{message}; correct the text there, or check the file with any JSON tool"
    assert [str(fault) for fault in caught.value.faults] == [expected]


def test_deep_json_is_refused(tmp_path: Path) -> None:
    """Nested JSON stops at the limit, long before the interpreter's stack does."""
    path = tmp_path / "net.json"
    path.write_text("[" * 100_000)
    with pytest.raises(DocumentError) as caught:
        load_network([path])
    assert str(caught.value) == (
        f"{path}:1: document: is nested deeper than {MAX_DEPTH} levels; the format needs six levels"
    )


@pytest.mark.parametrize(("module", "read"), [(yaml_reader, read_yaml), (json_reader, read_json)])
def test_values_are_bounded(monkeypatch: pytest.MonkeyPatch, module: object, read: object) -> None:
    """A text of more values than the limit is refused before they are all in memory."""
    monkeypatch.setattr(module, "MAX_VALUES", 3)
    assert callable(read)
    assert read("[1, 2]") == [[1, 2]]
    with pytest.raises(Exception, match="has more than 8000000 values"):
        read("[1, 2, 3]")


def test_json_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    """The mark that some editors put before UTF-8 is no part of the document."""
    path = tmp_path / "net.json"
    path.write_bytes(b'\xef\xbb\xbf{"tenants": [{"name": "t"}]}')
    assert len(load_network([path])) == 1


def test_missing_files_are_all_named(tmp_path: Path) -> None:
    """Every file that cannot be read is a fault; nothing is said about the rest."""
    (tmp_path / "net.yaml").write_text("ports: [{}]")
    with pytest.raises(DocumentError) as caught:
        load_network([tmp_path / "a.yaml", tmp_path, tmp_path / "net.yaml"])
    assert [str(fault) for fault in caught.value.faults] == [
        f"{tmp_path}/a.yaml: document: cannot be read: No such file or directory; give the path of a readable file",
        f"{tmp_path}: document: cannot be read: Is a directory; give the path of a readable file",
    ]


def test_faults_name_their_file() -> None:
    """Documents are one network, and each fault stands in its own file and line."""
    first = Text("a.yaml", "tenants: [{name: acme}]\n---\nhosts:\n  - {name: h1, underlay: 192.0.2.1}\n")
    second = Text("b.yaml", '{"tenants": [{"name": "acme"}],\n"hosts": [{"name": "h2", "underlay": "192.0.2.1"}]}')
    with pytest.raises(DocumentError) as caught:
        load_network([first, second])
    assert [str(fault) for fault in caught.value.faults] == [
        "b.yaml:1: tenant acme: is declared twice; keep one; the first is at a.yaml:1",
        "b.yaml:2: host h2: underlay '192.0.2.1' is also that of host h1; give every host its own underlay address",
    ]


def test_plain_scalars() -> None:
    """Plain scalars are what an operator means: addresses, MACs and words stay text, numbers are decimal."""
    text = (
        "[02:00:00:00:01:01, 12:30:45, 10.0.1.0/24, fd00:1::/64, yes, on, 1.5, 0x10, 007, 1_000, 2024-01-01, 1e3,"
        " 207, -1, +4, true, False, null, ~, '207', \"true\", 123456789012345678901]"
    )
    assert read_yaml(text) == [
        [
            *("02:00:00:00:01:01", "12:30:45", "10.0.1.0/24", "fd00:1::/64", "yes", "on", "1.5", "0x10", "007"),
            *("1_000", "2024-01-01", "1e3", 207, -1, 4, True, False, None, None, "207", "true"),
            "123456789012345678901",
        ]
    ]


def test_json_scalars() -> None:
    """JSON keeps its own types and escapes, surrogate pairs included."""
    assert read_json('["\\u00e9\\ud83d\\ude00\\/", 1, -0, 1.5, 2e2, true, false, null, {}, []]') == [
        ["é😀/", 1, 0, 1.5, 200.0, True, False, None, {}, []]
    ]


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_lines(read: object) -> None:
    """Every key and item knows its line, whichever way the text was written."""
    assert callable(read)
    (root,) = read('{"a": [1,\n2],\n"b": {"c": 1,\n"d": 2}, "b": 3}')
    assert isinstance(root, Block)
    items, block = root["a"], root["b"]
    assert isinstance(items, Items)
    assert isinstance(block, Block)
    assert (root.line, root.lines, root.duplicates) == (1, {"a": 1, "b": 3}, [("b", 4)])
    assert (items.line, items.lines) == (1, [1, 2])
    assert (block.line, block.lines) == (3, {"c": 3, "d": 4})


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n", "{}", "hosts:\nports: []\n", "\ufefftenants: []\n"])
def test_empty_documents(text: str) -> None:
    """A document may declare nothing at all."""
    assert len(network_of(text)) == 0
