"""Plumbing under the services: journal, snapshots, settings. It knows no orders or accounts."""
