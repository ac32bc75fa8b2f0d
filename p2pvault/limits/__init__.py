"""Every bound in one place, each with its reason. Units stand last in the names.

What we write obeys the same bounds as what we accept, so nothing legitimate is ever refused.

The modules declare nothing but bounds and all of them stand here, so no list says so once more.
`scripts/unused_limits` sees to it that no two modules declare the same one.
"""

from p2pvault.limits.changes import *
from p2pvault.limits.control import *
from p2pvault.limits.daemon import *
from p2pvault.limits.discovery import *
from p2pvault.limits.edits import *
from p2pvault.limits.interest import *
from p2pvault.limits.links import *
from p2pvault.limits.membership import *
from p2pvault.limits.pairing import *
from p2pvault.limits.quarantine import *
from p2pvault.limits.records import *
from p2pvault.limits.repair import *
from p2pvault.limits.replication import *
from p2pvault.limits.store import *
from p2pvault.limits.units import *
from p2pvault.limits.upkeep import *
from p2pvault.limits.wire import *
