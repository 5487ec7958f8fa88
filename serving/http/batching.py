"""Calls that come at the same time are ranked together, one batch after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from features.errors import DataError
from serving.http.limits import Limits

Job = TypeVar("Job")
Result = TypeVar("Result")


class BusyError(Exception):
    """Too much waits already."""


@dataclass(frozen=True)
class _Waiting(Generic[Job, Result]):
    job: Job
    kind: Hashable
    size: int
    answer: asyncio.Future[Result]


class Batcher(Generic[Job, Result]):
    """Gives what waits to one worker thread: while a batch is at work, the next one gathers, and nothing waits longer.

    A lone call is a batch of its own, at once.
    """

    def __init__(self, work: Callable[[Sequence[Job]], Sequence[Result]], limits: Limits) -> None:
        """Do jobs of one kind together by ``work``, which returns a result for each."""
        self._work, self._limits = work, limits
        self._queue: deque[_Waiting[Job, Result]] = deque()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ranker")
        self._task: asyncio.Task[None] | None = None
        self._something = asyncio.Event()
        self.waiting = 0
        """Requests that wait."""
        self.on_batch: Callable[[int], None] = lambda size: None
        """Told of the requests of each batch."""

    async def do(self, job: Job, kind: Hashable, size: int) -> Result:
        """Return the result of ``job``, of ``size`` requests, done together with others of its ``kind``.

        Raises:
            BusyError: too much waits already.
            DataError: the job is wrong; the others of its batch are not touched by that.
        """
        if self.waiting + size > self._limits.waiting:
            raise BusyError
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(job, kind, size, answer))
        self.waiting += size
        self._something.set()
        return await answer

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End when what waits is done."""
        while self.waiting and self._task is not None and not self._task.done():
            await asyncio.sleep(0.01)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._pool.shutdown()

    async def _run(self) -> None:
        while True:
            await self._something.wait()
            batch = self._next()
            if not batch:
                self._something.clear()
                continue
            self.on_batch(sum(one.size for one in batch))
            await self._finish(batch)

    def _next(self) -> list[_Waiting[Job, Result]]:
        """Take what is of the kind of the first that waits, in its order, up to the most that are ranked together."""
        batch: list[_Waiting[Job, Result]] = []
        rest: deque[_Waiting[Job, Result]] = deque()
        room = self._limits.together
        for one in self._queue:
            if one.answer.cancelled():  # its caller is gone
                self.waiting -= one.size
            elif not batch or (one.kind == batch[0].kind and one.size <= room):
                batch.append(one)
                room -= one.size
            else:
                rest.append(one)
        self._queue = rest
        return batch

    async def _finish(self, batch: list[_Waiting[Job, Result]]) -> None:
        """Work on a batch; where it is refused, on each of its jobs alone, so that only the wrong ones fail."""
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._pool, self._work, [one.job for one in batch])
        except DataError as error:
            if len(batch) > 1:
                for one in batch:
                    await self._finish([one])
                return
            self._settle(batch[0], error=error)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a panic of polars is no Exception; whoever waits has to be told
            for one in batch:
                self._settle(one, error=RuntimeError(f"{type(error).__name__} while ranking"))
        else:
            for one, result in zip(batch, results, strict=True):
                self._settle(one, result)

    def _settle(self, one: _Waiting[Job, Result], result: Result | None = None, error: Exception | None = None) -> None:
        self.waiting -= one.size
        if one.answer.cancelled():
            return
        if error is not None:
            one.answer.set_exception(error)
        else:
            one.answer.set_result(result)  # type: ignore[arg-type]  # a result may be None itself
