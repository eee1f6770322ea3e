"""`chat` and `list sessions`, from outside: one question, lines of stdin, and a terminal."""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from perdure.worker_record import lock_path, read_record
from tests.cli.shell import Answer, Shell, Terminal, until

SUM = {"text": "Let me compute.", "calls": [{"tool": "calculator", "arguments": {"expression": "6*7"}}]}
FORTY_TWO = {"text": "It is 42."}
SEND = {"calls": [{"tool": "send", "arguments": {"text": "from chat"}}]}
SENT = {"text": "I have sent it."}


def say(text: str) -> dict[str, Any]:
    """A step of a script that answers at once."""
    return {"text": text}


def piped(shell: Shell, lines: str, *arguments: str) -> Answer:
    """Run `chat` with these lines as stdin."""
    done = subprocess.run(
        shell.command("chat", *arguments),
        cwd=shell.folder,
        env=shell.env,
        input=lines,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Answer(done.returncode, done.stdout, done.stderr)


def once(shell: Shell, name: str, text: str, *more: str) -> Answer:
    """Ask one question in the session with this id, as JSON."""
    return shell.quick("chat", name, "--message", text, "--json", *more)


def test_one_question_prints_its_reply_and_the_same_id_the_same_reply(shell: Shell) -> None:
    """The model is asked once; the second answer is the first one again, and another question goes on from there."""
    model = shell.script("once", SUM, FORTY_TWO, say("Goodbye."))
    first = shell("chat", "once", "--message", "6*7?", "--message-id", "q1", "--model", model)
    assert (first.code, first.out) == (0, "It is 42.\n"), first.err
    assert "uv run starter.py chat once" in first.err
    again = once(shell, "once", "6*7?", "--message-id", "q1").json
    assert again == {
        "workflow_id": "once",
        "message_id": "q1",
        "question": "6*7?",
        "reply": "It is 42.",
        "error": None,
    }
    assert once(shell, "once", "bye").json["reply"] == "Goodbye."
    page = shell.quick("transcript", "once", "--json").json
    assert [message["kind"] for message in page["messages"]].count("user") == 2


def test_each_line_of_stdin_is_a_question(shell: Shell) -> None:
    """Replies come in order, one JSON object a line, with ids of their own; empty lines are nothing."""
    model = shell.script("lines", say("one"), say("two"))
    answer = piped(shell, "first\n\nsecond\n", "lines", "--model", model, "--json")
    assert answer.code == 0, answer.err
    assert [(line["question"], line["reply"], line["error"]) for line in answer.lines] == [
        ("first", "one", None),
        ("second", "two", None),
    ]
    assert len({line["message_id"] for line in answer.lines}) == 2


def test_questions_are_answered_in_order_over_rollovers(shell: Shell) -> None:
    """The session continues as new again and again; two senders at once get the replies to their own questions."""
    count = 12
    model = shell.script("roll", *(say(f"reply {n}") for n in range(2 * count)))
    often = Shell(shell.folder, {**shell.env, "PERDURE_ROLLOVER_EVENTS": "30"})
    assert often("chat", "roll", "-m", "begin", "--model", model, "--limit", "turns=1").out == "reply 0\n"
    lines = "".join(f"question {n}\n" for n in range(count - 1))
    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(piped, often, lines, "roll", "--json") for _ in range(2)]
        answers = [each.result() for each in asked]
    assert [answer.code for answer in answers] == [0, 0], answers
    replies = [[int(line["reply"].split()[1]) for line in answer.lines] for answer in answers]
    assert [sorted(numbers) for numbers in replies] == replies
    assert sorted(replies[0] + replies[1]) == list(range(1, 2 * count - 1))
    runs = {item["run_id"] for item in shell.quick("checkpoints", "roll", "--json").json["items"]}
    assert len(runs) > 2


