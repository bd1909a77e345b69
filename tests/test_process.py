"""One child process: what it says is kept, and nothing of it is left when it has ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from calls import until
from paddock.engines.launch import Endpoint, Launch
from paddock.engines.process import EngineProcess
from paddock.errors import EngineLoadFailed


@asynccontextmanager
async def child(script: str, directory: Path) -> AsyncIterator[EngineProcess]:
    """A shell that runs `script`."""
    argv = ("/bin/sh", "-c", script)
    environ = {"PATH": os.environ["PATH"]}
    process = await EngineProcess.start(
        Launch("sh", argv, environ, Endpoint(socket=directory / "engine.sock"))
    )
    try:
        yield process
    finally:
        await process.stop(grace=0.1)


async def printed(process: EngineProcess, line: str) -> None:
    async with asyncio.timeout(10):
        while line not in process.tail:
            await asyncio.sleep(0.01)


def grandchild(process: EngineProcess) -> int:
    (found,) = psutil.Process(process.pid).children()
    return found.pid


async def test_what_a_child_prints_is_kept_and_told_with_its_end(tmp_path: Path) -> None:
    async with child("echo all is well; echo cannot go on >&2; exit 3", tmp_path) as process:
        async with asyncio.timeout(10):
            assert await process.ended == 3
        assert process.tail == ("all is well", "cannot go on")
        assert process.cause() == "cannot go on"
        assert process.describe_end() == "exit status 3"
        assert not process.running


async def test_a_character_that_arrives_in_two_halves_is_one_character(tmp_path: Path) -> None:
    halves = r"printf '\350\252'; sleep 0.2; printf '\236 it fails\n'"
    async with child(halves, tmp_path) as process:
        async with asyncio.timeout(10):
            await process.ended
        assert process.tail == ("語 it fails",)


async def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    async with child("trap '' TERM; echo deaf; while :; do sleep 0.05; done", tmp_path) as process:
        await printed(process, "deaf")
        async with asyncio.timeout(10):
            await process.stop(grace=0.1)
        assert process.describe_end() == "signal 9"


async def test_stopping_a_child_stops_what_it_has_started_itself(tmp_path: Path) -> None:
    """A wrapper around an engine need not `exec` it."""
    async with child("sleep 1000 & echo started; wait", tmp_path) as process:
        await printed(process, "started")
        pid = grandchild(process)
        async with asyncio.timeout(10):
            await process.stop(grace=5)
        until(lambda: not psutil.pid_exists(pid))


async def test_a_child_that_dies_has_ended_although_its_own_child_holds_its_output(tmp_path: Path) -> None:
    async with child("sleep 1000 & echo started; wait", tmp_path) as process:
        await printed(process, "started")
        pid = grandchild(process)
        os.kill(process.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            assert await process.ended == -signal.SIGKILL
        until(lambda: not psutil.pid_exists(pid))


async def test_a_program_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    missing = Launch("none", (str(tmp_path / "none"),), {}, Endpoint())
    with pytest.raises(EngineLoadFailed, match="the engine cannot be started"):
        await EngineProcess.start(missing)
