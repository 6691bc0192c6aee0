"""The command line and the library under faults: signals, full disks, damage, abuse."""
