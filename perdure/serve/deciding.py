"""Pages to decide on: one request with its form, the difference after an edit, and what became of the decision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import cast

from pydantic import ValidationError
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from perdure.domain.approvals import Decide, Request, RequestKind, Verdict
from perdure.domain.arguments import check_arguments, check_value
from perdure.domain.explain import explain
from perdure.domain.identity import Role
from perdure.domain.model import JsonObject, JsonValue, canonical_json
from perdure.serve.bounds import refuse_foreign
from perdure.serve.forms import Field, FormError, answer_field, changes, fields_of, read_answer, read_fields
from perdure.serve.people import Person
from perdure.serve.problems import Problem, status_of
from perdure.serve.runs import Run
from perdure.serve.site import Site, form
from perdure.serve.texts import no_means, verdict_means

__all__ = ["decide", "show"]

VALID = HTTPStatus.UNPROCESSABLE_ENTITY


async def show(site: Site, person: Person, request: HttpRequest) -> Response:
    """One request: the sentence, everything that the call holds, and what can be said to it."""
    person.must(Role.VIEWER)
    return (await _open(site, person, request)).page()


async def decide(site: Site, person: Person, request: HttpRequest) -> Response:
    """Take a form: an edit is shown as a difference first, everything else is sent."""
    refuse_foreign(request)
    person.must(Role.APPROVER)
    filled = await form(request)
    desk = await _open(site, person, request)
    if "edited" in filled:
        return await desk.confirmed(filled)
    return await desk.filled(filled)


async def _open(site: Site, person: Person, request: HttpRequest) -> "_Desk":
    run = await site.runs.run(request.path_params["workflow_id"])
    await site.ready()
    asked = await site.runs.request(run, request.path_params["request_id"])
    status = await site.runs.status(run.workflow_id)
    return _Desk(site, person, run, asked, run.cost_usd if status is None else status.usage.cost_usd)


@dataclass(frozen=True)
class _Desk:
    """One person before one request."""

    site: Site
    person: Person
    run: Run
    asked: Request
    cost_usd: float | None

    @property
    def _act(self) -> str:
        return f"decide {self.run.workflow_id} {self.asked.request_id}"

    def _confirm_act(self, edited: str) -> str:
        return f"{self._act} {sha256(edited.encode()).hexdigest()}"

    def _fields(self) -> tuple[Field, ...]:
        return fields_of(self.asked.answer_schema, self.asked.arguments) if Verdict.EDIT in self.asked.verdicts else ()

    def _answer(self) -> Field | None:
        """The control for a response: made from the schema for a question, plain text for all else."""
        if Verdict.RESPOND not in self.asked.verdicts:
            return None
        if self.asked.kind is RequestKind.QUESTION:
            return answer_field(self.asked.answer_schema)
        return Field("answer", "What to tell the agent", "lines", required=True)

    def page(
        self,
        *,
        problem: str = "",
        fields: tuple[Field, ...] | None = None,
        answer: Field | None = None,
        filled: Mapping[str, str] | None = None,
    ) -> Response:
        """The request, with what was filled in and what is wrong with it."""
        given = filled or {}
        return self.site.page(
            "request.html",
            self.person,
            VALID if problem else HTTPStatus.OK,
            run=self.run,
            asked=self.asked,
            fields=self._fields() if fields is None else fields,
            answer=answer or self._answer(),
            given={"reason": given.get("reason", ""), "answer": given.get("answer", "")},
            verdicts=[verdict.value for verdict in self.asked.verdicts],
            meanings={verdict.value: verdict_means(self.asked, verdict) for verdict in self.asked.verdicts},
            no_means=no_means(self.asked),
            may_decide=self.person.may(Role.APPROVER),
            own=self.asked.requester == self.person.name and not self.asked.self_approval,
            cost_usd=self.cost_usd,
            csrf=self.site.csrf.token(self.person.name, self._act),
            problem=problem,
            now=datetime.now(UTC),
        )

    async def filled(self, given: Mapping[str, str]) -> Response:
        """Answer a filled form of the request's page."""
        nonce = self.site.csrf.check(self.person.name, self._act, given.get("csrf", ""))
        verdict = self._verdict(given)
        # Whoever changed a value and then says "approve" means what they see.
        runs_it = verdict is Verdict.EDIT or (verdict is Verdict.APPROVE and Verdict.EDIT in self.asked.verdicts)
        if runs_it and (shown := self._edit(verdict, given)) is not None:
            return shown
        response: JsonValue = None
        if verdict is Verdict.RESPOND:
            try:
                response = self._response(given)
            except FormError as error:
                return self.page(problem=str(error), answer=error.fields[0], filled=given)
        return await self._send(self._decision(verdict, given, response=response), nonce)

    def _verdict(self, given: Mapping[str, str]) -> Verdict:
        if given.get("verdict") not in self.asked.verdicts:
            words = f"this request takes one of: {', '.join(self.asked.verdicts)}"
            raise Problem(VALID, "InvalidInput", words, fields=["verdict"])
        return Verdict(given["verdict"])

    def _edit(self, verdict: Verdict, given: Mapping[str, str]) -> Response | None:
        """The page of the difference, or of what is wrong; None for an approval of what is there already."""
        try:
            after = read_fields(self._fields(), given)
        except FormError as error:
            return self.page(problem=str(error), fields=error.fields, filled=given)
        found = changes(self.asked.arguments, after)
        if not found:
            if verdict is Verdict.APPROVE:
                return None
            return self.page(problem="nothing was changed: approve it as it is, or change a value", filled=given)
        if problem := check_arguments(self.asked.answer_schema, after):
            return self.page(problem=problem, fields=_refilled(self._fields(), given), filled=given)
        edited = canonical_json(after)
        return self.site.page(
            "confirm.html",
            self.person,
            run=self.run,
            asked=self.asked,
            changes=found,
            after=after,
            edited=edited,
            digest=given.get("digest", ""),
            reason=given.get("reason", ""),
            csrf=self.site.csrf.token(self.person.name, self._confirm_act(edited)),
        )

    async def confirmed(self, given: Mapping[str, str]) -> Response:
        """Send an edit whose difference was seen."""
        edited = given["edited"]
        nonce = self.site.csrf.check(self.person.name, self._confirm_act(edited), given.get("csrf", ""))
        arguments = cast("JsonObject", json.loads(edited))  # our own: the token says so
        return await self._send(self._decision(Verdict.EDIT, given, arguments=arguments), nonce)

    def _response(self, given: Mapping[str, str]) -> JsonValue:
        field = self._answer()
        text = given.get("answer", "")
        if field is None or not text.strip():
            raise FormError((Field("answer", "Your answer", "lines", required=True, problem="fill this in"),))
        value = read_answer(field, given)
        if self.asked.kind is RequestKind.QUESTION and (problem := check_value(self.asked.answer_schema, value)):
            raise FormError(_refilled((field,), given, problem))
        return value

    def _decision(
        self,
        verdict: Verdict,
        given: Mapping[str, str],
        *,
        arguments: JsonObject | None = None,
        response: JsonValue = None,
    ) -> Decide:
        try:
            return Decide(
                request_id=self.asked.request_id,
                verdict=verdict,
                approver=self.person.name,
                digest=given.get("digest") or None,
                arguments=arguments,
                response=response,
                reason=given.get("reason", "").replace("\r\n", "\n").strip(),
            )
        except ValidationError as error:
            raise Problem(VALID, "InvalidInput", explain(error)) from error

    async def _send(self, decision: Decide, nonce: str) -> Response:
        name, digest = self.asked.workflow_id, decision.digest or self.asked.digest
        answer = await self.site.acts.decide(self.person, name, decision, digest=digest, salt=nonce)
        return self.site.page(
            "decided.html",
            self.person,
            status_of(answer),
            run=self.run,
            asked=self.asked,
            answer=answer,
            edited=decision.arguments,
        )


def _refilled(fields: tuple[Field, ...], given: Mapping[str, str], problem: str = "") -> tuple[Field, ...]:
    """The controls with what was filled in."""
    return tuple(replace(field, shown=given.get(field.name, field.shown), problem=problem) for field in fields)
