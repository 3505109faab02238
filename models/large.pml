/* One large block (a run of one chunk) through its lives: kept, allocated, attached, dropped by several at once,
 * returned to the heap, and its chunk's life as a small one in between; kill -9 between any two steps.
 *
 * Keeps true: I1, I2 (as in reuse.pml); nobody keeps, scans or returns a run that is not a large block any more;
 * I5 in a strong form: whenever nobody is in the middle of anything and no dead slot is unreaped, a large block that
 * nobody holds is FREE and names a living keeper.
 *
 * A process is named by its slot; a reaped slot gets a new process. Forks are left to reuse.pml: here is no epoch.
 */
#ifndef NP
#define NP   3
#endif
#ifndef KMAX
#define KMAX 3
#endif

#ifndef LIVES
#define LIVES 4   /* processes that ever live; 0: any number */
#endif

/* Mutants: each must fail. */
#ifndef NO_TAG
#define NO_TAG 0           /* announcements carry no tag: a slow scanner's verdict fits another's */
#endif
#ifndef REWIND
#define REWIND 0           /* a scanner whose verdict failed announces again over whoever scans now */
#endif
#ifndef TRY_BLIND
#define TRY_BLIND 0        /* the chunk entry is looked at before the meta word, not after it */
#endif
#ifndef SMALL_UNTAGGED
#define SMALL_UNTAGGED  0  /* a small block's FREE names slot 0, whoever scanned it */
#endif
#ifndef NO_RESCAN
#define NO_RESCAN 0        /* who drops while a scan runs leaves without asking the scanner to look again */
#endif
#ifndef REFUSAL_FORGETS
#define REFUSAL_FORGETS 0  /* a refused attach clears its bit and does not look whether the block is free */
#endif
#ifndef LIVE_EARLY
#define LIVE_EARLY 0       /* allocation puts meta to LIVE before the own bit */
#endif
#ifndef KEEPER_APART
#define KEEPER_APART 0     /* a reaper does not know whose a FREE run is (its tag) */
#endif
#ifndef SCAN_LEFT
#define SCAN_LEFT 0        /* a reaper leaves the dead one's announcement as it is */
#endif
#ifndef NO_SWEEP
#define NO_SWEEP 0         /* a reaper does not look at the large blocks afterwards */
#endif
#ifndef SWEEP_LIVE_ONLY
#define SWEEP_LIVE_ONLY 0  /* it does not look at those that are being scanned */
#endif

#define FREE     0
#define LIVE     1
#define SCANNING 2
#define RESCAN   4
#define STATE(m) ((m) & 3)
#define TAG(m)   (((m) >> 3) & 3)
#define INC(m)   ((m) >> 5)
#define META(k, t, s) ((k) << 5 | (t) << 3 | (s))

/* chunk entry: what | owner << 3 */
#define C_FREE   0
#define C_SMALL  1
#define C_HEAD   2
#define C_RUN    3
#define NOBODY   7
#define WHAT(c)  ((c) & 7)
#define OWNER(c) ((c) >> 3)
#define ENTRY(w, o) ((w) | (o) << 3)

/* ---- shared ---- */
byte chunk = ENTRY(C_HEAD, 0);
byte meta = META(1, 0, LIVE);
byte bits = 1;              /* the block's hold bit in row p */
byte used = (1 << NP) - 1;
/* ---- kernel ---- */
byte alive = (1 << NP) - 1;
byte locked;                /* dead slots whose lifeline a reaper has */
/* ---- private ---- */
byte obj[4] = { 1, 0, 0, 0 };
byte keeps;                 /* processes that have the run on their list of kept ones */
byte busy;                  /* in the middle of an operation */
/* ---- ghost ---- */
byte birth = 1;
byte lives = NP;
bit I1, I2, I5, LARGE;   /* always 0: they name an assertion in the message of the checker */

#define ME        (1 << me)
#define BIT(p)    ((bits >> (p)) & 1)
#define FIRST(m)  ((m) & 1 -> 0 : ((m) & 2 -> 1 : ((m) & 4 -> 2 : 3)))
#define SAME(p)   (obj[p] == 0 || (obj[p] == birth && STATE(meta) != FREE && INC(meta) == birth))
#define MY_TAG    (NO_TAG -> 0 : me)

inline check() {
	assert(I1 || ((obj[0] == 0 || BIT(0)) && (obj[1] == 0 || BIT(1)) && (obj[2] == 0 || BIT(2)) &&
		(obj[3] == 0 || BIT(3))));
	assert(I2 || (SAME(0) && SAME(1) && SAME(2) && SAME(3)))
}

