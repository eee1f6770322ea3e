"""The floor: the least that a durable agent can be, two activities a turn with constant payloads."""

from datetime import timedelta

from temporalio import activity, workflow

__all__ = ["TEXT", "Floor", "floor_call", "floor_reply"]

TEXT = "constant text of a tool "


@activity.defn(name="floor.reply")
async def floor_reply(_request: str) -> str:
    """Answer at once."""
    return TEXT


@activity.defn(name="floor.call")
async def floor_call(_request: str) -> str:
    """Answer at once."""
    return TEXT


@workflow.defn(name="Floor")
class Floor:
    """The least a durable agent can be: two activities a turn."""

    @workflow.run
    async def run(self, turns: int) -> int:
        """Run so many turns."""
        for _ in range(turns):
            for name in ("floor.reply", "floor.call"):
                await workflow.execute_activity(
                    name,
                    TEXT,
                    result_type=str,
                    start_to_close_timeout=timedelta(seconds=30),
                    heartbeat_timeout=timedelta(seconds=3),
                )
        return turns
