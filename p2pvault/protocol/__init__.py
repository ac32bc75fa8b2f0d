"""Protocol machines: bytes, time and randomness in, values and bytes out.

They do not know each other; `p2pvault.core` composes them.
"""
