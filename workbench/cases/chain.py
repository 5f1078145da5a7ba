"""Is the audit ledger whole? Finds altered, inserted, dropped, moved and cut entries. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from workbench.errors import N_, Damaged
from workbench.records import AuditEntry
from workbench.store.ledger import GENESIS, Head, entry_sha256


def check_chain(entries: Sequence[AuditEntry], head: Sequence[Head] = ()) -> list[str]:
    """Return one English sentence for each fault; nothing where the chain is whole.

    See :func:`find_faults`.
    """
    return [str(fault) for fault in find_faults(entries, head)]


def find_faults(entries: Sequence[AuditEntry], head: Sequence[Head] = ()) -> list[Damaged]:
    """Return one finding for each fault of a ledger, in the order of the entries.

    Parameters
    ----------
    entries
        Every entry, in the order stored.
    head
        What was the newest entry once, kept outside the ledger: take both from
        ``Store.audit_with_head``, or a head printed on an export. Without one, a ledger cut at its
        end looks whole.
    """
    faults = list(_altered(entries))
    if entries:
        faults += _first(entries[0])
    for before, entry in pairwise(entries):
        faults += _follows(before, entry)
    faults += _cut(entries, head)
    return faults


def _altered(entries: Sequence[AuditEntry]) -> Iterator[Damaged]:
    for entry in entries:
        if entry_sha256(entry) != entry.sha256:
            yield _fault(N_("entry {seq} was altered after it was written"), seq=entry.seq)


def _first(entry: AuditEntry) -> Iterator[Damaged]:
    if entry.seq > 1:
        yield _dropped(1, entry.seq - 1)
    elif entry.seq < 1 or entry.prev_sha256 != GENESIS:
        yield _fault(N_("entry {seq} does not begin a ledger"), seq=entry.seq)


def _follows(before: AuditEntry, entry: AuditEntry) -> Iterator[Damaged]:
    if entry.seq == before.seq:
        yield _fault(N_("number {seq} stands twice: an entry was inserted"), seq=entry.seq)
    elif entry.seq < before.seq:
        yield _fault(
            N_("entry {seq} stands after entry {before}: the order was changed"),
            seq=entry.seq,
            before=before.seq,
        )
    elif entry.seq > before.seq + 1:
        yield _dropped(before.seq + 1, entry.seq - 1)
    elif entry.prev_sha256 != before.sha256:
        yield _fault(
            N_("entry {seq} does not follow entry {before}: one of them was put in or rewritten"),
            seq=entry.seq,
            before=before.seq,
        )


def _cut(entries: Sequence[AuditEntry], heads: Sequence[Head]) -> Iterator[Damaged]:
    by_number = {entry.seq: entry.sha256 for entry in entries}
    last = max(by_number, default=0)
    for head in heads:
        if not head.sha256:
            yield _fault(
                N_(
                    "the head of the ledger was missing after entry {seq}: a cut before it may hide"
                ),
                seq=head.seq,
            )
        elif head.seq > last:
            yield _fault(
                N_("the ledger ends at entry {last}, and entry {seq} was written once: it was cut"),
                last=last,
                seq=head.seq,
            )
        elif head.seq > 0 and by_number.get(head.seq) != head.sha256:
            yield _fault(
                N_("entry {seq} is not the one that was written: the ledger was cut and continued"),
                seq=head.seq,
            )


def _dropped(first: int, last: int) -> Damaged:
    if first == last:
        return _fault(N_("entry {first} is missing"), first=first)
    return _fault(N_("entries {first} to {last} are missing"), first=first, last=last)


def _fault(what: str, **fields: int) -> Damaged:
    return Damaged(
        what,
        N_("keep the catalogue as it is, compare it with a backup, and report it"),
        where="audit",
        **fields,
    )
