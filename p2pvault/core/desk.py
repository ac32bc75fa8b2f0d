"""What local programs ask of a member about records, collections and addresses."""

from dataclasses import dataclass
from typing import assert_never

from p2pvault.core import asks
from p2pvault.core.book import Book
from p2pvault.core.commit import read_wishes
from p2pvault.core.dialer import Dialer
from p2pvault.core.errands import NOTHING_LEARNED, Errand, Errands
from p2pvault.core.io import Answer, Effect
from p2pvault.core.jobs import EditJob
from p2pvault.core.keeping import Keeping
from p2pvault.core.members import Members
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.quarantine import SettleJob, find_rows
from p2pvault.core.reach import note_address
from p2pvault.core.rollback import Rollback
from p2pvault.errors import Refused
from p2pvault.limits import EDITS_QUEUED_MAX
from p2pvault.types import Batch, Instant

Asked = (
    asks.EditRequested
    | asks.SettleQuarantine
    | asks.KeepRequested
    | asks.ForgetRequested
    | asks.AddressGiven
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Turns requests into jobs of the pipeline and errands."""

    members: Members
    book: Book
    pipeline: Pipeline
    errands: Errands
    keeping: Keeping
    rollback: Rollback
    dialer: Dialer

    def take(self, now: Instant, asked: Asked) -> list[Effect]:
        """Take one request.

        Raises:
            VaultError: It cannot be done.
        """
        match asked:
            case asks.EditRequested():
                return self._edit(asked)
            case asks.SettleQuarantine():
                return self._settle(asked)
            case asks.KeepRequested():
                return self.keeping.keep(asked)
            case asks.ForgetRequested():
                return self.keeping.forget(now, asked)
            case asks.AddressGiven():
                return self._address(now, asked)
            case _:
                assert_never(asked)

    def _edit(self, asked: asks.EditRequested) -> list[Effect]:
        if self.pipeline.backlog >= EDITS_QUEUED_MAX:
            raise Refused("too many edits are waiting for the disk", hint="Try again in a moment.")
        self.rollback.check_room()
        return self._submit(EditJob(asked.request, read_wishes(asked.edits)))

    def _settle(self, asked: asks.SettleQuarantine) -> list[Effect]:
        rows = find_rows(self.pipeline.durable.quarantine, asked.device, self.members.name_of)
        return self._submit(SettleJob(asked.request, rows, asked.repeat))

    def _submit(self, job: EditJob | SettleJob) -> list[Effect]:
        step = self.pipeline.submit(job)
        assert not step.failed, "nothing fails before it is tried"
        return step.effects

    def _address(self, now: Instant, asked: asks.AddressGiven) -> list[Effect]:
        member, row = note_address(self.members, self.book, asked)
        self.dialer.try_soon(now.monotonic, member.device)
        answer = Answer(asked.request, (member.device, member.name))
        errand = Errand(NOTHING_LEARNED, self.members.log, answer)
        return self.errands.save(Batch(peers=(row,)), errand)
