"""The scripted model of the testing kit: its place in the script is what the request says."""

import pytest

from perdure.domain.errors import UnexpectedStep
from perdure.testing import ScriptedModel, call
from tests.providers.helpers import nothing, request


async def test_the_turn_of_the_request_is_the_step() -> None:
    """Answers that have left the conversation count; too many are an error that says so."""
    model = ScriptedModel(["one", call("add", a=1), "three"])
    assert (await model.reply(request(turn=2), nothing)).message.text == "three"
    assert (await model.reply(request(turn=1), nothing)).message.calls[0].tool == "add"
    assert (await model.reply(request(turn=0), nothing)).unused == "2 steps of the script were never played"
    with pytest.raises(UnexpectedStep, match="has 3 steps, but the agent asks for step 4"):
        await model.reply(request(turn=3), nothing)


async def test_a_summary_takes_no_step_and_is_kept_apart() -> None:
    """Tests of agents see turns and summaries as two things."""
    model = ScriptedModel(["one"])
    summary = await model.reply(request(purpose="summary"), nothing)
    answer = await model.reply(request(), nothing)
    assert summary.message.text == "[scripted summary of 39 characters]"
    assert answer.message.text == "one"
    assert [len(model.requests), len(model.summaries)] == [1, 1]
