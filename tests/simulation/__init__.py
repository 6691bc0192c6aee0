"""The batch protocol under a simulator: real protocol code, simulated servers, seeded faults.

``python -m tests.simulation --seeds 10000`` plays schedules; a failure prints its seed and how to
play it again.
"""
