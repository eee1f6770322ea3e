"""Definitions on the command line: all mistakes at once with their places, pictures, runs, results as text."""

import json
import time

import pytest
import yaml

from tests.cli.shell import ROOT, Shell

TEN = """\
name: ten
inputs:
  claim: {type: string}
agents:
  sceptic: {instructions: Doubt., instrutions: x}
stages:
  - id: facts
    agent: scpetic
    goal: "Facts about {{ inputs.clam }}"
    output_schema: {type: object, properties: {items: {type: string}}}
  - {id: sum, tool: calculater, arguments: {expression: "1"}}
  - {id: each, map: stages.facts.output.items, stage: {agent: sceptic, goal: "{{ item }}"}}
  - {id: facts, agent: sceptic, goal: x}
  - {id: early, agent: sceptic, goal: "{{ stages.later.output }}"}
  - id: later
    agent: sceptic
    when: "stages.sum.output == "
    tmieout: 5m
  - {id: v, pattern: Vot, goal: x}
  - {id: w, pattern: Vote, goal: x, with: {votes: many, voters: [{agent: nobody}]}}
  - {id: nothing, goal: x}
  - {id: t, wait: x, timeout: soon}
  - {id: c, condition: "`false`", then: [{agent: sceptic}]}
"""


def problems(shell: Shell, text: str, name: str = "tried") -> list[str]:
    """What `validate` says of a definition, without the name of the file."""
    file = shell.file(f"{name}.yaml", text)
    answer = shell.quick("validate", file, "--kind", "definition", "-o", "json")
    (item,) = answer.json["items"]
    assert answer.code == (0 if item["valid"] else 2)
    return [line.removeprefix(f"{file}:") for line in item["problems"]]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("5:35", "agents.sceptic.instrutions: unknown field. Did you mean 'instructions'?"),
        ("8:5", "stages.0.agent: no agent is called 'scpetic'. Did you mean 'sceptic'?"),
        ("9:5", "stages.0.goal: 'inputs.clam': inputs has no field 'clam'. Did you mean 'claim'?"),
        ("11:15", "stages.1.tool: there is no tool 'calculater'. Did you mean 'calculator'?"),
        ("12:16", "stages.2.map: 'stages.facts.output.items' is of type string: only a list can be mapped"),
        ("13:6", "stages.3.id: another stage is called 'facts' already"),
        ("14:33", "stages.4.goal: 'stages.later.output': stage 'later' has not run before this"),
        ("17:5", "stages.5.when: not valid JMESPath"),
        ("18:5", "stages.5.tmieout: unknown field. Did you mean 'timeout'?"),
        ("19:13", "stages.6.pattern: there is no workflow type 'Vot'. Did you mean 'Vote'?"),
        ("20:44", "stages.7.with.votes: Vote: votes: input should be a valid integer"),
        ("20:67", "stages.7.with.voters.0.agent: no agent is called 'nobody'."),
        ("21:5", "stages.8: a stage must have one of agent, condition, map"),
        ("22:22", "stages.9.timeout: write seconds as a number"),
        ("23:35", "stages.10.then: the condition is always false: these stages are unreachable"),
    ],
)
def test_each_of_many_mistakes_is_at_its_place(shell: Shell, place: str, words: str) -> None:
    """All of the file are found at once, each with line, column and a suggestion; and no others."""
    found = problems(shell, TEN)
    assert len(found) == 15
    assert any(line.startswith(f"{place}: {words}") for line in found), found


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            "type: graph\nstages:\n- {id: a, wait: x, needs: [b]}\n- {id: b, wait: x, needs: [a]}\n",
            "4:20",
            "need each other in a circle: a -> b -> a",
        ),
        ("type: hierarchical\nagents: {a: {instructions: x}}\n", "2:1", "needs a coordinator"),
        ("coordinator: default\nstages: [{wait: x}]\n", "2:1", 'only type "hierarchical" has a coordinator'),
        ("stages:\n- {id: b, workflow: nowhere}\n", "3:11", "there is no definition 'nowhere'"),
        ("stages:\n- {id: b, workflow: tried}\n", "3:11", "is part of itself"),
        ("inputs: {n: {type: whole}}\nstages: [{wait: x}]\n", "2:10", "not a JSON Schema"),
        ("stages:\n- {wait: x, when: 'a && !inputs.b.c'}\n", "3:13", "JMESPath negates before"),
        (
            "stages:\n- {id: a-b, wait: x}\n- {wait: x, when: stages.a-b.output}\n",
            "4:13",
            'Quote names with a dash: ."a-b"',
        ),
        ("stages:\n- id: x\n  id: y\n  wait: z\n", "4", "given twice"),
        (
            "stages:\n- {id: a, condition: inputs, then: [{id: t, wait: x}], else: [{wait: x, when: stages.t.output}]}",
            "3:73",
            "stage 't' has not run before this",
        ),
        (
            "stages:\n- {tool: calculator, arguments: {expresion: x}}\n",
            "3:34",
            "calculator has no 'expresion'. Did you mean",
        ),
    ],
)
def test_a_mistake_of_the_whole_is_at_its_place(shell: Shell, text: str, place: str, words: str) -> None:
    """Cycles, coordinators, parts, schemas and expressions."""
    found = problems(shell, f"name: tried\n{text}")
    assert any(line.startswith(f"{place}: ") and words in line for line in found), found


