"""What the page asks for, on loopback alone.

    GET  /                    the page
    GET  /api/session         robot, pictures in the order that they are to be marked in, marks
    GET  /api/picture/N       one picture
    PUT  /api/marks/N         what is marked in it, saved before the answer
    POST /api/advice/N        what the kinematics make of marks

`?by=NAME` says who marks: everybody has a file of their own.
"""

import json
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from jointloop.annotate.advice import Guess, Kinematics, order
from jointloop.annotate.book import Book, Page
from jointloop.annotate.errors import AnnotateError
from jointloop.annotate.photos import Photo
from jointloop.common.errors import JointloopError
from simulator.robot import Robot

HOST = "127.0.0.1"
NAMED = re.compile(r"[A-Za-z0-9_-]{0,40}")
"""What a person may be called: it becomes part of a file's name."""
LARGEST = 100_000
"""Bytes of what a page may say at once."""
PAGE = Path(__file__).with_name("page")


@dataclass
class Desk:
    """Everything that people who mark these photos share."""

    robot: Robot
    photos: Sequence[Photo]
    out: Path
    guesses: Sequence[Guess | None]
    kinematics: Kinematics
    say: Callable[[str], None]
    _books: dict[str, Book] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def book(self, by: str) -> Book:
        """One person's marks.

        Raises:
            JointloopError: the name cannot be part of a file's, or that file cannot be read.
        """
        if not NAMED.fullmatch(by):
            raise AnnotateError(f"who marks is {by!r}; expected letters, digits, - and _, up to 40")
        with self._lock:
            if by not in self._books:
                path = (
                    self.out.with_name(f"{self.out.stem}-{by}{self.out.suffix}") if by else self.out
                )
                self._books[by] = Book.open(self.robot, self.photos, path)
            return self._books[by]

    @property
    def books(self) -> list[Book]:
        """Of everybody who was here."""
        return list(self._books.values())

    def session(self, by: str) -> dict[str, Any]:
        """All that a page begins with."""
        book = self.book(by)
        return {
            "robot": self.robot.name,
            "keypoints": list(self.robot.keypoint_names),
            "skeleton": [list(bone) for bone in self.robot.skeleton],
            "file": str(book.path),
            "order": order(self.guesses),
            "pictures": [
                {"name": photo.name, "width": photo.width, "height": photo.height}
                | {"marks": page.as_json(), "guess": None if guess is None else vars(guess)}
                for photo, page, guess in zip(self.photos, book.pages, self.guesses, strict=True)
            ],
        }


def app(desk: Desk) -> Starlette:
    """The application that serves a desk."""
    answer = partial(_answer, desk)
    routes = [
        Route("/api/session", partial(answer, _session)),
        Route("/api/picture/{number:int}", partial(answer, _picture)),
        Route("/api/marks/{number:int}", partial(answer, _marks), methods=["PUT"]),
        Route("/api/advice/{number:int}", partial(answer, _advice), methods=["POST"]),
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ]
    # A page of somebody else's that is made to lead here is not let in.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return Starlette(routes=routes, middleware=[hosts])


Answer = Callable[[Desk, str, int, Any], Response]


async def _answer(desk: Desk, what: Answer, request: Request) -> Response:
    """What a function answers; a mistake or a browser that leaves is one line."""
    by, number = request.query_params.get("by", ""), request.path_params.get("number", 0)
    try:
        if not 0 <= number < len(desk.photos):
            raise AnnotateError(f"picture {number} is asked for; there are {len(desk.photos)}")
        said = None if request.method == "GET" else _read(await request.body(), request)
        return await run_in_threadpool(what, desk, by, number, said)
    except JointloopError as error:
        desk.say(f"note: {error}")
        return JSONResponse({"error": str(error)}, status_code=400)
    except ClientDisconnect:
        desk.say("note: a browser left while it said something; what was saved before stays")
        return Response(status_code=400)


def _read(body: bytes, request: Request) -> Any:
    """What a page says.

    Raises:
        AnnotateError: it is too much, or no JSON.
    """
    kind = request.headers.get("content-type", "")
    if kind != "application/json":  # other pages may not send that here without being asked
        raise AnnotateError(f"marks come as {kind or 'nothing'}; expected application/json")
    if len(body) > LARGEST:
        raise AnnotateError(f"marks of {len(body)} bytes; expected at most {LARGEST}")
    try:
        return json.loads(body)
    except ValueError:
        raise AnnotateError("marks are no JSON") from None


def _session(desk: Desk, by: str, number: int, said: Any) -> Response:
    return JSONResponse(desk.session(by))


def _picture(desk: Desk, by: str, number: int, said: Any) -> Response:
    return Response(desk.photos[number].jpeg(), media_type="image/jpeg")


def _marks(desk: Desk, by: str, number: int, said: Any) -> Response:
    book = desk.book(by)
    book.turn(number, Page.of(said, len(desk.robot.keypoints)))
    return JSONResponse({"file": str(book.path), "done": book.done})


def _advice(desk: Desk, by: str, number: int, said: Any) -> Response:
    page = Page.of(said, len(desk.robot.keypoints))
    quick = bool(said.get("quick", False))
    return JSONResponse(desk.kinematics.advise(by, number, page, quick))


def bound(port: int) -> socket.socket:
    """A socket on loopback.

    Raises:
        AnnotateError: the port is taken, or may not be had.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listening.close()
        why = error.strerror if isinstance(error, OSError) else "there is none"
        raise AnnotateError(
            f"port {port}: {why}; give another --port, or 0 for a free one"
        ) from None
    return listening


def serve(desk: Desk, listening: socket.socket) -> None:
    """Serve a desk until Ctrl-C."""
    import uvicorn

    config = uvicorn.Config(app(desk), log_level="critical", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])
