"""The local control protocol: a device's places, what its daemon can be asked, and a caller.

Both ends share these modules, so neither trio nor anything else of the daemon may be imported.
`docs/protocol/control.md` is the specification.
"""
