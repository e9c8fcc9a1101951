"""Print every route of Airflow's API server, as the server itself has them, in one line of JSON.

Run in a process of its own, with the configuration of the server that is asked: importing it takes seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

from cadwyn import Cadwyn
from fastapi import APIRouter
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

FILLED = {"path": "nowhere", "uuid": str(UUID(int=1))}
Found = tuple[list[str], str, str]
"""Methods, the path as it is described, and the path with something for each of its parameters."""


def fill(path: str) -> str:
    """Return a route's path with something for each of its parameters."""
    return re.sub(r"{\w+(?::(\w+))?}", lambda found: FILLED.get(found[1], "1"), path)


def walk(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[Found]:
    """Give each route, and each file that is handed out, of every application in it.

    Raises:
        TypeError: A kind of route that was not there when this was written.
    """
    for route in routes:
        match route:
            case Route():
                yield sorted(route.methods or ()), prefix + route.path_format, prefix + fill(route.path)
            case Mount(app=StaticFiles() as files):
                yield from walk_files(Path(files.directory or ""), prefix + route.path)
            case Mount(app=Cadwyn() as versioned):
                for router in (versioned.router, *version_routers(versioned).values()):
                    yield from walk(router.routes, prefix + route.path)
            case Mount():
                yield from walk(route.routes, prefix + route.path)
            case _:
                raise TypeError(f"{type(route).__name__} {route}")


def walk_files(folder: Path, prefix: str) -> Iterator[Found]:
    """Give each file below a folder."""
    for file in folder.rglob("*"):
        if file.is_file():
            path = f"{prefix}/{file.relative_to(folder).as_posix()}"
            yield ["GET", "HEAD"], path, path


def version_routers(app: Cadwyn) -> dict[str, APIRouter]:
    """Return the routes of each version of the execution API."""
    TestClient(app).get("/docs")  # they are made for the first who asks
    return {str(version): router for version, router in app.router.versioned_routers.items()}


def main() -> None:
    """Print them, and the versions of the execution API."""
    from airflow.api_fastapi.app import create_app

    app = create_app()
    (execution,) = (route.app for route in app.routes if isinstance(route, Mount) and isinstance(route.app, Cadwyn))
    print(json.dumps({"routes": [*walk(app.routes)], "versions": [*version_routers(execution)]}))


if __name__ == "__main__":
    main()
