"""The network as values: TCP streams, mDNS discovery, interfaces and addresses.

Knows addresses, ports and opaque names, never what travels over a stream nor whose name it is.
"""
