"""The device as a pure state machine, composed of the protocol machines.

`Device.handle(now, input)` returns one ordered list of effects. No clock, socket, disk or
randomness is reached from here; the node performs the effects and feeds their outcomes back.
"""
