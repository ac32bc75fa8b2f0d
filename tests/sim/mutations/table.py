"""Known bugs, put into the core for the time of a run: the simulator has to find each of them.

Every one is a mistake that somebody could make: an effect too early, a check left out, a state kept
too long. The core knows nothing of them; functions are replaced from outside, and put back.
"""

from sim.mutations.branches import BRANCHES
from sim.mutations.early import EARLY
from sim.mutations.fetching import FETCHING
from sim.mutations.mutation import Mutation
from sim.mutations.outside import OUTSIDE
from sim.mutations.proof import PROOF
from sim.mutations.streams import STREAMS
from sim.mutations.succession import SUCCESSION

MUTATIONS: tuple[Mutation, ...] = (
    *EARLY,
    *STREAMS,
    *PROOF,
    *FETCHING,
    *OUTSIDE,
    *BRANCHES,
    *SUCCESSION,
)
