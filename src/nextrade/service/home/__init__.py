"""The home of balances that the settings name, opened, founded, looked at and proved."""
