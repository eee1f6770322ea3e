"""Which rule of a policy file would apply to a call: what `validate --call` finds and says."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from perdure.cli.catalogue import ToolItem, tools
from perdure.cli.inputs import invalid, parse_object
from perdure.domain.arguments import check_arguments, closest
from perdure.domain.policy import Call, Policy, Rule
from perdure.domain.policy_explain import ROLE, Explanation, consequences, explain_call
from perdure.domain.tools import Effect
from perdure.loading import LineOf, load_located
from perdure.settings import Settings

__all__ = ["AskedCall", "Explained", "explain_file", "explanation_lines"]

ASKS_ANYWAY = "ask_human"
SPECIAL = frozenset("*?[")


@dataclass(frozen=True)
class AskedCall:
    """The call as the command line describes it; `effect` is None for that of the registered tool."""

    tool: str
    arguments: str
    agent: str
    effect: Effect | None
    tenant: str
    requester: str


class PassedRule(TypedDict):
    """A rule before the one that applies, and the first of its conditions that the call does not meet."""

    rule: int
    line: int
    field: str
    reason: str


class Explained(TypedDict):
    """What would become of a call. `rule` counts from 1 and is None, like `line`, when no rule matches."""

    call: Call
    rule: int | None
    line: int | None
    level: str
    denied_by: str
    passed_over: list[PassedRule]
    consequences: list[str]
    notes: list[str]


def explain_file(path: Path, asked: AskedCall, settings: Settings) -> Explained:
    """Explain what this policy file says of the call; raises CliError for a call that cannot be."""
    policy, line_of = load_located(path, Policy)
    known = {item["name"]: item for item in tools(settings)}
    call = Call(
        agent=asked.agent,
        tool=asked.tool,
        effect=asked.effect or _effect(asked.tool, known),
        arguments=parse_object(asked.arguments, "--arguments"),
        tenant=asked.tenant,
        requester=asked.requester,
    )
    found = explain_call(policy, call, settings.deny_tools)
    notes = [*_about_tool(call, known.get(asked.tool)), *_about_requester(call, found.ruling.rule)]
    return _explained(call, found, line_of, notes)


def _effect(name: str, known: dict[str, ToolItem]) -> Effect:
    if name not in known:
        hint = f"say --effect, or name its module in PERDURE_TOOL_MODULES; registered: {', '.join(known) or 'none'}"
        raise invalid(f"--call: no tool is called {name!r}.{closest(name, known)}", hint)
    return Effect(known[name]["effect"])


def _explained(call: Call, found: Explanation, line_of: LineOf, notes: list[str]) -> Explained:
    passed = [
        PassedRule(rule=miss.number, line=line_of(["rules", miss.number - 1]), field=miss.field, reason=miss.words)
        for miss in found.misses
    ]
    denied = found.denied_by
    happens = [f"it does not run: the operator denies {denied} (PERDURE_DENY_TOOLS); the model is told and goes on"]
    return Explained(
        call=call,
        rule=found.number,
        line=found.number and line_of(["rules", found.number - 1]),
        level=found.ruling.level.value,
        denied_by=denied,
        passed_over=passed,
        consequences=happens if denied else consequences(found.ruling),
        notes=notes,
    )


def _about_tool(call: Call, tool: ToolItem | None) -> Iterator[str]:
    if tool is None:
        yield f"no tool {call.tool!r} is registered here: its effect is what --effect says"
        return
    if problem := check_arguments(tool["schema"], call.arguments):
        yield f"these arguments do not fit the tool, so no rule would be asked: {problem}"
    if tool["effect"] != call.effect:
        yield f"the registered tool has the effect {tool['effect']}"
    if call.tool == ASKS_ANYWAY:
        yield "its question goes to people at every level but deny; a rule says who answers, and until when"


def _about_requester(call: Call, rule: Rule | None) -> Iterator[str]:
    """Say when those who may decide are too few without the one who asked for the run."""
    if rule is None or not rule.level.waits or rule.self_approval or call.requester not in rule.approvers:
        return
    others = {name for name in rule.approvers if name != call.requester}
    if len(others) < rule.quorum and not any(name.startswith(ROLE) or SPECIAL & set(name) for name in others):
        yield f"{call.requester} asked for the run and may not approve: the approvers left are too few"


def explanation_lines(path: Path, found: Explained) -> list[str]:
    """The explanation for people."""
    lines = [
        f"  rule {item['rule']} (line {item['line']}) does not match: {item['reason']}" for item in found["passed_over"]
    ]
    if found["rule"] is None:
        lines.append(f"no rule matches; the effect is {found['call'].effect}, so the level is {found['level']}")
    else:
        lines.append(f"rule {found['rule']} applies ({path}:{found['line']}), level {found['level']}")
    lines += [f"  {words}" for words in found["consequences"]]
    return lines + [f"note: {words}" for words in found["notes"]]