def test_a_thousand_stages_are_checked_in_a_second(shell: Shell) -> None:
    """Agents, references and needs, each on the stage before."""
    stages = [{"id": "s0", "tool": "calculator", "arguments": {"expression": "1"}}]
    stages += [
        {"id": f"s{n}", "agent": "default", "goal": f"after {{{{ stages.s{n - 1}.output }}}}", "needs": [f"s{n - 1}"]}
        for n in range(1, 1_000)
    ]
    file = shell.file("big.yaml", yaml.safe_dump({"name": "big", "type": "graph", "stages": stages}))
    shell.quick("validate", file, "--kind", "definition")  # what is imported once
    begun = time.process_time()
    answer = shell.quick("validate", file, "--kind", "definition")
    assert answer.code == 0, answer.out
    assert time.process_time() - begun < 1


def test_the_examples_are_valid_and_drawn(shell: Shell) -> None:
    """As a tree and in Mermaid; the form of claude-flow with a note of what is not needed."""
    file = str(ROOT / "definitions/workflows/claim-check.yaml")
    text = shell.quick("validate", file, "--graph", "text").out
    assert "├─ verdict      pattern Vote" in text
    mermaid = shell.quick("validate", file, "--graph", "mermaid").out
    assert "flowchart TD" in mermaid
    assert "n5 -- then --> n6" in mermaid
    other = shell.quick("validate", str(ROOT / "definitions/workflows/build-team.yaml"), "--graph", "text")
    assert other.code == 0
    assert "checkpoints are not needed" in other.out
    assert "└─ check            agent tester  <- build, design.review" in other.out


def test_definitions_are_listed_and_have_a_schema(shell: Shell) -> None:
    """With the schema of their inputs; the schema of the files is for editors."""
    shell.file("definitions/workflows/small.yaml", "name: small\ndescription: It waits.\nstages: [{wait: x}]\n")
    shell.file("definitions/workflows/wrong.yaml", "name: wrong\n")
    items = {item["name"]: item for item in shell.quick("list", "workflows", "-o", "json").json["items"]}
    assert (items["small"]["description"], items["small"]["type"]) == ("It waits.", "Definition")
    assert "there are no stages" in items["wrong"]["problem"]
    schema = shell.quick("validate", "--schema", "--kind", "definition").out
    assert "stages" in json.loads(schema)["$defs"]["Definition"]["properties"]


def test_a_definition_runs_from_its_file(shell: Shell) -> None:
    """No goal is needed; its output is printed as text, the whole result is JSON; agents of the folder are put in."""
    shell.file("definitions/agents/poet.yaml", "name: poet\ninstructions: You rhyme.\n")
    shell.file(
        "definitions/workflows/part.yaml",
        "name: part\ninputs: {n: {type: integer}}\n"
        "stages: [{id: sum, tool: calculator, arguments: {expression: '{{ inputs.n }} * 2'}}]\n",
    )
    shell.file(
        "definitions/workflows/poem.yaml",
        "name: poem\ninputs: {about: {type: string}}\nstages:\n"
        "- {id: n, workflow: part, with: {n: 21}}\n"
        "- {id: words, agent: poet, goal: 'Rhyme on {{ inputs.about }} and {{ stages.n.output }}'}\n",
    )
    script = shell.file(
        "script.yaml",
        "conversations:\n- when: 'You rhyme.*Rhyme on rain and 42'\n  steps: [{text: pain}]\n",
    )
    given = json.dumps({"inputs": {"about": "rain"}})
    start = ("run", "--definition", "poem", "--model", f"scripted:{script}", "--input", given)
    answer = shell(*start)
    assert (answer.code, "pain" in answer.out, "stop_reason" in answer.out) == (0, True, False), answer.err
    result = shell(*start, "-o", "json").json["result"]
    assert (result["success"], result["output"], result["definition"]) == (True, "pain", "poem")
    assert list(result["stages"]) == ["n", "words"]


def test_a_wrong_definition_is_not_started(shell: Shell) -> None:
    """Nor one without its inputs: exit code 2 with all that is wrong."""
    file = shell.file("wrong.yaml", TEN)
    answer = shell.quick("run", "--definition", file)
    assert answer.code == 2
    assert "15 mistakes" in answer.err
    assert "wrong.yaml:23:35" in answer.err
    small = shell.file("small.yaml", "name: small\ninputs: {n: {type: integer}}\nstages: [{wait: x}]\n")
    answer = shell.quick("run", "--definition", small, "--input", '{"inputs": {"m": 1}}')
    assert (answer.code, "inputs.m: the definition has no such input" in answer.err) == (2, True)
    assert "inputs.n: required, but missing" in answer.err
    assert shell.quick("run", "--definition", small, "--workflow", "Vote").code == 2
