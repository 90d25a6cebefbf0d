"""The files that an agent's settings name: what is wrong with them, found before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from triptych.agent.config import AgentConfig
from triptych.daemon.settings import Wrong
from triptych.pki.judge import judge_authority, judge_host


def wrong_files(config: AgentConfig, now: datetime) -> Iterator[Wrong]:
    """Everything that is wrong with them. Without controllers nobody reads any."""
    tls = config.tls
    if not config.controllers or tls is None:
        return
    for fault in (*judge_authority(tls.authority, now), *judge_host(config.host, tls.certificate, tls.key, now)):
        yield Wrong(f"tls.{fault.part}", fault.problem)
