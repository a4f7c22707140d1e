"""A hub worker as a process of its own that starts at once: forked from a server that has it loaded."""

import multiprocessing
from multiprocessing.context import ForkServerProcess
from typing import Any


def ingest_process(database_url: str, broker: dict[str, Any]) -> ForkServerProcess:
    """Start one; `.kill()` is SIGKILL."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hub.ingest.consumer", "workers"])
    process = context.Process(target=_ingest, args=(database_url, broker), daemon=True)
    process.start()
    return process


def _ingest(database_url: str, broker: dict[str, Any]) -> None:
    import asyncio

    from hub import db, log
    from hub.clock import Clock
    from hub.config import Settings
    from hub.ingest import consumer
    from hub.notices import Notices

    log.configure("ERROR")
    settings = Settings(database_url=database_url, broker=broker)  # type: ignore[arg-type]
    asyncio.run(consumer.run(settings, db.open_engine(database_url), Clock(), Notices(None, "test")))
