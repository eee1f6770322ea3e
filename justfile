# The same commands as CI, one by one. `just` lists them.

default:
    @just --list

# everything CI runs
ci:
    bash .ci/run

test *ARGS:
    scripts/test {{ARGS}}

lint:
    uv run ruff check . && uv run ruff format --check .

types:
    uv run pyright

layers:
    uv run lint-imports

replay:
    uv run pytest tests/replay

# record the history of a new scenario (never rewrites an old one)
record:
    uv run python -m tests.replay.record

bench *ARGS:
    uv run python benchmarks/loop.py {{ARGS}}

# the kill test with more seeds than CI runs
chaos SEEDS="20":
    CHAOS_SEEDS={{SEEDS}} uv run pytest tests/chaos

# Ten thousand turns (--compression zstd, --encrypted, --stored, --conversation 2MB, --short).
long-run *ARGS:
    uv run python benchmarks/long_run.py {{ARGS}}
