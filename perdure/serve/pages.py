"""Pages to look at: the inbox, one run, its conversation."""

from datetime import UTC, datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from perdure.contact import NoAnswer
from perdure.domain.identity import Role
from perdure.serve.people import Person
from perdure.serve.problems import Problem
from perdure.serve.site import Site
from perdure.serve.texts import no_means

__all__ = ["inbox", "run", "transcript"]

PAGE = 50
"""Messages on one page."""


async def inbox(site: Site, person: Person, _request: Request) -> Response:
    """Everything that waits for people, oldest first."""
    person.must(Role.VIEWER)
    await site.ready()
    found = await site.runs.inbox()
    return site.page("inbox.html", person, inbox=found, now=datetime.now(UTC), no_means=no_means)


async def run(site: Site, person: Person, request: Request) -> Response:
    """One run: where it stands, or how it ended."""
    person.must(Role.VIEWER)
    found = await site.runs.run(request.path_params["workflow_id"])
    status, outcome, silent = None, None, False
    if found.is_open:
        await site.ready()
        try:
            status = await site.runs.status(found.workflow_id)
        except NoAnswer:
            silent = True
    else:
        outcome = await site.runs.outcome(found)
    return site.page(
        "run.html",
        person,
        run=found,
        stands=status,
        outcome=outcome,
        silent=silent,
        link=site.runs.link(found),
        now=datetime.now(UTC),
    )


async def transcript(site: Site, person: Person, request: Request) -> Response:
    """A page of the conversation of a run."""
    person.must(Role.VIEWER)
    given = request.query_params.get("offset", "0")
    if not given.isascii() or not given.isdigit() or len(given) > 9:  # noqa: PLR2004 - more messages than any run has
        raise Problem(HTTPStatus.BAD_REQUEST, "InvalidInput", "offset: a whole number from 0")
    found = await site.runs.run(request.path_params["workflow_id"])
    await site.ready()
    page = await site.runs.transcript(found.workflow_id, int(given), PAGE)
    return site.page("transcript.html", person, run=found, page=page, before=max(0, int(given) - PAGE))
