"""The daemon: one process that runs one node and answers programs of the same user.

It only composes: settings, logs, signals, the service manager and the control endpoint around the
node. What the vault is and how devices agree is decided below, in `p2pvault`.
"""
