"""The process of an agent, in this one: signals, reloads, and what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog

from tests.unit.agent.world import SMALL, run, until
from triptych.agent import app
from triptych.agent.config import read
from triptych.client.local import LocalAgent, StatusReply
from triptych.errors import EnvironmentError_, InputError
from triptych.testing.scripted import ScriptedController


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """The file of an agent with the sim driver; logs are as before afterwards."""
    path = tmp_path / "agent.toml"
    path.write_text(
        f'host = "h1"\nvtep = "192.0.2.1"\ndriver = "sim"\nsocket = "{tmp_path}/s"\nstate_dir = "{tmp_path}/state"\n'
    )
    yield path
    structlog.reset_defaults()


def edit(path: Path, change: Callable[[str], str]) -> str:
    """Change a file; what it said before."""
    text = path.read_text()
    path.write_text(change(text))
    return text


async def status(path: Path) -> StatusReply:
    """What the agent that `path` configures says of itself, once it answers."""

    def ask() -> StatusReply | None:
        try:
            with LocalAgent(path.parent / "s") as agent:
                return agent.status()
        except EnvironmentError_:
            return None

    async with asyncio.timeout(60):
        while (answer := await asyncio.to_thread(ask)) is None:
            pass
        return answer


def during(path: Path, story: Callable[[list[ScriptedController]], Awaitable[None]]) -> None:
    """Run an agent while a story is told, then end it by SIGTERM."""
    controllers: list[ScriptedController] = []

    def choose(_: object) -> ScriptedController:
        if "stranger" in path.read_text():
            # As with files of TLS: the former configuration names the same.
            raise InputError("tls: the certificate is another host's")
        controllers.append(ScriptedController("h1", SMALL))
        return controllers[-1]

    async def main() -> None:
        agent = asyncio.create_task(app.run(lambda: read(path, {}, {}), choose))
        await status(path)
        await story(controllers)
        os.kill(os.getpid(), signal.SIGTERM)
        await agent
        assert not (path.parent / "s").exists()

    run(main())


def test_a_reload_begins_anew(config: Path) -> None:
    """After SIGHUP the agent runs with what the file says now, and holds what it held."""

    async def story(controllers: list[ScriptedController]) -> None:
        await controllers[0].programmed(1)
        edit(config, lambda text: text.replace('"h1"', '"h1-renamed"'))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(controllers) == 2)
        await controllers[1].programmed(1)
        answer = await status(config)
        assert (answer.host, sum(answer.rows.values())) == ("h1-renamed", len(controllers[0].rows()))

    during(config, story)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text + "nonsense = 1\n", "nonsense: is no setting"),
        (lambda text: text + "# stranger\n", "tls: the certificate is another host's"),
        (lambda text: text.replace('/s"', '/agent.toml/s"'), "cannot be made"),
    ],
    ids=["refused", "another's certificate", "cannot begin"],
)
def test_a_wrong_reload_changes_nothing(
    config: Path, change: Callable[[str], str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is wrong, or with which the agent cannot begin, is logged, and the former one runs on."""

    async def story(controllers: list[ScriptedController]) -> None:
        await controllers[0].programmed(1)
        logged = ""
        edit(config, change)
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(60):
            while why not in logged:
                logged += capsys.readouterr().err
                await status(config)
        assert (await status(config)).host == "h1"

    during(config, story)


def test_an_agent_that_cannot_begin_says_why(tmp_path: Path) -> None:
    """Without its file the process ends with exit code 1 and one line."""
    command = [sys.executable, "-m", "triptych.agent", "--config", str(tmp_path / "none.toml")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    line = f"triptych agent: {tmp_path}/none.toml: there is no such file; give another with --config\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
