"""P2PVault: one encrypted vault of records, the same on all of a person's own devices.

The package is layered; `ARCHITECTURE.md` has the map and import-linter enforces it. Nothing is
imported here, so that the command line starts without the libraries that only the daemon needs.
"""

__version__ = "0.1.0"
