"""The input of a run, from files, JSON and options, validated before anything is started."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import BaseModel, ValidationError

from perdure.cli.errors import CliError, ExitCode
from perdure.domain.agents import Limits
from perdure.domain.arguments import closest
from perdure.domain.explain import explain
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.policy import Policy
from perdure.loading import load_model
from perdure.settings import MODEL

__all__ = [
    "RunOptions",
    "build_input",
    "check_limits",
    "check_model",
    "invalid",
    "parse_globs",
    "parse_limits",
    "parse_object",
    "read_policy",
]

M = TypeVar("M", bound=BaseModel)

MAX_FILE_BYTES = 10_000_000
MAX_INPUT_BYTES = 1_900_000
"""Temporal takes 2 MiB for a whole input."""


@dataclass(frozen=True)
class RunOptions:
    """Options of `run` that make its input; None and empty mean not given."""

    goal: str | None = None
    agent: str | None = None
    model: str | None = None
    tools: str | None = None
    policy: Path | None = None
    limits: Sequence[str] = ()
    on_limit: str | None = None
    idle_seconds: float | None = None
    output_schema: Path | None = None
    input_json: str | None = None
    input_file: Path | None = None
    definition: JsonObject | None = None


def invalid(message: str, hint: str = "") -> CliError:
    """The input is wrong: exit code 2."""
    return CliError(ExitCode.USAGE, "InvalidInput", message, hint)


def build_input(options: RunOptions, model: type[M], requester: str) -> M:
    """Merge `--input-file`, then `--input`, then the other options, and validate the whole as `model`.

    Limits are merged one by one, every other field is replaced. Raises CliError (exit code 2) with what is wrong.
    """
    merged = _merge(_from_file(options.input_file), parse_object(options.input_json or "{}", "--input"))
    merged = {**_merge(merged, _from_options(options)), **(options.definition or {})}
    goal = model.model_fields.get("goal")
    if goal is not None and goal.is_required() and not str(merged.get("goal") or "").strip():
        raise invalid('the goal is empty: say what to do, as in `uv run starter.py run "GOAL"`')
    check_model(merged.get("model"))
    check_limits(merged.get("limits"))
    fields = sorted(model.model_fields.keys() - {"lineage"})  # which only runs that delegate may set
    if requester and "requester" in fields:
        merged.setdefault("requester", requester)
    try:
        given = model.model_validate_json(json.dumps(merged))
    except ValidationError as error:
        unknown = [str(item["loc"][0]) for item in error.errors() if item["type"] == "extra_forbidden"]
        hint = f"valid fields: {', '.join(fields)}" if any(name not in fields for name in unknown) else ""
        raise invalid(explain(error), hint) from error
    if (size := len(json.dumps(merged).encode())) > MAX_INPUT_BYTES:
        raise invalid(f"the input is {size} bytes, at most {MAX_INPUT_BYTES} fit", "put documents into workspace files")
    return given


def _merge(below: JsonObject, above: JsonObject) -> JsonObject:
    limits = [part for part in (below.get("limits"), above.get("limits")) if isinstance(part, dict)]
    both = {"limits": {key: value for part in limits for key, value in part.items()}} if len(limits) > 1 else {}
    return {**below, **above, **both}


def _from_file(path: Path | None) -> JsonObject:
    return {} if path is None else parse_object(_read(path, "--input-file"), str(path))


def _from_options(options: RunOptions) -> JsonObject:
    found: dict[str, Any] = {
        "goal": options.goal,
        "agent": options.agent,
        "model": options.model,
        "on_limit": options.on_limit,
        "idle_seconds": options.idle_seconds,
    }
    if options.tools is not None:
        found["tools"] = parse_globs(options.tools)
    if options.policy is not None:
        found["policy"] = read_policy(options.policy)
    if options.limits:
        found["limits"] = parse_limits(",".join(options.limits))
    if options.output_schema is not None:
        found["output_schema"] = _schema(options.output_schema)
    return {name: value for name, value in found.items() if value is not None}


def parse_object(text: str, source: str) -> JsonObject:
    """A JSON object; `source` is how errors call it."""
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise invalid(f"{source}:{error.lineno}: not valid JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise invalid(f"{source}: nested too deeply") from error
    if not isinstance(value, dict):
        raise invalid(f"{source}: expected a JSON object, got {type(value).__name__}")
    return cast("JsonObject", value)


def parse_globs(text: str) -> list[JsonValue]:
    """Names of tools, with wildcards, of `a,b*`."""
    return [name.strip() for name in text.split(",") if name.strip()]


def read_policy(path: Path) -> JsonObject:
    """A policy file as JSON; raises ConfigurationError with file, line and field."""
    return load_model(path, Policy).model_dump(mode="json", exclude_defaults=True)


def parse_limits(text: str) -> JsonObject:
    """Limits of `turns=50,cost_usd=2`; values are JSON (a number, null) or else text, judged by the model later."""
    limits: JsonObject = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name or not equals or not value:
            raise invalid(f"--limit: {part!r} is not NAME=VALUE", "for example --limit turns=50,cost_usd=2")
        if name in limits:
            raise invalid(f"--limit: {name} is given twice", "say each limit once")
        try:
            limits[name] = json.loads(value)
        except ValueError:
            limits[name] = value
    return limits


def check_limits(limits: object) -> None:
    """Refuse limits that do not exist."""
    known = list(Limits.model_fields)
    for name in cast("JsonObject", limits) if isinstance(limits, dict) else ():
        if name not in known:
            words = f"limits.{name}: there is no such limit.{closest(name, known)}"
            raise invalid(words, f"limits: {', '.join(known)}")


def check_model(model: object) -> None:
    """Refuse a name of a model that is not provider:model."""
    if isinstance(model, str) and not MODEL.fullmatch(model):
        hint = "write provider:model, for example anthropic:NAME, openai:NAME or scripted:FILE"
        raise invalid(f"model: {model!r} does not name a provider and a model", hint)


def _schema(path: Path) -> JsonObject:
    schema = parse_object(_read(path, "--output-schema"), str(path))
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise invalid(f"{path}: not a JSON Schema (2020-12): at {where}: {error.message[:300]}") from error
    if schema.get("type") != "object":
        raise invalid(f'{path}: the schema must have "type": "object", since the result is a JSON object')
    return schema


def _read(path: Path, option: str) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise invalid(f"{path}: larger than {MAX_FILE_BYTES} bytes", "put documents into workspace files")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise invalid(f"{option}: {path} is not UTF-8 text") from error
    except OSError as error:
        raise invalid(f"{option}: {path} cannot be read: {error.strerror}") from error
