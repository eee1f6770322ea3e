"""The checks of `doctor`: each looks at one thing, and says what to do when it is wrong."""

import os
import sys
from dataclasses import asdict, dataclass
from typing import Literal
from uuid import uuid4

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

from perdure.cli.catalogue import tools
from perdure.cli.checking_files import check_file, yaml_files
from perdure.cli.cli import Cli
from perdure.cli.errors import translated
from perdure.cli.session import Session, failed_tasks, open_session
from perdure.cli.validation import Kind
from perdure.connect import register_search_attributes
from perdure.domain.errors import AuthenticationFailed, PerdureError
from perdure.pollers import local_pollers, recent_pollers
from perdure.providers import Providers
from perdure.server_process import find_binary
from perdure.settings import Settings, load_settings
from perdure.storage import storage_from

__all__ = ["Check", "examine"]

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL")
OLDEST = (3, 11)
OPEN = 'ExecutionStatus = "Running"'
MOST_OPEN = 50
MOST_NAMED = 5
DOCUMENT = b"written by doctor"

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """What was looked at and found; `fix` says what to do."""

    name: str
    status: Status
    detail: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """The fields as JSON."""
        return asdict(self)


async def examine(cli: Cli) -> list[Check]:
    """Every check that can be made; those that need what is missing are left out."""
    checks = [_python()]
    try:
        settings = load_settings()
    except PerdureError as error:
        return [*checks, Check("settings", "fail", error.message, "correct the environment or the file .env")]
    checks += [_home(settings), _workspace(settings), _tools(settings), *_definitions(settings)]
    checks += [_keys(), _model(settings)]
    checks.append(await _blobs(settings))
    return checks + await _server(cli)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info[:2] >= OLDEST
    return Check("python", "ok" if fine else "fail", version, "" if fine else "use Python 3.11 or later")


def _home(settings: Settings) -> Check:
    home, fix = settings.home, "make it writable, or set PERDURE_HOME to another folder"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Check("home", "fail", f"{home}: {error.strerror}", fix)
    writable = os.access(home, os.W_OK | os.X_OK)
    return Check("home", "ok" if writable else "fail", str(home), "" if writable else fix)


def _workspace(settings: Settings) -> Check:
    try:
        return Check("workspace", "ok", str(settings.open_workspace()))
    except PerdureError as error:
        return Check("workspace", "fail", error.message, "create it, or set PERDURE_WORKSPACE to another folder")


def _tools(settings: Settings) -> Check:
    try:
        found = tools(settings)
    except PerdureError as error:
        return Check("tools", "fail", error.message, "correct the module, or PERDURE_TOOL_MODULES")
    return Check("tools", "ok", f"{len(found)}: {', '.join(item['name'] for item in found)}")


def _definitions(settings: Settings) -> list[Check]:
    folder = settings.definitions
    files = [path for part in ("agents", "policies") for path in yaml_files(folder / part) if path.is_file()]
    items = [check_file(path, None) for path in files]
    if settings.policy is not None:
        items.append(check_file(settings.policy, Kind.POLICY))
    problems = [problem for item in items for problem in item["problems"]]
    if problems:
        return [Check("definitions", "fail", problem, "correct the file") for problem in problems]
    return [Check("definitions", "ok", f"{len(items)} files in {folder}" if folder.is_dir() else f"no folder {folder}")]


async def _blobs(settings: Settings) -> Check:
    """Write, read and remove a document, and say what is done to payloads."""
    fix = "correct PERDURE_BLOBS, or the AWS_ variables if it is a bucket"
    try:
        storage = storage_from(settings)
        blobs, name = storage.blobs, f"doctor {uuid4()}"
        await blobs.write_document(name, DOCUMENT)
        found = await blobs.read_document(name)
        await blobs.delete_document(name)
    except PerdureError as error:
        return Check("blobs", "fail", error.message, fix)
    if found != DOCUMENT:
        return Check("blobs", "fail", f"{settings.blob_place} does not give back what was written to it", fix)
    keys = storage.keyring.keys if storage.keyring is not None else ()
    payloads = f"encrypted with key {keys[0].id} ({len(keys)} can decrypt)" if keys else "not encrypted"
    compressed = "compressed" if keys or storage.compression else "not compressed"
    return Check("blobs", "ok", f"{settings.blob_place}: written and read; payloads are {payloads}, {compressed}")


def _keys() -> Check:
    present = [name for name in KEYS if os.environ.get(name)]
    if present:
        return Check("keys", "ok", f"set: {', '.join(present)}")
    fix = "set ANTHROPIC_API_KEY or OPENAI_API_KEY in the environment or in .env; `scripted:FILE` needs none"
    return Check("keys", "warn", "no key of a model provider is set", fix)


def _model(settings: Settings) -> Check:
    if settings.model is None:
        return Check("model", "warn", "no default model", "set PERDURE_MODEL, or give --model with each run")
    try:
        provider, name = Providers().resolve(settings.model)
        provider.check(name)
    except AuthenticationFailed as error:
        return Check("model", "fail", f"{settings.model}: {error.message}", "set the key, or another PERDURE_MODEL")
    except PerdureError as error:
        return Check("model", "fail", error.message, "correct PERDURE_MODEL")
    return Check("model", "ok", settings.model)


async def _server(cli: Cli) -> list[Check]:
    checks = list[Check]()
    if not os.environ.get("TEMPORAL_ADDRESS"):
        checks.append(_binary())
    try:
        session = await open_session(cli)
        version = (await session.client.workflow_service.get_system_info(GetSystemInfoRequest())).server_version
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        words = translated(error)
        return [*checks, Check("server", "fail", words.message, words.hint)]
    kind = "embedded" if session.connection.embedded else "external"
    checks.append(Check("server", "ok", f"{kind}, {session.place}, version {version}"))
    for check in (_worker, _attributes, _stuck):
        try:
            checks.append(await check(session))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            checks.append(Check(check.__name__.strip("_"), "warn", translated(error).message))
    return checks


def _binary() -> Check:
    try:
        return Check("temporal binary", "ok", str(find_binary()))
    except PerdureError as error:
        return Check("temporal binary", "fail", error.message, "install the packages: uv sync")


async def _worker(session: Session) -> Check:
    queue = session.settings.task_queue
    if session.connection.embedded:
        here = await local_pollers(session.client, queue)
        words = f"process {here[0]} polls {queue!r}" if here else f"none polls {queue!r}: any run starts one"
        return Check("worker", "ok", words)
    polled = await recent_pollers(session.client, queue)
    if polled:
        return Check("worker", "ok", f"{', '.join(polled[:MOST_NAMED])} poll {queue!r}")
    return Check("worker", "warn", f"none polls {queue!r}", "start one: uv run worker.py")


async def _attributes(session: Session) -> Check:
    if await register_search_attributes(session.client):
        return Check("search attributes", "ok", "registered")
    fix = "ask an operator to register them; runs work without, lists show less"
    return Check("search attributes", "warn", "some are missing, or have another type", fix)


async def _stuck(session: Session) -> Check:
    """Runs whose workflow code fails again and again: they wait for mended code."""
    described = [await session.describe(run.id) async for run in session.client.list_workflows(OPEN, limit=MOST_OPEN)]
    names = [run.id for run in described if failed_tasks(run)]
    if not names:
        return Check("stuck runs", "ok", "none")
    fix = "the worker's log says why; a worker with mended code completes them"
    return Check("stuck runs", "warn", f"workflow code fails in {', '.join(names[:MOST_NAMED])}", fix)
