"""Messages to bytes and back, strictly.

Everything that travels or is signed is a positional msgpack array with one encoding only:
decoding packs again and compares, so that two byte strings never mean the same message. Shapes
bound every field before it is used. This package is the only importer of msgpack.
"""