def test_a_question_that_fails_fails_alone(shell: Shell) -> None:
    """The limit of turns counts for each question; the next one is answered, and the exit code is 1."""
    model = shell.script("limits", SUM, say("fine"))
    answer = piped(shell, "compute\nhow are you\n", "limited", "--model", model, "--limit", "turns=1", "--json")
    assert answer.code == 1, answer.err
    failed, fine = answer.lines
    assert (failed["reply"], failed["error"]["type"]) == (None, "turn_limit")
    assert failed["error"]["result"]["turns"] == 1
    assert (fine["reply"], fine["error"]) == ("fine", None)


def test_without_a_terminal_a_person_who_is_needed_is_exit_code_4(shell: Shell) -> None:
    """The way to answer and the id of the question are told; once answered, the same id has its reply."""
    model = shell.script("human", SEND, SENT)
    left = once(shell, "human", "send it", "--model", model, "--message-id", "m1")
    assert (left.code, left.json["error"]["type"], left.json["message_id"]) == (4, "HumanNeeded", "m1")
    [request] = left.json["pending"]
    assert shell.quick("approve", "human", request["request_id"]).code == 0
    assert once(shell, "human", "send it", "--message-id", "m1").json["reply"] == "I have sent it."


def test_yes_approves_what_needs_confirm(shell: Shell) -> None:
    """As it does for `run`."""
    model = shell.script("yes", SEND, SENT)
    answer = shell("chat", "agreed", "--message", "send it", "--model", model, "--yes")
    assert (answer.code, answer.out) == (0, "I have sent it.\n"), answer.err


def test_an_idle_session_closes_and_opens_again_with_all_it_knew(shell: Shell) -> None:
    """Closed sessions are listed with their questions; the next question finds the conversation as it was."""
    model = shell.script("idle", say("Hello Ada."), say("You are Ada."))
    assert once(shell, "idle", "I am Ada", "--model", model, "--idle", "1").code == 0

    def closed() -> list[Any]:
        items = shell.quick("list", "sessions", "--json").json["items"]
        return [item for item in items if item["workflow_id"] == "idle" and item["status"] == "COMPLETED"]

    until(lambda: bool(closed()))
    [item] = closed()
    assert (item["questions"], item["last_activity"] >= item["opened_at"]) == (1, True)
    assert once(shell, "idle", "who am I?").json["reply"] == "You are Ada."
    assert shell.quick("transcript", "idle", "--json").json["total"] == 4
    listed = [row.split()[0] for row in shell.quick("list", "sessions").out.splitlines()]
    assert listed.count("idle") == 1


def test_ids_and_options_that_do_not_fit_are_usage_errors(shell: Shell) -> None:
    """A run of another kind, an id without a message, an empty message and an unknown limit: exit code 2."""
    assert shell.quick("run", "x", "--model", shell.script("other", say("ok")), "--id", "no-session").code == 0
    other = once(shell, "no-session", "hello")
    assert (other.code, other.json["error"]["type"]) == (2, "NotASession")
    assert shell.quick("chat", "x", "--message-id", "m").code == 2
    assert shell.quick("chat", "x", "--message", " ").code == 2
    wrong = shell.quick("chat", "x", "--message", "hi", "--limit", "turn=1")
    assert (wrong.code, "turns" in wrong.err) == (2, True)


def test_options_for_a_session_that_is_open_are_said_not_to_count(shell: Shell) -> None:
    """`configure` is named as what changes it."""
    model = shell.script("open", say("one"), say("two"))
    assert once(shell, "open", "1", "--model", model).code == 0
    again = once(shell, "open", "2", "--limit", "turns=3")
    assert (again.json["reply"], "configure open" in again.err) == ("two", True)


