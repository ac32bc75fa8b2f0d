"""Records: mergeable values over the CRDT engine, and the filter in front of it.

`record.Record` is what the rest of the project uses; `prefilter.inspect` is what every change
from a peer passes before a record sees it. This package is the only importer of automerge, and
the only place where its documents are called documents. It has no clock and no randomness: the
same edits by the same author make the same bytes.
"""
