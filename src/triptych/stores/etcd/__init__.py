"""The store for several controllers: etcd 3.4 or newer."""

from __future__ import annotations

from triptych.stores.etcd.access import Access
from triptych.stores.etcd.store import MAX_BYTES, EtcdStore

__all__ = ["MAX_BYTES", "Access", "EtcdStore"]
