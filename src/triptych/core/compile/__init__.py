"""Intent to rows: full and incremental compile, scopes, and which intent made a row."""

from triptych.core.compile.compiler import (
    Change,
    Compiler,
    Delete,
    Put,
    Work,
    changes_between,
    compile_network,
    host_rows,
    scopes_of_host,
)
from triptych.core.compile.explain import Explanation, explain
from triptych.core.compile.newcomers import Newcomers
from triptych.core.compile.scopes import Scope, ScopeKind, merge_rows, scope_of, scope_rows, split_delta, split_rows

__all__ = [
    "Change",
    "Compiler",
    "Delete",
    "Explanation",
    "Newcomers",
    "Put",
    "Scope",
    "ScopeKind",
    "Work",
    "changes_between",
    "compile_network",
    "explain",
    "host_rows",
    "merge_rows",
    "scope_of",
    "scope_rows",
    "scopes_of_host",
    "split_delta",
    "split_rows",
]
