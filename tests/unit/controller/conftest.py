"""Tests of the controller are coroutines too."""

from __future__ import annotations

from tests.contract.stores.coroutines import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
