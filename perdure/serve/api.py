"""The JSON endpoints: start, look, decide, control. Errors are `{"error": {"type", "message", "hint"}}`."""

import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.contact import NoAnswer
from perdure.domain.approvals import Decide
from perdure.domain.control import SteerPayload
from perdure.domain.explain import explain
from perdure.domain.identity import Role
from perdure.domain.model import JsonObject, Model
from perdure.domain.run import AgentInput
from perdure.serve.acts import CONTROLS
from perdure.serve.bounds import refuse_foreign
from perdure.serve.people import Person
from perdure.serve.problems import Problem, status_of
from perdure.serve.site import Endpoint, Site

__all__ = ["approvals", "body", "control", "decide", "parsed", "run", "start", "steer"]

M = TypeVar("M", bound=BaseModel)

SET_BY_RUNS = ("lineage",)
"""Fields of an input that only runs set, for the runs they start."""


class _Control(Model, frozen=True):
    """Body of pause, resume, interrupt and stop."""

    reason: Annotated[str, StringConstraints(max_length=10_000)] = ""


async def start(site: Site, person: Person, request: Request) -> Response:
    """`POST /api/runs`: an AgentInput, and perhaps an `id`. The requester is whoever calls.

    A page for one person without a key names nobody: names prove nothing there, and one person does both.
    """
    given = await body(request)
    person.must(Role.OPERATOR)
    identity = given.pop("id", None)
    if identity is not None and not isinstance(identity, str):
        raise _invalid("id: write text", ["id"])
    for name in SET_BY_RUNS:
        if name in given:
            raise _invalid(f"{name}: only runs set this", [name])
    alone = bool(site.people.user) and site.acts.signer is None
    if given.setdefault("requester", "" if alone else person.name) not in (
        {"", person.name} if alone else {person.name}
    ):
        raise _invalid(f"requester: you are {person.name!r}: leave it out", ["requester"])
    agent = parsed(AgentInput, given)
    await site.ready()
    started = await site.acts.start(person, agent, f"run-{uuid.uuid4().hex[:12]}" if identity is None else identity)
    about = {"workflow_id": started.workflow_id, "run_id": started.run_id}
    return JSONResponse(about, HTTPStatus.CREATED)


async def run(site: Site, person: Person, request: Request) -> Response:
    """`GET /api/runs/{id}`: status while it is open, result or error once it has closed."""
    person.must(Role.VIEWER)
    found = await site.runs.run(request.path_params["workflow_id"])
    about: dict[str, Any] = {
        "workflow_id": found.workflow_id,
        "run_id": found.run_id,
        "status": found.status,
        "state": found.state,
        "result": None,
        "error": None,
        "details": None,
    }
    if found.is_open:
        await site.ready()
        try:
            status = await site.runs.status(found.workflow_id)
        except NoAnswer:
            status = None
        if status is not None:
            about |= {"state": status.state, "details": status.model_dump(mode="json")}
    else:
        outcome = await site.runs.outcome(found)
        about |= outcome.model_dump(mode="json")
    return JSONResponse(about)


async def approvals(site: Site, person: Person, _request: Request) -> Response:
    """`GET /api/approvals`: requests of all open runs, oldest first; `silent` are runs that no worker answered for."""
    person.must(Role.VIEWER)
    await site.ready()
    found = await site.runs.inbox()
    items = [
        {**item.request.model_dump(mode="json"), "root": item.run.root, "cost_usd": item.run.cost_usd}
        for item in found.items
    ]
    return JSONResponse({"items": items, "silent": [run.workflow_id for run in found.silent], "more": found.more})


async def decide(site: Site, person: Person, request: Request) -> Response:
    """`POST /api/runs/{id}/decide`: the payload of the update; `approver` is whoever calls.

    The same payload counts once; with the header Idempotency-Key only under the same key. One that does not count is
    answered with 403 or 409: `accepted` is false, `code` and `reason` say why.
    """
    given = await body(request)
    person.must(Role.APPROVER)
    if given.setdefault("approver", person.name) != person.name:
        words = f"you are {person.name!r} and cannot decide as somebody else: leave `approver` out"
        raise Problem(HTTPStatus.FORBIDDEN, "NotYou", words)
    decision = parsed(Decide, given)
    found = await site.runs.run(request.path_params["workflow_id"])
    await site.ready()
    try:
        asked = await site.runs.request(found, decision.request_id)
        name, digest = asked.workflow_id, decision.digest or asked.digest
    except Problem as unknown:
        if unknown.code != "UnknownRequest":
            raise
        # The run knows whether it was decided already, or never asked.
        name, digest = found.workflow_id, decision.digest or ""
    salt = request.headers.get("idempotency-key", "")
    answer = await site.acts.decide(person, name, decision, digest=digest, salt=salt)
    about, found_status = answer.model_dump(mode="json"), status_of(answer)
    if not answer.accepted:
        about |= Problem(found_status, answer.code, answer.reason).document()
    return JSONResponse(about, found_status)


async def steer(site: Site, person: Person, request: Request) -> Response:
    """`POST /api/runs/{id}/steer`: `{"text", "mode"?, "id"?}`; answers `{"position"}`."""
    given = await body(request)
    person.must(Role.OPERATOR)
    steering = parsed(SteerPayload, given)
    await site.ready()
    identity = steering.id or uuid.uuid4().hex
    position = await site.acts.steer(person, request.path_params["workflow_id"], steering, f"steer:{identity}")
    return JSONResponse({"position": position})


def control(verb: str) -> Endpoint:
    """`POST /api/runs/{id}/<verb>`: `{"reason"?}`; answers `{"state"}`."""

    async def endpoint(site: Site, person: Person, request: Request) -> Response:
        given = parsed(_Control, await body(request))
        person.must(Role.OPERATOR)
        await site.ready()
        name = request.path_params["workflow_id"]
        state = await site.acts.control(person, name, verb, given.reason, f"{verb}:{uuid.uuid4().hex}")
        return JSONResponse({"workflow_id": name, "state": state})

    if verb not in CONTROLS:
        raise ValueError(verb)
    return endpoint


async def body(request: Request) -> JsonObject:
    """The JSON object of a request; raises Problem for anything else, and for what another web site sent."""
    refuse_foreign(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Browsers send other kinds across sites without asking first.
    if kind != "application/json":
        words = "send JSON with the header Content-Type: application/json"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "InvalidInput", words)
    try:
        found: object = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "InvalidInput", f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "InvalidInput", "the body has to be a JSON object")
    return cast("JsonObject", found)


def parsed(model: type[M], given: Mapping[str, object]) -> M:
    """The body as a model; raises Problem (422) with the fields that are wrong."""
    try:
        return model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        fields = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
        raise _invalid(explain(error), list(dict.fromkeys(filter(None, fields)))) from error


def _invalid(message: str, fields: list[str]) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "InvalidInput", message, fields=fields)
