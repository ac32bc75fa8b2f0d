"""The store: what a device holds, on its disk, encrypted. See `port.py` for what it offers."""