/* Nobody is in the middle of anything, no dead slot is unreaped: then nothing is lost. */
inline quiet() {
	if
	:: busy == 0 && used == alive && alive != 0 ->
		assert(I5 || WHAT(chunk) != C_RUN);
		assert(I5 || WHAT(chunk) != C_HEAD || bits != 0 || (STATE(meta) == FREE && ((keeps >> TAG(meta)) & 1)))
	:: else
	fi
}

inline done() { m = 0; c = 0; k = 0; s = 0; snap = 0; busy = busy & ~ME; quiet() }

inline die() {
	alive = alive & ~ME; busy = busy & ~ME; keeps = keeps & ~ME; obj[me] = 0;
	if :: reaping -> locked = locked & ~(1 << s) :: else fi;
	m = 0; c = 0; k = 0; s = 0; snap = 0; reaping = 0;
	printf("process %d is killed\n", me)
}
#define KILL :: d_step { die() } goto dead
#ifdef FINE
#define KILL_READ KILL
#else
#define KILL_READ
#endif

#ifdef COUNT
c_decl { \#include "hits.h" }
#define HIT(n) c_code { hits[HIT_ ## n]++; }
#else
#define HIT(n) skip
#endif

#define ATTACH(j) d_step { obj[me] == 0 && !BIT(me) && (j < birth || (j == birth && STATE(meta) != FREE)) -> \
		busy = busy | ME; k = j; bits = bits | ME; printf("process %d attaches to birth %d: own bit\n", me, k) }
#define REAP(x) d_step { ((used & ~alive & ~locked) >> x) & 1 -> \
		busy = busy | ME; locked = locked | (1 << x); s = x; reaping = 1; \
		printf("process %d reaps slot %d: lifeline\n", me, s) }

