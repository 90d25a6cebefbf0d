"""The controller over each kind of store. Tests are coroutines."""

from __future__ import annotations

from tests.contract.stores.conftest import bench, etcd
from tests.contract.stores.coroutines import pytest_pyfunc_call

__all__ = ["bench", "etcd", "pytest_pyfunc_call"]
