"""From a typed Python function to the JSON Schema of its arguments, and from JSON arguments back to Python values."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, NoReturn, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from perdure.domain.errors import ConfigurationError
from perdure.domain.explain import explain
from perdure.domain.model import JsonObject

__all__ = ["InvalidArgumentsError", "Signature", "read_signature"]


class InvalidArgumentsError(Exception):
    """JSON arguments fit the schema but not the Python types, which can be stricter; the text is for the model."""


@dataclass(frozen=True)
class Signature:
    """What a function takes: for models as JSON Schema, for the call as keyword arguments."""

    description: str
    schema: JsonObject
    parameters: Mapping[str, Parameter]
    model: type[BaseModel]

    def bind(self, arguments: JsonObject) -> dict[str, Any]:
        """Turn JSON arguments into Python values; what was not given is left to the function's own defaults."""
        try:
            values = self.model.model_validate(arguments)
        except ValidationError as error:
            raise InvalidArgumentsError(explain(error)) from error
        given = {name: getattr(values, _field(number)) for number, name in enumerate(self.parameters)}
        return {name: given[name] for name in self.parameters if name in arguments}


class _Schema(GenerateJsonSchema):
    """JSON Schema without the titles that pydantic makes up: they cost tokens and say nothing."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        return False


def read_signature(function: Callable[..., object], where: str) -> Signature:
    """Derive the schema of a function; what cannot be derived is a ConfigurationError that begins with `where`."""
    description = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
    if not description:
        _fail(where, "it has no docstring; the first paragraph is what the model reads")
    parameters = _parameters(function, where)
    model = _model(parameters, _hints(function, where), where)
    schema: JsonObject = model.model_json_schema(schema_generator=_Schema)
    schema.pop("title", None)
    schema.setdefault("properties", {})
    return Signature(description, schema, parameters, model)


def _parameters(function: Callable[..., object], where: str) -> Mapping[str, Parameter]:
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            _fail(where, f"{parameter} cannot be described to a model; give every parameter a name and a type")
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            _fail(where, f"parameter {name!r} is positional-only; models name their arguments, so remove the /")
        if parameter.annotation is Parameter.empty:
            _fail(where, f"parameter {name!r} has no type annotation")
        if isinstance(parameter.default, FieldInfo):
            _fail(where, f"parameter {name!r}: write Annotated[type, Field(...)] and a plain default")
    return parameters


def _hints(function: Callable[..., object], where: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        _fail(where, f"a type annotation cannot be read: {error}")


def _model(parameters: Mapping[str, Parameter], hints: Mapping[str, Any], where: str) -> type[BaseModel]:
    # Fields get neutral names with the real ones as aliases: `schema`, `copy` or `_x` are no good as field names.
    fields: dict[str, Any] = {}
    for number, (name, parameter) in enumerate(parameters.items()):
        default = ... if parameter.default is Parameter.empty else parameter.default
        fields[_field(number)] = (hints[name], Field(default, alias=name))
        _try_field(name, fields[_field(number)], where)
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)


def _try_field(name: str, field: Any, where: str) -> None:  # noqa: ANN401 - any annotation
    try:
        schema = create_model("Arguments", value=field).model_json_schema(schema_generator=_Schema)
    except (PydanticUserError, TypeError) as error:
        _fail(where, f"parameter {name!r} has a type that cannot come from JSON: {str(error).splitlines()[0]}")
    if field[1].is_required() and name not in schema.get("required", []):
        _fail(where, f"parameter {name!r}: give the default in the signature, not in Field(...)")


def _field(number: int) -> str:
    return f"p{number}"


def _fail(where: str, problem: str) -> NoReturn:
    raise ConfigurationError(f"{where}: {problem}")
