"""Fingerprints that were counted anew and turned out wrong are written right."""

from dataclasses import dataclass, replace

from p2pvault.core.content import MODULUS, Content
from p2pvault.core.staging import Staged
from p2pvault.types import Batch, Fingerprint, LinkId


@dataclass(frozen=True, slots=True)
class RecountJob:
    """A correction of fingerprints.

    Attributes:
        link: The link whose comparison led to it; None where a person asked for it.
        corrections: `Content.corrections` as it was durable before they were counted.
        request: The request of that person.
        wrong: (stored, counted), both as of one moment. Only the difference is applied, since
            other batches may have come between that moment and this job.
    """

    link: LinkId | None
    wrong: tuple[tuple[Fingerprint, Fingerprint], ...]
    corrections: int
    request: int | None = None


def recounted(content: Content, job: RecountJob) -> Staged:
    """Return the batch that corrects the fingerprints of a content.

    It is empty where others corrected them since they were counted: two that saw the same fault
    must not both take it away.
    """
    if content.corrections != job.corrections:
        return Staged(Batch(), content, (), (), frozenset(), ())
    fingerprints = dict(content.fingerprints)
    for stored, counted in job.wrong:
        name = stored.collection
        now = fingerprints.get(name, Fingerprint(name, 0, 0))
        total = (now.total + counted.total - stored.total) % MODULUS
        fingerprints[name] = Fingerprint(name, total, now.count + counted.count - stored.count)
    touched = tuple(fingerprints[stored.collection] for stored, _ in job.wrong)
    corrections = content.corrections + 1
    after = replace(content, fingerprints=fingerprints, corrections=corrections)
    return Staged(Batch(fingerprints=touched), after, (), (), frozenset(), ())
