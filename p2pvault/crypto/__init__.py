"""Keys, hashes, seals, and the sealed transport between two devices.

The only package that imports nacl and cryptography. Randomness comes in as an argument wherever
the libraries allow it; the modules say where they do not. Nothing here reads a clock, a file or a
socket, and nothing here knows what the bytes mean that it protects.
"""