proctype process(byte me) {
	byte m, c, k, s, snap;
	bit reaping;

idle:
	if
	:: ATTACH(1) goto attach_read
#if KMAX > 1
	:: ATTACH(2) goto attach_read
#endif
#if KMAX > 2
	:: ATTACH(3) goto attach_read
#endif
	:: d_step { obj[me] != 0 -> busy = busy | ME; obj[me] = 0; bits = bits & ~ME;
		printf("process %d drops\n", me) } goto try
	/* out of the kept run */
	:: d_step { (keeps & ME) && birth < KMAX -> busy = busy | ME; keeps = keeps & ~ME;
		if :: !LIVE_EARLY -> bits = bits | ME :: else -> meta = META(INC(meta), 0, LIVE) fi;
		printf("process %d allocates from its kept run\n", me) } goto alloc_live
	:: d_step { (keeps & ME) -> busy = busy | ME; keeps = keeps & ~ME; chunk = ENTRY(C_RUN, me); HIT(RUN_RETURNED);
		printf("process %d returns the run\n", me) } goto return_free
	/* the chunk as a large block's, */
	:: d_step { WHAT(chunk) == C_FREE && birth < KMAX -> busy = busy | ME; chunk = ENTRY(C_RUN, me);
		printf("process %d claims a run\n", me) } goto make_meta
	/* and as a small one's */
	:: d_step { WHAT(chunk) == C_FREE && birth < KMAX -> chunk = ENTRY(C_SMALL, me);
		printf("process %d claims the chunk for small blocks\n", me) } goto idle
	:: d_step { chunk == ENTRY(C_SMALL, NOBODY) -> chunk = ENTRY(C_SMALL, me);
		printf("process %d adopts the chunk\n", me) } goto idle
	:: d_step { chunk == ENTRY(C_SMALL, me) && STATE(meta) == FREE && birth < KMAX ->
		busy = busy | ME; bits = bits | ME;
		printf("process %d allocates a small block\n", me) } goto alloc_live
	:: d_step { chunk == ENTRY(C_SMALL, me) && STATE(meta) == FREE && !BIT(me) -> chunk = ENTRY(C_FREE, 0);
		printf("process %d gives the chunk back\n", me) } goto idle
	:: d_step { chunk == ENTRY(C_SMALL, me) && STATE(meta) != FREE && !BIT(me) ->
		busy = busy | ME; meta = META(INC(meta), MY_TAG, SCANNING);
		printf("process %d scans its small block\n", me) } goto small_used
	:: REAP(0) goto reap_entry
	:: REAP(1) goto reap_entry
	:: REAP(2) goto reap_entry
#if NP > 3
	:: REAP(3) goto reap_entry
#endif
	KILL
	fi;

	/* ---- allocate: the own bit is set ---- */
alloc_live:
	if
	:: d_step {
#if LIVE_EARLY
		bits = bits | ME;
#endif
		meta = META(INC(meta), 0, LIVE); birth++; obj[me] = birth; check();
		printf("process %d has birth %d\n", me, birth); done() } goto idle
	KILL
	fi;
return_free:
	if
	:: d_step { chunk = ENTRY(C_FREE, 0); done() } goto idle
	KILL
	fi;
make_meta:
	if
	:: d_step { meta = META(INC(meta), me, FREE) } goto make_head
	KILL
	fi;
make_head:
	if
	:: d_step { chunk = ENTRY(C_HEAD, me); keeps = keeps | ME; done() } goto idle
	KILL
	fi;

	/* ---- attach: the own bit is set. That nobody else holds the block may refuse it too: left open ---- */
attach_read:
	if
	:: d_step { INC(meta) == k && STATE(meta) == LIVE -> obj[me] = k; check();
		printf("process %d is attached\n", me); done() } goto idle
	:: d_step { INC(meta) == k && STATE(meta) == LIVE -> bits = bits & ~ME; check();
		printf("process %d is refused\n", me) } goto refused
	:: d_step { INC(meta) == k && STATE(meta) == SCANNING -> m = meta } goto attach_veto
	:: d_step { INC(meta) != k || STATE(meta) == FREE -> bits = bits & ~ME; check();
		printf("process %d is refused\n", me) } goto refused
	KILL
	fi;
attach_veto:
	if
	:: d_step { meta == m -> meta = META(k, 0, LIVE); HIT(VETO);
		printf("process %d vetoes\n", me) } goto attach_read
	:: d_step { meta != m -> skip } goto attach_read
	KILL_READ
	fi;
refused:
#if REFUSAL_FORGETS
	if
	:: d_step { done() } goto idle
	fi;
#else
	skip; goto try;
#endif

	/* ---- a bit was cleared, or an entry was found without one: try whether the large block is free ---- */
try:
#if TRY_BLIND
	if
	:: d_step { WHAT(chunk) == C_HEAD -> skip } goto try_blind
	:: d_step { WHAT(chunk) != C_HEAD -> done() } goto idle
	KILL
	fi;
try_blind:
	if
	:: d_step { m = meta } goto try_announce
	fi;
#else
	if
	:: d_step { m = meta } goto try_entry
	KILL
	fi;
try_entry:
	if
	:: d_step { WHAT(chunk) == C_HEAD -> skip } goto try_announce
	:: d_step { WHAT(chunk) != C_HEAD -> done() } goto idle
	KILL_READ
	fi;
#endif
try_announce:
	if
	:: d_step { STATE(m) == FREE -> done() } goto idle
	:: d_step { STATE(m) == SCANNING && ((m & RESCAN) || NO_RESCAN) -> done() } goto idle
	:: d_step { STATE(m) == SCANNING && !(m & RESCAN) && !NO_RESCAN && meta == m -> meta = m | RESCAN;
		printf("process %d asks the scanner to look again\n", me); done() } goto idle
	:: d_step { STATE(m) == LIVE && meta == m -> m = META(INC(m), MY_TAG, SCANNING); meta = m;
		printf("process %d scans the large block\n", me) } goto scan_used
	:: d_step { meta != m && STATE(m) != FREE && !(m & RESCAN) && !(NO_RESCAN && STATE(m) == SCANNING) ->
		m = 0 } goto try
	KILL_READ
	fi;
scan_used:
	if
	:: d_step { snap = used } goto scan_row
	KILL
	fi;
scan_row:
	if
	:: d_step { snap != 0 && BIT(FIRST(snap)) -> skip } goto scan_held
	:: d_step { snap != 0 && !BIT(FIRST(snap)) -> snap = snap & (snap - 1) } goto scan_row
	:: d_step { snap == 0 && meta == m -> meta = META(INC(m) + 1, me, FREE); check();
		assert(LARGE || WHAT(chunk) == C_HEAD);  /* never scan what is no large block any more */
		printf("process %d keeps the run\n", me);
		keeps = keeps | ME; done() } goto idle
	:: d_step { snap == 0 && meta != m -> skip } goto scan_lost
	KILL_READ
	fi;
scan_held:
	if
	:: d_step { meta == m -> meta = META(INC(m), 0, LIVE);
		printf("process %d: it is held\n", me); done() } goto idle
	:: d_step { meta != m -> skip } goto scan_lost
	KILL_READ
	fi;
scan_lost:
	if
	:: d_step { (REWIND -> STATE(meta) == SCANNING : meta == (m | RESCAN)) -> meta = m; HIT(RESCANNED);
		printf("process %d scans again\n", me) } goto scan_used
	:: d_step { !(REWIND -> STATE(meta) == SCANNING : meta == (m | RESCAN)) -> done() } goto idle
	KILL_READ
	fi;

	/* ---- the scan of a small block by the chunk's owner ---- */
small_used:
	if
	:: d_step { snap = used } goto small_row
	KILL
	fi;
small_row:
	if
	:: d_step { snap != 0 && BIT(FIRST(snap)) -> skip } goto small_held
	:: d_step { snap != 0 && !BIT(FIRST(snap)) -> snap = snap & (snap - 1) } goto small_row
	:: d_step { snap == 0 -> if :: STATE(meta) == SCANNING -> meta = META(INC(meta) + 1, (SMALL_UNTAGGED ->
		0 : me), FREE); check() :: else fi; done() } goto idle
	KILL_READ
	fi;
small_held:
	if
	:: d_step { if :: STATE(meta) == SCANNING -> meta = META(INC(meta), 0, LIVE) :: else fi; done() } goto idle
	fi;

	/* ---- reap: disown the chunk, wipe the row, free the slot, sweep ---- */
reap_entry:
	if
	:: d_step { WHAT(chunk) == C_HEAD -> skip } goto reap_meta
	:: d_step { chunk == ENTRY(C_SMALL, s) -> chunk = ENTRY(C_SMALL, NOBODY) } goto reap_row
	:: d_step { chunk == ENTRY(C_RUN, s) -> chunk = ENTRY(C_FREE, 0) } goto reap_row
	:: d_step { WHAT(chunk) != C_HEAD && chunk != ENTRY(C_SMALL, s) && chunk != ENTRY(C_RUN, s) ->
		skip } goto reap_row
	KILL
	fi;
reap_meta:
	if
	:: d_step { m = meta } goto reap_disown
	KILL_READ
	fi;
reap_disown:
	if
	:: d_step { STATE(m) == FREE && TAG(m) == s && !KEEPER_APART -> m = 0;
		assert(LARGE || WHAT(chunk) == C_HEAD); chunk = ENTRY(C_RUN, s); HIT(RUN_OF_THE_DEAD) } goto reap_return
	:: d_step { STATE(m) == SCANNING && TAG(m) == s && !SCAN_LEFT && meta == m ->
		meta = META(INC(m), 0, LIVE); m = 0; HIT(SCAN_DISOWNED) } goto reap_row
	:: d_step { STATE(m) == SCANNING && TAG(m) == s && !SCAN_LEFT && meta != m -> m = 0 } goto reap_meta
	:: d_step { !((STATE(m) == FREE && !KEEPER_APART) || (STATE(m) == SCANNING &&
		!SCAN_LEFT)) || TAG(m) != s -> m = 0 } goto reap_row
	KILL_READ
	fi;
reap_return:
	if
	:: d_step { chunk = ENTRY(C_FREE, 0) } goto reap_row
	KILL
	fi;
reap_row:
	if
	:: d_step { bits = bits & ~(1 << s); check() } goto reap_used
	KILL
	fi;
reap_used:
	if
	:: d_step { used = used & ~(1 << s); locked = locked & ~(1 << s); s = 0; reaping = 0;
		printf("process %d has reaped\n", me) }
#if NO_SWEEP
		goto finish
#else
		goto sweep
#endif
	KILL
	fi;
finish:
	if
	:: d_step { done() } goto idle
	fi;
	/* the table and the rows are looked at first; only what seems free is tried */
sweep:
	if
	:: d_step { WHAT(chunk) == C_HEAD -> skip } goto sweep_meta
	:: d_step { WHAT(chunk) != C_HEAD -> done() } goto idle
	KILL
	fi;
sweep_meta:
	if
	:: d_step { STATE(meta) == LIVE || (STATE(meta) == SCANNING && !SWEEP_LIVE_ONLY) -> snap = used } goto sweep_row
	:: d_step { STATE(meta) == FREE || (STATE(meta) == SCANNING && SWEEP_LIVE_ONLY) -> done() } goto idle
	KILL_READ
	fi;
sweep_row:
	if
	:: d_step { snap != 0 && BIT(FIRST(snap)) -> done() } goto idle
	:: d_step { snap != 0 && !BIT(FIRST(snap)) -> snap = snap & (snap - 1) } goto sweep_row
	:: d_step { snap == 0 -> skip } goto try
	KILL_READ
	fi;

dead:
end_dead:
	/* the slot's next process */
	if
	:: d_step { !((used >> me) & 1) && !((locked >> me) & 1) && alive != 0 && (LIVES == 0 || lives < LIVES) ->
		used = used | ME; alive = alive | ME;
		if :: LIVES != 0 -> lives++ :: else fi;
		printf("slot %d has a new process\n", me) } goto idle
	fi
}

init {
	atomic {
		run process(0); run process(1); run process(2);
#if NP > 3
		run process(3)
#endif
	}
}
