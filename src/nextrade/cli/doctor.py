"""``nextrade doctor``: looks at this machine and says what to mend."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from .config import config_option


@click.command(
    "doctor",
    short_help="Check this machine and say what to mend.",
    help="""Check everything that a newcomer trips over, and say the fix.

    Python, the compiled core, optional packages, clock, limits, ports, settings, folders and
    disk, Redis and the stack. `note`: something optional is not there. `wrong`: what the
    settings ask for cannot work as it is; then the exit code is 1. Nothing is changed.

    Examples:

    \b
        nextrade doctor
        nextrade doctor --json
    """,
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def doctor_command(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Look, print, judge."""
    from ..service.doctor import examine

    findings = []
    for finding in examine(config):
        findings.append(finding)
        if not as_json:
            click.echo(f"{finding.state:<5}  {finding.name}: {finding.found}")
            if finding.fix:
                click.echo(f"       -> {finding.fix}")
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    wrong = sum(finding.state == "wrong" for finding in findings)
    if not as_json:
        notes = sum(finding.state == "note" for finding in findings)
        click.echo(f"{wrong} wrong, {notes} notes, {len(findings) - wrong - notes} ok")
    if wrong:
        ctx.exit(1)
