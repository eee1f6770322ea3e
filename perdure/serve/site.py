"""What every endpoint is given, and the frame in which each of them answers: who calls, and errors in words."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from perdure.serve import texts
from perdure.serve.acts import Acts
from perdure.serve.csrf import Csrf
from perdure.serve.people import People, Person
from perdure.serve.problems import Problem, translated
from perdure.serve.runs import Runs

__all__ = ["Endpoint", "Site", "answering", "form", "on_http_error", "templates"]

TEMPLATES = Path(__file__).parent / "templates"
MAX_FIELDS = 2_000

log = structlog.get_logger()


@dataclass(frozen=True)
class Site:
    """The parts of one application. `ready` sees to it that a worker is there, where that is our business."""

    people: People
    csrf: Csrf
    runs: Runs
    acts: Acts
    templates: Environment
    ready: Callable[[], Awaitable[object]]

    def page(self, name: str, person: Person | None, status: HTTPStatus = HTTPStatus.OK, **values: object) -> Response:
        """A page of a template; `person` is None where nobody is known."""
        return HTMLResponse(self.templates.get_template(name).render(person=person, **values), status)


Endpoint = Callable[[Site, Person, Request], Awaitable[Response]]


def templates() -> Environment:
    """The templates, in which every value is escaped."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ours: dict[str, Callable[..., Any]] = {
        "plain": texts.plain,
        "pretty": texts.pretty,
        "money": texts.money,
        "ago": texts.ago,
        "segment": _segment,
    }
    found.filters |= ours
    return found


def _segment(text: str) -> str:
    """An id as one part of a path."""
    return quote(text, safe="")


def answering(site: Site, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint of Starlette around one of ours: it knows who calls, and says in words what went wrong."""

    async def answer(request: Request) -> Response:
        person: Person | None = None
        try:
            person = site.people.who(request)
            return await endpoint(site, person, request)
        except Exception as error:  # noqa: BLE001 - a caller never sees a traceback
            return problem(site, person, request, translated(error) or _unforeseen(error))

    return answer


def problem(site: Site, person: Person | None, request: Request, found: Problem) -> Response:
    """The answer that says what went wrong, as a page or as JSON."""
    headers = {"Retry-After": "5"} if found.status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    if request.url.path.startswith("/api/"):
        return JSONResponse(found.document(), found.status, headers)
    answer = site.page("problem.html", person, found.status, problem=found)
    answer.headers.update(headers)
    return answer


def on_http_error(site: Site) -> Callable[[Request, Exception], Response]:
    """Words for paths and methods that there are not."""

    def handle(request: Request, error: Exception) -> Response:
        status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
        return problem(site, None, request, Problem(status, "NoSuchPage", f"{status.phrase}: {request.url.path}"))

    return handle


async def form(request: Request) -> Mapping[str, str]:
    """The fields of a form as pages of ours send it; raises Problem for anything else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        words = "only forms of this page are taken here"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "BadForm", words)
    try:
        text = (await request.body()).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "BadForm", "the form cannot be read") from error


def _unforeseen(error: Exception) -> Problem:
    log.error("serve.failed", error=type(error).__name__, exc_info=error)
    words = "something went wrong here that nobody foresaw; the log of this server has it"
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal", words)
