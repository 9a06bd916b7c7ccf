"""Coroutines that belong together: when one ends, so do the others."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def side_by_side(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run coroutines until the first of them ends, then cancel the rest and wait until they are gone.

    Raises
    ------
    BaseException
        What the ended one raised: a fault in any ends all of them.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
