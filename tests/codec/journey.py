"""A workflow through which content travels in every way that Temporal has."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from perdure.domain.archive import Slice

__all__ = ["ACTIVITIES", "WORKFLOWS", "Journey", "Stop"]

LIMIT = timedelta(seconds=30)


@activity.defn(name="journey.echo")
async def echo(content: str) -> str:
    """Give the content back, with it as a heartbeat on the way."""
    activity.heartbeat(content[:1000])
    return content


@activity.defn(name="journey.fail")
async def fail(content: str) -> None:
    """Fail with the content in words and details."""
    raise ApplicationError(f"failed on {content}", {"content": content}, type="Deliberate", non_retryable=True)


@workflow.defn(name="Stop")
class Stop:
    """A child that gives back what it is told by a signal, or fails with it."""

    def __init__(self) -> None:
        """Wait for content."""
        self._told: list[str] = []

    @workflow.run
    async def run(self, content: str) -> str:
        """Wait for the signal, then answer."""
        await workflow.wait_condition(lambda: bool(self._told))
        if self._told[0] == "fail":
            raise ApplicationError(f"child failed on {content[:40]}", type="Deliberate", non_retryable=True)
        return content + self._told[0]

    @workflow.signal
    async def tell(self, content: str) -> None:
        """Take content."""
        self._told.append(content)


@workflow.defn(name="Journey")
class Journey:
    """Carries content through updates, signals, queries, children, activities, a rollover and its result."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._told = ""
        self._content = ""
        self._failure = ""

    @workflow.run
    async def run(self, content: str, rounds: int) -> str:
        """Send the content through an activity and a child, continue as new, and give it back when told."""
        self._content = await workflow.execute_activity(
            echo, content, start_to_close_timeout=LIMIT, summary=f"echo {content[:20]}"
        )
        child = await workflow.start_child_workflow(
            Stop.run, content, id=f"{workflow.info().workflow_id}-child-{rounds}", static_summary=content[:20]
        )
        await child.signal(Stop.tell, content)
        assert await child == content + content
        workflow.upsert_memo({"title": content[:100]})
        await workflow.wait_condition(lambda: bool(self._told))
        if self._told == "fail":
            await workflow.execute_activity(fail, content[:40], start_to_close_timeout=LIMIT)
        assert self._told == content
        if rounds:
            workflow.continue_as_new(args=[content, rounds - 1])
        return content

    @workflow.signal
    async def tell(self, content: str) -> None:
        """Take content."""
        self._told = content

    @workflow.update
    async def exchange(self, content: str) -> str:
        """Give content back."""
        return content

    @workflow.query
    def show(self, content: str) -> str:
        """Give content back."""
        return content

    @workflow.query
    def page(self, blob: str) -> RawValue:
        """Answer with a part of a page in the blob store."""
        part = Slice(log="messages", blob=blob, skip=1, count=2, offset=1, next_offset=None, total=3)
        return RawValue(Payload(metadata={"encoding": b"perdure/slice"}, data=part.wire_json().encode()))

    @workflow.query
    def progress(self) -> int:
        """Length of what the activity gave back."""
        return len(self._content)


WORKFLOWS = [Journey, Stop]
ACTIVITIES = [echo, fail]
