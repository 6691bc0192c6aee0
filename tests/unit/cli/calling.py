"""Commands as a person gives them."""

import json

from click.testing import CliRunner, Result

from nextrade.cli import root


def call(*arguments: str) -> Result:
    """Run the command with these words."""
    return CliRunner().invoke(root, list(arguments), prog_name="nextrade")


def deposit(account: int, asset: str, amount: str, reference: str) -> Result:
    """Credit an account."""
    return call("deposit", str(account), asset, amount, "--reference", reference)


def told(*arguments: str) -> object:
    """What a command prints as JSON."""
    done = call(*arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
