"""The methods of the control protocol: JSON of `docs/protocol/control.md` to calls of the node.

Parameters arrive checked against the schema. A handler only translates; whatever the vault has to
say about a request, it raises as a `VaultError`.
"""
