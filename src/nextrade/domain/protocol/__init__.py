"""The batch protocol: how a partition's batches happen exactly once, whatever crashes.

``ports`` says what it needs of queue, ledger, store and clock; ``worker`` walks the steps.
Nothing here does I/O: the real ports are services, and a simulator has others.
"""
