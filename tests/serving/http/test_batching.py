"""What waits is done together, and nobody pays for another's mistake."""

from __future__ import annotations

import asyncio
import threading

import pytest

from features.errors import DataError
from serving.http.batching import Batcher, BusyError
from serving.http.limits import Limits


class Work:
    """Doubles numbers; a negative one is refused, and None breaks it. It can be held up."""

    def __init__(self):
        self.batches = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, jobs):
        self.go.wait(10)
        self.batches.append(list(jobs))
        if any(job < 0 for job in jobs):
            raise DataError("below 0")
        return [2 * job for job in jobs]


def run(scenario, **limits):
    """Run ``scenario(batcher, work)`` to its end."""

    async def whole():
        work = Work()
        batcher = Batcher(work, Limits(**limits))
        batcher.start()
        try:
            return await asyncio.wait_for(scenario(batcher, work), 20)
        finally:
            work.go.set()
            await batcher.stop()

    return asyncio.run(whole())


async def held(batcher, work, *jobs):
    """Hold a first job up, let ``jobs`` (number, kind, size) wait behind it, and return their answers."""
    work.go.clear()
    first = asyncio.create_task(batcher.do(1000, "a", 1))
    await asyncio.sleep(0.05)
    tasks = [asyncio.create_task(batcher.do(*job)) for job in jobs]
    await asyncio.sleep(0.05)
    work.go.set()
    assert await first == 2000
    return tasks


def test_a_lone_job_is_done_at_once():
    async def scenario(batcher, work):
        assert await batcher.do(3, "a", 1) == 6
        assert work.batches == [[3]] and batcher.waiting == 0

    run(scenario)


def test_what_gathers_is_done_together_by_kind_in_its_order():
    async def scenario(batcher, work):
        tasks = await held(batcher, work, (1, "a", 1), (2, "b", 1), (3, "a", 1), (4, "b", 1))
        assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
        assert work.batches == [[1000], [1, 3], [2, 4]]

    run(scenario)


def test_no_batch_is_larger_than_the_limit_but_for_a_job_that_is_so_itself():
    async def scenario(batcher, work):
        tasks = await held(batcher, work, (1, "a", 3), (2, "a", 3), (3, "a", 1), (4, "a", 9))
        assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
        assert work.batches == [[1000], [1, 3], [2], [4]]

    run(scenario, together=5)


def test_a_wrong_job_fails_alone():
    async def scenario(batcher, work):
        tasks = await held(batcher, work, (1, "a", 1), (-2, "a", 1), (3, "a", 1))
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[0] == 2 and found[2] == 6
        assert isinstance(found[1], DataError)
        assert await batcher.do(5, "a", 1) == 10 and batcher.waiting == 0

    run(scenario)


def test_what_breaks_is_told_to_all_of_its_batch_and_ends_nothing():
    async def scenario(batcher, work):
        tasks = await held(batcher, work, (1, "a", 1), (None, "a", 1))
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(one) for one in found] == ["TypeError while ranking"] * 2
        assert await batcher.do(5, "a", 1) == 10 and batcher.waiting == 0

    run(scenario)


def test_a_panic_that_is_no_exception_ends_nothing():
    class Panic(BaseException):
        pass

    def work(jobs):
        if "panic" in jobs:
            raise Panic
        return jobs

    async def whole():
        batcher = Batcher(work, Limits())
        batcher.start()
        with pytest.raises(RuntimeError, match="Panic"):
            await asyncio.wait_for(batcher.do("panic", "a", 1), 10)
        assert await asyncio.wait_for(batcher.do("fine", "a", 1), 10) == "fine"
        await asyncio.wait_for(batcher.stop(), 10)

    asyncio.run(whole())


def test_stopping_waits_for_what_is_at_work():
    async def scenario(batcher, work):
        work.go.clear()
        task = asyncio.create_task(batcher.do(4, "a", 1))
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_later(0.3, work.go.set)
        await batcher.stop()
        assert task.done() and await task == 8

    run(scenario)


def test_what_would_wait_too_long_is_turned_away():
    async def scenario(batcher, work):
        work.go.clear()
        tasks = [asyncio.create_task(batcher.do(n, "a", 2)) for n in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError):
            await batcher.do(9, "a", 1)
        work.go.set()
        assert await asyncio.gather(*tasks) == [0, 2]
        assert await batcher.do(9, "a", 1) == 18

    run(scenario, waiting=4)


def test_a_caller_who_is_gone_is_not_worked_for():
    async def scenario(batcher, work):
        work.go.clear()
        first = asyncio.create_task(batcher.do(1, "a", 1))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(batcher.do(2, "a", 1))
        stays = asyncio.create_task(batcher.do(3, "a", 1))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0)
        work.go.set()
        assert (await first, await stays) == (2, 6)
        assert work.batches == [[1], [3]] and batcher.waiting == 0

    run(scenario)


def test_stopping_waits_for_what_waits():
    async def scenario(batcher, work):
        tasks = await held(batcher, work, *((n, n % 2, 1) for n in range(6)))
        await batcher.stop()
        assert [await task for task in tasks] == [0, 2, 4, 6, 8, 10]

    run(scenario)
