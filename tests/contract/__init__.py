"""The contract from outside: subprocesses, the `temporal` CLI, HTTP."""
