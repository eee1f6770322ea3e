"""Definition files: the form of claude-flow, and what is put into a definition so that it needs no file any more."""

from pathlib import Path

from perdure.definition_files import DefinitionFiles
from perdure.domain.definition.check import Known
from perdure.domain.definition.models import PatternStage
from perdure.domain.definition.run import DefinitionResult
from perdure.domain.patterns.voting import VoteInput
from perdure.loading import Definitions
from perdure.testing import Environment
from tests.waiting import pending, update

ROOT = Path(__file__).resolve().parents[2]


async def test_the_form_of_claude_flow_runs_unchanged(env: Environment) -> None:
    """The coordinator briefs, people edit the design, coder and tester see that, the coordinator ends it."""
    known = Known(patterns={"Vote": VoteInput})
    file = ROOT / "definitions/workflows/build-team.yaml"
    loaded = DefinitionFiles(Definitions(ROOT / "definitions"), known).load(file)
    definition = loaded.definition.model_dump(mode="json", exclude_unset=True)
    model = env.model(
        {
            "You design*answer with the result*": ["done"],
            "You design*Say briefly*": ["be small"],
            "You design*": ["the design"],
            "*programmer*": ["code"],
            "*tester*": ["tests"],
        }
    )
    handle = await env.start_pattern("Definition", DefinitionResult, "Build it", model=model, definition=definition)
    (request,) = await pending(handle)
    assert request["arguments"] == {"text": "the design"}
    said = {"request_id": request["request_id"], "verdict": "edit", "arguments": {"text": "a better design"}}
    await update(handle, "decide", {**said, "approver": "ada", "digest": request["digest"]})
    result = await handle.result()
    assert (result.success, result.output) == (True, "done")
    assert result.stages["build"].output == {"build.coder": "code", "build.tester": "tests"}
    seen = [item.conversation.messages[0].text for item in env.scripted(model).requests]
    assert sum("a better design" in text and "be small" in text for text in seen) == 3
    assert len(seen) == 6


def test_the_loaded_definition_needs_no_file_any_more(tmp_path: Path) -> None:
    """Agents of the folder are part of it, also where the input of a pattern names one: its digest covers them."""
    text = "name: x\nstages: [{id: v, pattern: Vote, with: {voters: [{agent: analyst}]}}, {agent: analyst, goal: y}]\n"
    file = tmp_path / "x.yaml"
    file.write_text(text, encoding="utf-8")
    found = DefinitionFiles(Definitions(ROOT / "definitions"), Known(patterns={"Vote": VoteInput})).load(file)
    analyst = Definitions(ROOT / "definitions").agent("analyst")
    assert found.definition.agents == {"analyst": analyst}
    stage = found.definition.stages[0]
    assert isinstance(stage, PatternStage)
    voters = VoteInput.model_validate({"goal": "x", **stage.given}).voters
    assert voters[0].agent == analyst
