"""The approval matrix: what is said to a waiting request, and what must come of it: answer, effect, audit entry."""

from dataclasses import dataclass, field
from typing import Any

from perdure.domain.identity import content_digest
from tests.approvals.outside import OPEN, SIGNED, Json, Outside, Run
from tests.waiting import eventually

__all__ = ["ALL", "CASES", "DOORS", "HTTP", "SIGNAL", "UPDATE", "Case", "Said"]

UPDATE, HTTP, SIGNAL = "update", "http", "signal"
DOORS = {UPDATE: Run.by_update, HTTP: Run.by_http, SIGNAL: Run.by_signal}
ANSWERED, ALL = (UPDATE, HTTP), (UPDATE, HTTP, SIGNAL)

PAYS = {"tool": "send", "arguments": {"text": "* pays"}}
"""The call that is decided; the one after it holds the run open and falls under no rule."""
FORBIDDEN = {"tool": "send", "arguments": {"text": "*forbidden*"}, "level": "deny"}


@dataclass(frozen=True)
class Said:
    """A decision: the good one of ada, with her name, id and digest, but for these `changes`; None leaves out.

    `token` are the claims in which its token differs from a good one; None: it has none. `RUN` in an edited text stands
    for the name of the run.
    """

    changes: Json = field(default_factory=dict[str, Any])
    token: Json | None = None
    strange: bool = False

    def payload(self, outside: Outside, request: Json) -> Json:
        """What is sent."""
        good = {"request_id": request["request_id"], "digest": request["digest"], "verdict": "approve"}
        changed: Json = good | {"approver": "ada"} | self.changes
        said = {name: value for name, value in changed.items() if value is not None}
        if "arguments" in said:
            run = str(request["arguments"]["text"]).removesuffix(" pays")
            said["arguments"] = {key: str(text).replace("RUN", run) for key, text in said["arguments"].items()}
        if self.token is None:
            return said
        con = content_digest(said.get("arguments"), said.get("response"))
        pair = outside.stranger if self.strange else outside.pair
        return said | {"token": outside.token(request, said["verdict"], pair, **({"con": con} | self.token))}


