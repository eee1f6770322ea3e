"""What an expression of a stage may look at, and what is wrong with those that look elsewhere."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from perdure.domain.arguments import closest
from perdure.domain.definition.expressions import pieces, problem_of, references
from perdure.domain.definition.kinds import ANY, look
from perdure.domain.definition.models import Place
from perdure.domain.model import JsonObject, JsonValue

__all__ = ["Problem", "Sight", "texts_in"]

Problem = tuple[Place, str]
"""Where something is wrong, and what."""


@dataclass(frozen=True)
class Sight:
    """What there is for expressions at one place: inputs and items by schema, and the stages that have run before."""

    inputs: JsonObject
    stages: Mapping[str, JsonObject]
    before: AbstractSet[str]
    items: Mapping[str, JsonObject]

    def seeing(self, before: AbstractSet[str]) -> "Sight":
        """The same where these stages have run before."""
        return replace(self, before=before)

    def within(self, item: str, schema: JsonObject) -> "Sight":
        """The same inside a map."""
        return replace(self, items={**self.items, item: schema})

    def expression(self, at: Place, expression: str) -> Iterator[Problem]:
        """What is wrong with an expression that stands here."""
        wrong = problem_of(expression)
        if wrong:
            yield at, wrong
            return
        for path in references(expression):
            _, wrong = self.find(path)
            if wrong:
                yield at, f"{expression.strip()!r}: {wrong}"

    def schema_of(self, expression: str) -> JsonObject:
        """Schema of the value of an expression that is only a path; else nothing is known of it."""
        if problem_of(expression):
            return ANY
        paths = references(expression)
        plain = len(paths) == 1 and not any(sign in expression for sign in "|&!=<>()[]{},*`'")
        return self.find(paths[0])[0] if plain else ANY

    def find(self, path: tuple[str, ...]) -> tuple[JsonObject, str]:
        """Schema of what lies at a path, or why nothing does."""
        root, *rest = path
        if root == "stages":
            return self._stage(rest)
        if root == "inputs":
            declared: JsonObject = {"type": "object", "properties": self.inputs, "additionalProperties": False}
            if rest and not self.inputs:
                return ANY, f"the definition has no inputs, so no {rest[0]!r}"
            return look(declared, rest, "inputs")
        if root in self.items:
            return look(self.items[root], rest, root)
        if root == "goal":
            return look({"type": "string"}, rest, "goal")
        known = ["inputs", "stages", "goal", *self.items]
        return ANY, f"there is no {root!r} to look at.{closest(root, known)} There are: {', '.join(known)}"

    def _stage(self, path: list[str]) -> tuple[JsonObject, str]:
        if not path or path[0] == "[]":
            return ANY, ""
        name = path[0]
        if name not in self.stages:
            return ANY, f"no stage has the id {name!r}.{closest(name, self.stages)}"
        if name not in self.before:
            return ANY, f"stage {name!r} has not run before this"
        return look(self.stages[name], path[1:], f"stages.{name}")

    def text(self, at: Place, text: str) -> Iterator[Problem]:
        """What is wrong with the `{{ expression }}` pieces of a text."""
        for piece in pieces(text):
            yield from self.expression(at, piece.expression)

    def value(self, at: Place, value: JsonValue) -> Iterator[Problem]:
        """What is wrong with the pieces in all texts of a value."""
        for place, text in texts_in(value, at):
            yield from self.text(place, text)


def texts_in(value: JsonValue, at: Place) -> Iterator[tuple[Place, str]]:
    """Every text in a value, with its place."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts_in(item, (*at, number))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from texts_in(item, (*at, name))