def test_a_terminal_shows_what_happens_asks_for_approval_and_replies(shell: Shell) -> None:
    """Calls appear, the request is asked there, the reply is shown once, and leaving tells the way back."""
    model = shell.script("talk", SEND, SENT, say("Bye."))
    terminal = Terminal(shell, "chat", "talk", "--model", model)
    assert "come back with: uv run starter.py chat talk" in terminal.expect("you> ")
    terminal.type("send it")
    assert "→ send" in terminal.expect(r"later \[l\]\? ")
    terminal.type("a")
    shown = terminal.expect("you> ")
    assert (shown.count("I have sent it."), shown.count("» send it")) == (1, 0)
    terminal.type("/nonsense")
    assert "there is no /nonsense" in terminal.expect("you> ")
    terminal.type("/quit")
    assert terminal.end() == 0
    assert "the session lives on: uv run starter.py chat talk" in terminal.shown


def test_ctrl_c_leaves_the_question_running_and_coming_back_shows_the_reply(shell: Shell) -> None:
    """Exit code 130 and the way back; whoever opens the chat again sees what was said, and can end the session."""
    call = {"calls": [{"tool": "linger", "arguments": {"flag": "chat-go"}}]}
    terminal = Terminal(shell, "chat", "leave", "--model", shell.script("leave", call, say("It is done.")))
    terminal.expect("you> ")
    terminal.type("linger a little")
    until((shell.folder / "chat-go.started").exists)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "uv run starter.py chat leave" in terminal.shown
    again = Terminal(shell, "chat", "leave")
    assert "linger a little" in again.expect("linger a little")
    (shell.folder / "chat-go").touch()
    assert "It is done." in again.expect("you> ")
    again.type("/end")
    assert again.end() == 0
    until(lambda: shell.quick("status", "leave", "--json").json["status"] == "COMPLETED")


def test_a_session_that_was_ended_begins_anew(shell: Shell) -> None:
    """Coming back says so; the next question has a conversation of its own, which is shown as it happens."""
    model = shell.script("anew", SUM, say("first"))
    assert once(shell, "anew", "one", "--model", model).json["reply"] == "first"
    assert shell.quick("stop", "anew").code == 0
    until(lambda: shell.quick("status", "anew", "--json").json["status"] == "COMPLETED")
    terminal = Terminal(shell, "chat", "anew", "--model", model)
    assert "the next question begins a new conversation" in terminal.expect("you> ")
    terminal.type("two")
    assert "→ calculator" in terminal.expect("first(.|\n)*you> ")
    terminal.type("/quit")
    assert terminal.end() == 0
    assert shell.quick("transcript", "anew", "--json").json["total"] == 4


def test_two_chats_in_one_session_see_each_other(shell: Shell) -> None:
    """What another person asked, and was told, appears before the own reply."""
    model = shell.script("pair", say("Hello Ada."), say("Hello Bob."), say("Ada spoke first."))
    ada = Terminal(shell, "chat", "pair", "--model", model)
    ada.expect("you> ")
    ada.type("I am Ada")
    assert "Hello Ada." in ada.expect("you> ")
    assert once(shell, "pair", "I am Bob").json["reply"] == "Hello Bob."
    ada.type("who spoke first?")
    shown = ada.expect("you> ")
    assert shown.index("» I am Bob") < shown.index("Hello Bob.") < shown.index("Ada spoke first.")
    assert shown.count("Ada spoke first.") == 1
    ada.type("/quit")
    assert ada.end() == 0


def test_a_killed_worker_does_not_lose_the_question(shell: Shell) -> None:
    """SIGKILL in the middle of a tool: another worker goes on, and the reply comes."""
    call = {"calls": [{"tool": "linger", "arguments": {"flag": "chat-kill"}}]}
    model = shell.script("chatkill", call, say("Still here."))
    process = shell.start("chat", "chatkill", "--message", "wait", "--model", model, "--json")
    until((shell.folder / "chat-kill.started").exists)
    record = read_record(lock_path(shell.folder / "home", "perdure"))
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    (shell.folder / "chat-kill").touch()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["reply"]) == (0, "Still here."), err
