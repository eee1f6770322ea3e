"""What `configure` changes of a running run: its input, from which the setup is resolved anew."""

from perdure.domain.control import ConfigurePayload
from perdure.domain.model import JsonValue
from perdure.domain.run import AgentInput, Setup

__all__ = ["changed_input", "differences", "with_limits"]


def changed_input(given: AgentInput, change: ConfigurePayload) -> AgentInput:
    """The input with the changes; limits that are not named stay as they are."""
    changes: dict[str, object] = {name: getattr(change, name) for name in change.named}
    if change.limits is not None:
        changes["limits"] = given.limits.overridden_by(change.limits)
    return given.model_copy(update=changes)


def with_limits(
    wanted: AgentInput, setup: Setup, before: AgentInput, now: AgentInput, change: ConfigurePayload
) -> tuple[AgentInput, Setup]:
    """The new input and setup with limits that a person has granted while they were resolved."""
    if now.limits == before.limits:
        return wanted, setup
    limits = now.limits.overridden_by(change.limits)
    return (
        wanted.model_copy(update={"limits": limits}),
        setup.model_copy(update={"limits": setup.limits.overridden_by(limits)}),
    )


def differences(before: Setup, after: Setup, change: ConfigurePayload) -> dict[str, dict[str, JsonValue]]:
    """Every changed field with its value before and after; policies by their digest, tools by their names."""
    found: dict[str, dict[str, JsonValue]] = {}
    if change.limits is not None:
        old, new = before.limits.model_dump(mode="json"), after.limits.model_dump(mode="json")
        found |= {
            f"limits.{name}": {"from": old[name], "to": new[name]} for name in sorted(change.limits.model_fields_set)
        }
    pairs: dict[str, tuple[JsonValue, JsonValue]] = {
        "model": (before.model, after.model),
        "tools": ([spec.name for spec in before.tools], [spec.name for spec in after.tools]),
        "policy": (before.policy_digest, after.policy_digest),
    }
    return found | {name: {"from": pairs[name][0], "to": pairs[name][1]} for name in change.named if name in pairs}
