"""The application: its parts put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from messaging.settings import Settings
from server.errors import install_error_shape
from server.openapi import describe
from server.routes import accounts, health, labels, library, links, page, review, score, sessions, snapshots, subjects
from server.service import build_service
from server.sessions.making import abandon_all_unplanned
from server.shell import Shell
from server.sockets import lab, operator, rewards, subject
from server.subjects.taking_back import finish_erasures

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def create_app(settings: Settings) -> FastAPI:
    """Build the session server.

    Parameters
    ----------
    settings : Settings
        `data_dir` or `database_url`, `token`, `allowed_hosts` are used here; `host` and `port` by `serve`.

    Returns
    -------
    fastapi.FastAPI
        ``app.state.service`` holds its parts; ``app.state.service.token`` is the ready token.

    Raises
    ------
    ServerError
        The database's address is wrong.
    """
    service = build_service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.database.open()
        await service.gatekeeper.open()
        if service.database.is_sqlite:  # PostgreSQL may have other servers, and one of them is planning right now
            async with service.database.write() as connection:
                await abandon_all_unplanned(connection)
        await finish_erasures(service)
        following = asyncio.create_task(service.database.follow_other_servers(service.switchboard.log_grew.ring))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            service.switchboard.close_all()
            await service.builds.stop()
            await service.database.close()

    app = FastAPI(title="rlhb session server", version="1", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    install_error_shape(app)
    describe(app)
    for module in (labels, score, snapshots, links, sessions, subjects, review, library, accounts, health):
        app.include_router(module.router, prefix="/api/v1")
    app.include_router(health.router, include_in_schema=False)
    app.include_router(page.router)
    for socket in (lab, rewards, subject, operator):
        app.include_router(socket.router)
    named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    own = set() if settings.host in ("0.0.0.0", "::") else {settings.host.lower()}  # noqa: S104 - only compared
    app.add_middleware(Shell, allowed_hosts=LOOPBACK | named | own)
    return app
