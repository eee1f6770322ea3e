"""The pattern `SelfRefine`."""

from perdure.domain.patterns.refining import SelfRefineResult
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import update

CRITIC = {
    "agent": {"name": "critic", "instructions": "You criticise.", "tools": ["ask_human"]},
    "criteria": "Be brief.",
}


def critique(score: float, *problems: str, satisfied: str = "false") -> str:
    """What the critic says."""
    words = ", ".join(f'"{each}"' for each in problems)
    return f'{{"satisfied": {satisfied}, "score": {score}, "problems": [{words}]}}'


def asked(env: Environment, model: str, sign: str) -> list[str]:
    """First messages that hold this sign, in order."""
    texts = [request.conversation.messages[0].text for request in env.scripted(model).requests]
    return [text for text in texts if sign in text]


async def test_a_draft_is_refined_until_the_critic_is_satisfied(env: Environment) -> None:
    """The problems of the last draft go into the next; no round is made after the critic's word."""
    model = env.model(
        {
            "You criticise.*long draft*": [critique(0.4, "too long")],
            "You criticise.*short draft*": [critique(0.6, satisfied="true")],
            "*too long*": ["short draft"],
            "*": ["long draft"],
        }
    )
    handle = await env.start_pattern("SelfRefine", SelfRefineResult, "write", model=model, critic=CRITIC, rounds=5)
    result = await handle.result()
    assert (result.success, result.output, result.satisfied) == (True, "short draft", True)
    assert (result.best, result.score, result.evaluation_score, result.warnings) == (2, 0.6, 0.6, ())
    assert [(each.satisfied, each.issues) for each in result.drafts] == [(False, ("too long",)), (True, ())]
    (refining,) = asked(env, model, "Refine the draft above")
    assert "<context title='draft 1'>\nlong draft\n</context>" in refining
    first = asked(env, model, "Criteria:\nBe brief.")[0]
    assert "<context title='draft'>\nlong draft\n</context>" in first
    assert [step.step_id for step in result.steps] == ["draft-1", "critique-1", "draft-2", "critique-2"]


async def test_never_satisfied_the_best_draft_is_kept(env: Environment) -> None:
    """Also one of score 0 (a known mistake) that comes before a draft without any score."""
    model = env.model(
        {
            "You criticise.*draft a*": [critique(0.0, "bad")],
            "You criticise.*": [],
            "*bad*": ["draft b"],
            "*": ["draft a"],
        }
    )
    handle = await env.start_pattern("SelfRefine", SelfRefineResult, "write", model=model, critic=CRITIC, rounds=2)
    result = await handle.result()
    assert (result.success, result.output, result.satisfied) == (True, "draft a", False)
    assert (result.best, result.score) == (1, 0.0)
    assert result.warnings[0] == "the critic was never satisfied in 2 drafts: the best is draft 1 with score 0"


async def test_a_failed_critique_is_no_approval(env: Environment) -> None:
    """All rounds are made, no draft has a score, and each critique that is missing is warned of."""
    model = env.model({"You criticise.*": [], "*draft one*": ["draft two"], "*": ["draft one"]})
    handle = await env.start_pattern("SelfRefine", SelfRefineResult, "write", model=model, critic=CRITIC, rounds=2)
    result = await handle.result()
    assert (result.satisfied, result.score, [each.score for each in result.drafts]) == (False, None, [None, None])
    assert [each.output for each in result.drafts] == ["draft one", "draft two"]
    assert (result.output, len(result.warnings)) == ("draft one", 3)
    (refining,) = asked(env, model, "Refine the draft above")
    assert "feedback" not in refining


async def test_after_a_failed_draft_the_one_before_is_refined_again(env: Environment) -> None:
    """With its own problems; the critic is not asked about nothing."""
    writer = {"id": "writer"}
    model = env.model({"You criticise.*": [critique(0.3, "dull")], "*dull*": [], "*": ["draft one"]})
    handle = await env.start_pattern(
        "SelfRefine", SelfRefineResult, "write", model=model, critic=CRITIC, worker=writer, rounds=3
    )
    result = await handle.result()
    assert [each.error.code for each in result.drafts if each.error] == ["UnexpectedStep", "UnexpectedStep"]
    assert (result.success, result.output, result.best) == (True, "draft one", 1)
    assert [words.split(":")[0] for words in result.warnings[1:]] == ["draft 2 failed", "draft 3 failed"]
    assert [step.step_id for step in result.steps] == ["writer-1", "critique-1", "writer-2", "writer-3"]
    again = asked(env, model, "Refine the draft above")
    assert len(again) == 2
    assert [("draft 1" in text, "Issue: dull" in text) for text in again] == [(True, True), (True, True)]


async def test_stopped_the_best_draft_is_the_output(env: Environment) -> None:
    """Not the words of the critic."""
    model = env.model({"You criticise.*": [call("ask_human", question="Is it?"), "never"], "*": ["draft one"]})
    handle = await env.start_pattern("SelfRefine", SelfRefineResult, "write", model=model, critic=CRITIC)
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output) == (False, StopReason.STOPPED, "draft one")
    assert [(each.number, each.score) for each in result.drafts] == [(1, None)]
