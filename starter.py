"""Command line of Perdure: `uv run starter.py --help`."""

from collections.abc import Sequence

from perdure.cli.app import main
from perdure.cli.cli import WorkflowInfo


def workflows() -> Sequence[WorkflowInfo]:
    """Describe the workflow types that can be started."""
    # Imported late: most commands never need workflow code, and `--help` must not wait for it.
    from perdure.cli.describing import describe  # noqa: PLC0415
    from workflows import WORKFLOWS  # noqa: PLC0415

    return [describe(workflow) for workflow in WORKFLOWS]


if __name__ == "__main__":
    main(workflows)
