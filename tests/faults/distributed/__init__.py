"""The distributed exchange under load while its processes are killed, and what must hold after."""