@dataclass(frozen=True)
class Case:
    """A row. `outcome`: "accepted", a code, or the type with which the update fails.

    `logged` is the occasion of the entry ("decided", "vote", "escalation"), or for a refusal a part of its reason;
    empty: there is none. `sent` is what the tool does in the whole run. `before` is said first; with `late` the run has
    gone on before the decision comes.
    """

    name: str
    outcome: str
    logged: str
    sent: tuple[str, ...] = ()
    said: Said = field(default_factory=Said)
    doors: tuple[str, ...] = ANSWERED
    rule: Json = field(default_factory=dict[str, Any])
    before: tuple[Said, ...] = ()
    late: bool = False
    requester: str = ""
    signed: bool = False

    async def begin(self, outside: Outside) -> tuple[Run, Json]:
        """A run that is where the decision meets it, and the request that it is about."""
        rules = [FORBIDDEN, {**PAYS, "level": "confirm", **self.rule}]
        queue = SIGNED if self.signed else OPEN
        run = await outside.start(queue, self.name.replace(" ", "-"), rules, requester=self.requester)
        request = await run.waiting()
        for said in self.before:
            assert await run.by_update(said.payload(outside, request)) == "accepted"
        if self.late:
            await run.waiting(other_than=request["request_id"])
        return run, request

    def told(self, door: str) -> str:
        """What whoever decides hears at this door."""
        return "sent" if door == SIGNAL else self.outcome

    @property
    def settles(self) -> bool:
        """Whether the request waits no longer because of it."""
        return self.logged == "decided"

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Doors that are tried at one run: all when the decision changes nothing, otherwise each at one of its own."""
        return [(door,) for door in self.doors] if self.outcome == "accepted" else [self.doors]

    async def check_entry(self, run: Run, payload: Json, door: str, refused: int) -> None:
        """Assert that the decision left this entry and no other; so many were refused before it."""
        if self.outcome == "accepted":
            kind = "timer" if self.logged == "escalation" else "decision"
            signed = {} if kind == "timer" else {"signed": self.said.token is not None}
            entry = await run.entry(kind, occasion=self.logged, request_id=payload["request_id"], **signed)
            assert payload["approver"] in entry["by"]
            assert not await run.refused()
        elif self.logged:
            *_, entry = await eventually(run.refused, lambda entries: len(entries) == refused + 1)
            code = "signal_ignored" if door == SIGNAL else self.outcome
            about = {"request_id": payload["request_id"], "verdict": payload["verdict"], "code": code}
            assert (entry["by"], entry["data"] | about) == (payload["approver"], entry["data"])
            assert self.logged in entry["data"]["reason"]
        else:
            assert not await run.refused()


def of(name: str = "ada", verdict: str = "approve", **changes: Any) -> Said:
    """A decision without a token."""
    return Said({"approver": name, "verdict": verdict, **changes})


def by_token(verdict: str = "approve", arguments: Json | None = None, **claims: Any) -> Said:
    """A decision of ada with a token that differs in these claims."""
    return Said({"verdict": verdict, "arguments": arguments}, claims)


THREE = {"approvers": ["ada", "bob", "eve"], "quorum": 2}
UPWARD = {"approvers": ["ada"], "escalate_to": ["boss"]}
OTHER = {"text": "RUN edited"}
ZERO = "0" * 64

CASES = (
    # What counts.
    Case("valid", "accepted", "decided", ("pays",), doors=ALL),
    Case("valid no", "accepted", "decided", (), of(verdict="reject", reason="too much"), doors=ALL),
    Case("valid edit", "accepted", "decided", ("edited",), of(verdict="edit", arguments=OTHER)),
    Case("valid answer", "accepted", "decided", (), of(verdict="respond", response="paid by hand")),
    Case("review with digest", "accepted", "decided", ("pays",), rule={"level": "review"}),
    # Too late, and twice.
    Case("late after expiry", "already_decided", "timeout", rule={"timeout": 1}, late=True, doors=ALL),
    Case("late after decision", "already_decided", "by bob", ("pays",), before=(of("bob"),), late=True, doors=ALL),
    Case("late no", "already_decided", "by bob", ("pays",), of(verdict="reject"), before=(of("bob"),), late=True),
    Case(
        "duplicate", "already_decided", "approve by ada", ("pays",), before=(of(),), late=True, doors=(UPDATE, SIGNAL)
    ),
    # About something else.
    Case("wrong digest", "digest_mismatch", "the call waiting has digest", (), of(digest=ZERO)),
    Case(
        "review without digest", "digest_required", "repeat the digest", (), of(digest=None), rule={"level": "review"}
    ),
    Case("review by signal", "", "a signal is not enough", doors=(SIGNAL,), rule={"level": "review"}),
    # An update that names no request is refused before it reaches the history: nothing can be written of it.
    Case("wrong id", "UnknownRequest", "", (), of(request_id="req-9-00000000")),
    Case("wrong id signal", "", "was asked by this run", (), of(request_id="req-9-00000000"), doors=(SIGNAL,)),
    # Who may.
    Case("self approval", "self_approval", "somebody else must approve", requester="ada", doors=ALL),
    Case("self no", "accepted", "decided", (), of(verdict="reject"), requester="ada", doors=ALL),
    Case("self by policy", "accepted", "decided", ("pays",), requester="ada", rule={"self_approval": True}),
    Case("not an approver", "approver_not_allowed", "only bob may", rule={"approvers": ["bob"]}, doors=ALL),
    # Tokens.
    Case("signed", "accepted", "decided", ("pays",), by_token(), doors=ALL, signed=True),
    Case("signed edit", "accepted", "decided", ("edited",), by_token("edit", OTHER), signed=True),
    Case("no token", "token_required", "only signed decisions", doors=ALL, signed=True),
    Case(
        "expired token",
        "token_expired",
        "expired",
        (),
        by_token(iat=1_700_000_000, exp=1_700_000_300),
        ALL,
        signed=True,
    ),
    Case("token of other request", "token_mismatch", "(`req`)", (), by_token(req="req-2-1"), ALL, signed=True),
    Case("token of other run", "token_mismatch", "(`wid`)", (), by_token(wid="another"), ALL, signed=True),
    Case("token of other call", "token_mismatch", "(`dig`)", (), by_token(dig=ZERO), ALL, signed=True),
    Case("token of other verdict", "token_mismatch", "(`act`)", (), by_token(act="reject"), ALL, signed=True),
    Case("token of other edit", "token_mismatch", "(`con`)", (), by_token("edit", OTHER, con="x"), signed=True),
    Case("token of other person", "token_mismatch", "signed for 'bob'", (), by_token(sub="bob"), ALL, signed=True),
    Case("token of stranger", "token_invalid", "no key of", (), Said(token={}, strange=True), ALL, signed=True),
    Case("role missing", "role_missing", "not the role approver", (), by_token(roles=["viewer"]), ALL, signed=True),
    Case(
        "own role missing",
        "approver_not_allowed",
        "role:cfo",
        (),
        by_token(),
        ALL,
        {"approvers": ["role:cfo"]},
        signed=True,
    ),
    Case(
        "own role",
        "accepted",
        "decided",
        ("pays",),
        by_token(roles=["approver", "cfo"]),
        ALL,
        {"approvers": ["role:cfo"]},
        signed=True,
    ),
    # Several people: 2 of 3.
    Case("one of two", "accepted", "vote", rule=THREE, doors=ALL),
    Case("two of two", "accepted", "decided", ("pays",), before=(of("bob"),), rule=THREE, doors=ALL),
    Case("one twice", "already_voted", "2 different people", before=(of(),), rule=THREE, doors=ALL),
    Case("a fourth", "approver_not_allowed", "only ada, bob, eve", (), of("mallory"), rule=THREE, before=(of("bob"),)),
    Case("one no of two", "accepted", "decided", (), of(verdict="reject"), rule=THREE, before=(of("bob"),), doors=ALL),
    # Handed on.
    Case("boss too early", "approver_not_allowed", "only ada", (), of("boss"), rule=UPWARD, doors=ALL),
    Case("handed on", "accepted", "escalation", (), of(verdict="escalate"), rule=UPWARD),
    Case(
        "boss", "accepted", "decided", ("pays",), of("boss"), rule=UPWARD, before=(of(verdict="escalate"),), doors=ALL
    ),
    # Edits that must not pass.
    Case("edit against schema", "invalid_arguments", "text", (), of(verdict="edit", arguments={"txt": "RUN x"})),
    Case("edit denied", "denied_by_policy", "denies", (), of(verdict="edit", arguments={"text": "RUN forbidden"})),
    Case("edit without arguments", "arguments_required", "whole new arguments", (), of(verdict="edit")),
)
