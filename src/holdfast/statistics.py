"""What is in the heap, in figures.

What it keeps true: a figure is never guessed. Each is read from the heap when it is asked for;
while other processes work, figures may be of slightly different moments.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LockStatistics", "Statistics", "set_ticket_grace", "statistics", "trim"]


@dataclass(frozen=True)
class Statistics:
    """The heap of this process's family, at one moment. All zero while there is no heap."""

    heap_bytes: int
    """The most that blocks can take together. Virtual: memory is used as blocks are made."""
    heap_bytes_wished: int
    """What was asked for. More than heap_bytes if RLIMIT_AS left no room for it."""
    used_bytes: int
    """Memory that was handed to processes for blocks, in chunks of 64 KiB, by now."""
    blocks: int
    """Live blocks: those that at least one process of the family holds."""
    block_bytes: int
    """Their sizes together, each rounded up as it is allocated (64 bytes and more)."""
    own_blocks: int
    """Blocks that this process holds."""
    slots: int
    """How many processes the heap can tell apart."""
    live_slots: int
    """Processes of the family that live."""
    dead_slots: int
    """Processes that died and have not been cleared away yet."""
    estate_slots: int
    """Dead processes whose unused tickets still hold blocks, until their grace period ends."""
    outstanding_tickets: int
    """Objects that have been pickled and not been unpickled yet, in the whole family."""
    issued_tickets: int
    """Objects that were ever pickled."""
    used_tickets: int
    """Of these, those that were unpickled at least once."""
    deaths: int
    """Processes of the family that ended, in whatever way, and were cleared away."""
    reclaimed_holds: int
    """Holds that the dead had."""
    reclaimed_bytes: int
    """Sizes of the blocks of these holds; a block that another process held counts, too."""
    forks: int
    """Forks whose child got a slot."""
    forks_pinned: int
    """Forks whose child got none, for want of slots, descriptors or memory."""
    pinned_blocks: int
    """Blocks that such children may reach: they are never reused."""
    reuse_forbidden: bool
    """True if not even pinning worked: nothing in this heap is reused any more."""
    cached_bytes: int
    """Free memory that this process keeps for its next large blocks; see `trim`."""
    epoch: int
    """How often holds were copied from a parent to a child."""


@dataclass(frozen=True)
class LockStatistics:
    """One lock since it was made, at one moment. See `Lock.statistics`."""

    acquisitions: int
    """How often it was acquired, recoveries included; recursive acquisitions count once."""
    contended: int
    """Of these, how many did not come at once; modulo 2**32."""
    owner_deaths: int
    """Owners that died holding it."""
    recoveries: int
    """Successful calls of `recover`."""
    owner_pid: int | None
    """The process that holds it; None if it is free or the process is not known."""
    depth: int
    """RLock: how many times its owner has acquired it; 0 while free, and for a Lock."""
    orphaned: bool
    """True if its owner died and nobody has recovered it yet."""
    waiters: bool
    """True if somebody may be waiting."""


def statistics() -> Statistics:
    """Count what is in the heap.

    Use it to see what is retained, and for whom: `blocks` against `own_blocks`, or the dead. It
    walks the tables of the heap, which takes time in proportion to the blocks in it.

    Returns:
        The figures, as a frozen `Statistics`. Without a heap, all of them are zero.

    Concurrency: any process and thread, at any time; nobody is held up.
    Crash: it changes nothing.
    Fork: parent and child see the same heap; `own_blocks` and `cached_bytes` are each one's own.

    Example:
        >>> import holdfast
        >>> flags = [holdfast.Value("d", -1) for _ in range(4)]
        >>> before = holdfast.statistics().own_blocks
        >>> del flags
        >>> before - holdfast.statistics().own_blocks
        4

    Source: holdfast's ARCHITECTURE.md, "The layout of the heap".
    New in version 0.1.
    """
    from holdfast import _native

    figures = _native.statistics()
    return Statistics(
        heap_bytes=figures["data_bytes"],
        heap_bytes_wished=figures["data_bytes_wished"],
        used_bytes=figures["chunks_in_use"] * figures["chunk_bytes"],
        blocks=figures["blocks"],
        block_bytes=figures["block_bytes"],
        own_blocks=figures["own_blocks"],
        slots=figures["slots"],
        live_slots=figures["slots_live"],
        dead_slots=figures["slots_dead"],
        estate_slots=figures["slots_estate"],
        outstanding_tickets=figures["tickets_outstanding"],
        issued_tickets=figures["tickets_issued"],
        used_tickets=figures["tickets_used"],
        deaths=figures["deaths"],
        reclaimed_holds=figures["holds_reclaimed"],
        reclaimed_bytes=figures["bytes_reclaimed"],
        forks=figures["forks"],
        forks_pinned=figures["forks_pinned"],
        pinned_blocks=figures["pinned_blocks"],
        reuse_forbidden=bool(figures["reuse_forbidden"]),
        cached_bytes=figures["cached_bytes"],
        epoch=figures["epoch"],
    )


def trim() -> int:
    """Give memory that this process keeps for later back to the system.

    Not needed in the usual case: kept blocks are given back after a few seconds anyway. Use it
    after dropping much, when the memory is wanted elsewhere at once.

    Returns:
        Bytes that were given back. 0 without a heap.

    Concurrency: any thread; it concerns only memory that no process can reach.
    Crash: a process that dies in it leaves the heap sound.
    Fork: a child keeps nothing of what its parent kept.

    Example:
        >>> import holdfast
        >>> holdfast.trim() >= 0
        True

    Source: fallocate(2), FALLOC_FL_PUNCH_HOLE.
    New in version 0.1.
    """
    from holdfast import _native

    return _native.trim()


def set_ticket_grace(seconds: float) -> None:
    """Set how long what a dead process has sent can still be received, for the whole family.

    What a process pickled and nobody has unpickled is kept for it: while it lives, and for this
    long after it died. Longer is safer for slow receivers; shorter frees memory and slots sooner.

    Args:
        seconds: 0 to 1e9. It is 60 unless set.

    Raises:
        ValueError: outside of that; nothing was changed.
        HoldfastError: there is no heap and none can be made; a subclass says why.

    Concurrency: any process and thread; it counts for deaths that are noticed from now on.
    Crash: a process that dies in it leaves the heap sound.
    Fork: one setting for the family.

    Example:
        >>> import holdfast
        >>> holdfast.set_ticket_grace(60)

    Source: holdfast's ARCHITECTURE.md, "Tickets".
    New in version 0.1.
    """
    from holdfast import _native

    _native.set_ticket_grace(seconds)
