/* Blocks of a small chunk, after src/holdfast/_core/{scan,rows,slots,fork}.c: fork, spawn, drop, allocate, attach, scan,
 * reap, adopt, and kill -9 between any two steps.
 *
 * Keeps true: I1 (a live object implies its process's own hold bit, or a pin), I2 (a block gets a new incarnation only
 * when no live process has an object on it), I5 (whoever was killed wherever, the last process alive can make every
 * block reusable that is not pinned).
 *
 * One transition is one access to shared memory or one system call. README.md says which neighbours are merged and why
 * that loses nothing; -DFINE takes them apart again. A process is named by its slot, and a slot that was reaped may get
 * a new process: any number may live one after another, NP at once.
 */
#ifndef NP
#define NP    4
#endif
#ifndef KMAX0
#define KMAX0 2   /* births of block 0; */
#endif
#ifndef KMAX1
#define KMAX1 1   /* of block 1 */
#endif

#ifndef LIVES
#define LIVES 4   /* processes that ever live */
#endif

/* Mutants: each must fail. */
#ifndef NO_EPOCH_CHECK
#define NO_EPOCH_CHECK 0     /* the scan does not look whether the epoch moved */
#endif
#ifndef NO_EPOCH_BUMP
#define NO_EPOCH_BUMP 0      /* the fork does not move it */
#endif
#ifndef EPOCH_EARLY
#define EPOCH_EARLY 0        /* the fork moves it before the copy */
#endif
#ifndef LIFELINE_LATE
#define LIFELINE_LATE 0      /* the fork copies the row before it has the lifeline */
#endif
#ifndef USED_LATE
#define USED_LATE 0          /* the fork sets the used bit after the copy */
#endif
#ifndef PIN_NO_EPOCH
#define PIN_NO_EPOCH 0       /* a fork that pins does not move the epoch */
#endif
#ifndef NO_ANNOUNCE
#define NO_ANNOUNCE 0        /* the scan leaves meta LIVE (no busy mark) */
#endif
#ifndef SCAN_STORES
#define SCAN_STORES 0        /* the verdict is stored, whatever meta says meanwhile */
#endif
#ifndef VETO_STORES
#define VETO_STORES 0        /* so is the veto */
#endif
#ifndef NO_BUMP
#define NO_BUMP 0            /* a reused block keeps its incarnation */
#endif
#ifndef BIT_LATE
#define BIT_LATE 0           /* an attach reads meta, then sets its bit */
#endif
#ifndef CLEAR_HELD
#define CLEAR_HELD 0         /* a refused attach clears its bit although the process held the block before */
#endif
#ifndef REAP_UNLOCKED
#define REAP_UNLOCKED 0      /* a reaper asks for the lifeline but does not take it */
#endif
#ifndef USED_FIRST
#define USED_FIRST 0         /* a reaper clears the used bit before the row */
#endif
#ifndef NO_DISOWN
#define NO_DISOWN 0          /* a reaper leaves the dead one's chunk its own */
#endif
#ifndef CHILD_ALLOCATES
#define CHILD_ALLOCATES 0    /* a child goes on with its parent's ready mask */
#endif

#define FREE     0
#define LIVE     1
#define SCANNING 2
#define NB       2
#define PIN      4   /* the row that no one clears */
#define NOBODY   7
#define ALL      ((1 << NP) - 1)

/* ---- shared memory ---- */
byte used = 2;       /* used bitmap, bit per slot; process 1 is the first, so that children get slots below and above */
byte row[5];         /* hold bits; a block's bit stands for a word, so rows are written one block at a time */
byte moved;          /* the epoch, as its readers see it: bit p = it moved since p's scan read it */
byte owner = 1;      /* chunk entry: who owns the chunk of both blocks */
byte inc[NB] = 1;    /* meta: incarnation */
byte st[NB] = LIVE;  /*       and state; read and swapped as one word */
/* ---- the kernel ---- */
byte alive = 2;      /* processes; each has its slot's lifeline */
byte locked;         /* other lifelines that somebody has: of children to be, of dead slots being reaped */
/* ---- private to processes; global only so that the invariants can see it ---- */
byte reading;        /* processes between their two reads of the epoch */
byte obj[8];         /* birth of process p's live object on block b; 0: none */
byte pinned[NB];     /* birth of an object of a child that got no slot; such children live for ever */
byte heirs;          /* CHILD_ALLOCATES */
/* ---- ghost ---- */
byte birth[NB] = 1;  /* how often the block was given out: what the incarnation has to tell */
byte lives = 1;
bit last;            /* the one process left only cleans up from here on */
bit I1, I2, I5, CLEAN;   /* always 0: they name the assertion in the checker's message */

#define ME           (1 << me)
#define OBJ(p, b)    obj[(p) * NB + (b)]
#define HAS(r, b)    ((row[r] >> (b)) & 1)
#define NAME(k)      (NO_BUMP -> 1 : k)       /* the incarnation that a pickle of birth k names */
#define FREE_SLOTS   (ALL & ~used & ~locked & ~alive)
#define DEAD(s)      (((used & ~alive & ~locked) >> (s)) & 1)
#define FIRST(m)     ((m) & 1 -> 0 : ((m) & 2 -> 1 : ((m) & 4 -> 2 : 3)))
#define MINE         (owner == me || (heirs & ME))

#ifdef COUNT  /* which situations occur: counted outside of the state, printed at the end of the search */
c_decl { \#include "hits.h" }
#define HIT(n) c_code { hits[HIT_ ## n]++; }
#else
#define HIT(n) skip
#endif

#define HELD(p, b)   (OBJ(p, b) == 0 || HAS(p, b))
#define SAME(p, b)   (OBJ(p, b) == 0 || (OBJ(p, b) == birth[b] && st[b] != FREE))
#define PINNED(b)    (pinned[b] == 0 || HAS(PIN, b))
#define STILL(b)     (pinned[b] == 0 || (pinned[b] == birth[b] && st[b] != FREE))

inline check() {
	assert(I1 || (HELD(0, 0) && HELD(0, 1) && HELD(1, 0) && HELD(1, 1) && HELD(2, 0) && HELD(2, 1) &&
		HELD(3, 0) && HELD(3, 1) && PINNED(0) && PINNED(1)));
	assert(I2 || (SAME(0, 0) && SAME(0, 1) && SAME(1, 0) && SAME(1, 1) && SAME(2, 0) && SAME(2, 1) &&
		SAME(3, 0) && SAME(3, 1) && STILL(0) && STILL(1)))
}

inline done() {
	s = 0; b = 0; k = 0; snap = 0; was = 0;
	reading = reading & ~ME; moved = moved & ~ME
}

inline let_go() { if :: mine != NOBODY -> locked = locked & ~(1 << mine); mine = NOBODY :: else fi }

inline die() {
	alive = alive & ~ME; heirs = heirs & ~ME; OBJ(me, 0) = 0; OBJ(me, 1) = 0;
	let_go(); done();
	printf("process %d is killed\n", me)
}
#define KILL :: d_step { !last -> die() } goto unborn
#ifdef FINE
#define KILL_READ KILL   /* who dies between two reads leaves what who dies before the first leaves */
#else
#define KILL_READ
#endif

inline take_lifeline(x) { locked = locked | (1 << (x)); mine = x }

inline claim() {
	s = FIRST(FREE_SLOTS);
	assert(CLEAN || LIFELINE_LATE || row[s] == 0);   /* a free slot's row is empty: no bit that nobody will ever clear */
	if :: !LIFELINE_LATE -> take_lifeline(s) :: else fi;
#ifndef FINE
	if :: !USED_LATE -> used = used | (1 << s) :: else fi;
#endif
	printf("process %d claims slot %d for a child\n", me, s)
}

inline scan_end(to, plus) {
	assert(I5 || !last || HAS(PIN, b) || to == FREE);
	if
	:: st[b] == SCANNING || SCAN_STORES || (NO_ANNOUNCE && st[b] == LIVE) ->
		st[b] = to; inc[b] = inc[b] + (NO_BUMP -> 0 : plus); check();
		printf("process %d ends its scan of block %d: state %d\n", me, b, to)
	:: else ->
		HIT(VETO_STOPS_SCAN);
		printf("process %d ends its scan of block %d: vetoed\n", me, b)
	fi;
	done()
}

/* ---- the first step of each operation ---- */
/* fork, with the process's lock taken; hf_i_slot_claim: lifeline, used bit */
#define FORK   d_step { !last && lives < LIVES && FREE_SLOTS != 0 -> lives++; claim() }
/* spawn: a process that inherits nothing takes a slot by itself */
#define SPAWN  d_step { !last && lives < LIVES && alive != 0 && (FREE_SLOTS & ME) && FIRST(FREE_SLOTS) == me -> \
		assert(CLEAN || LIFELINE_LATE || row[me] == 0); used = used | ME; alive = alive | ME; lives++; \
		printf("process %d joins\n", me) }
#define DROP(x) d_step { OBJ(me, x) != 0 -> OBJ(me, x) = 0; row[me] = row[me] & ~(1 << x); \
		printf("process %d drops block %d\n", me, x) }
#define ALLOC(x, most) d_step { !last && MINE && st[x] == FREE && birth[x] < most -> \
		b = x; row[me] = row[me] | (1 << x); printf("process %d allocates block %d: own bit\n", me, x) }
#define ATTACH(x, j) d_step { !last && OBJ(me, x) != j && (j < birth[x] || (j == birth[x] && st[x] != FREE)) -> \
		b = x; k = j; was = HAS(me, x); if :: !BIT_LATE -> row[me] = row[me] | (1 << x) :: else fi; \
		printf("process %d attaches to birth %d of block %d: own bit\n", me, j, x) }
#define SCAN(x) d_step { MINE && st[x] != FREE && (!last || (OBJ(me, x) == 0 && used == ME)) -> \
		if :: st[x] == SCANNING -> HIT(SCAN_TAKEN_OVER) :: else fi; \
		if :: !NO_ANNOUNCE -> st[x] = SCANNING :: else fi; \
		b = x; printf("process %d scans block %d: announced\n", me, x) }
#define REAP(x) d_step { DEAD(x) -> s = x; if :: !REAP_UNLOCKED -> take_lifeline(x) :: else fi; \
		if :: owner == x && !NO_DISOWN -> owner = NOBODY :: else fi; \
		if :: USED_FIRST -> used = used & ~(1 << x) :: else fi; \
		printf("process %d reaps slot %d: lifeline\n", me, x) }
#define ADOPT  d_step { owner == NOBODY -> owner = me; HIT(CHUNK_ADOPTED); printf("process %d adopts the chunk\n", me) }
/* the words of the own row, one by one; a word without bits needs no write */
#define TO_COPY(r) (row[me] & ~row[r])
#define COPY(r, x) d_step { (TO_COPY(r) & (1 << x)) && !(TO_COPY(r) & ((1 << x) - 1)) -> \
		row[r] = row[r] | (1 << x); printf("process %d copies its bit of block %d to row %d\n", me, x, r) }

proctype process(byte me) {
	byte s, b, k, snap;
	byte mine = NOBODY;   /* whose lifeline I have besides my own */
	bit was;

unborn:
end_unborn:
	if
	:: (alive & ME)
#ifndef NO_SPAWN
	:: SPAWN
#endif
	fi;
idle:
	if
	:: FORK
#if EPOCH_EARLY
		goto fork_early
#elif defined(FINE)
		goto fork_used
#else
		goto fork_copy
#endif
	/* fork, and no slot, descriptor or memory to be had for the child */
	:: d_step { !last && lives < LIVES && row[me] != 0 && FREE_SLOTS == 0 -> lives++ } goto pin_row
	:: DROP(0) goto idle
	:: DROP(1) goto idle
	:: ALLOC(0, KMAX0) goto alloc_live
#if KMAX1 > 1
	:: ALLOC(1, KMAX1) goto alloc_live
#endif
#ifndef NO_ATTACH
	:: ATTACH(0, 1) goto attach_read
#if KMAX0 > 1
	:: ATTACH(0, 2) goto attach_read
#endif
#if KMAX1 > 1
	:: ATTACH(1, 1) goto attach_read
	:: ATTACH(1, 2) goto attach_read
#endif
#endif
	:: SCAN(0) goto scan_read
	:: SCAN(1) goto scan_read
	:: REAP(0) goto reap_row
	:: REAP(1) goto reap_row
	:: REAP(2) goto reap_row
#if NP > 3
	:: REAP(3) goto reap_row
#endif
	:: ADOPT goto idle
	:: d_step { !last && alive == ME -> last = 1 } goto idle
	:: d_step { last && used == ME && (st[0] == FREE || HAS(PIN, 0)) && (st[1] == FREE || HAS(PIN, 1)) ->
		assert(I5 || locked == 0); HIT(LAST_RECOVERS) } goto end_recovered
	KILL
	fi;

	/* ---- fork: slot claimed; copy the row, move the epoch, then the child may run ---- */
#ifdef FINE
fork_used:
	if
	:: d_step { used = used | (1 << s) } goto fork_copy
	KILL
	fi;
#endif
fork_copy:
	if
	:: COPY(s, 0) goto fork_copy
	:: COPY(s, 1) goto fork_copy
#if LIFELINE_LATE
	:: d_step { TO_COPY(s) == 0 && !((locked >> s) & 1) -> take_lifeline(s);
#else
	:: d_step { TO_COPY(s) == 0 ->
#endif
#if USED_LATE
		used = used | (1 << s);
#endif
#if !EPOCH_EARLY && !NO_EPOCH_BUMP
		moved = moved | reading;
#endif
		printf("process %d moves the epoch\n", me) } goto fork_call
	:: d_step { !last -> if :: row[s] != 0 -> HIT(FORK_HALF_COPIED) :: else fi; die() } goto unborn
	fi;
fork_call:
	if
	:: d_step { alive = alive | (1 << s); OBJ(s, 0) = OBJ(me, 0); OBJ(s, 1) = OBJ(me, 1);
		if :: CHILD_ALLOCATES && MINE -> heirs = heirs | (1 << s) :: else fi;
		check(); printf("process %d forks process %d\n", me, s);
#ifdef FINE
		} goto fork_unmap
#else
		let_go(); done() } goto idle
#endif
	:: d_step { let_go(); done(); HIT(FORK_FAILED); printf("process %d: fork failed\n", me) } goto idle
	KILL
	fi;
#ifdef FINE
	/* the child has the lifeline too: in the model `locked` is the parent's copy of it */
fork_unmap:
	if
	:: d_step { let_go(); done() } goto idle
	KILL
	fi;
#endif
#if EPOCH_EARLY
fork_early:
	if
	:: d_step { moved = moved | reading; printf("process %d moves the epoch\n", me) } goto fork_copy
	fi;
#endif

	/* ---- fork without a slot: pin what the child will inherit ---- */
pin_row:
	if
	:: COPY(PIN, 0) goto pin_row
	:: COPY(PIN, 1) goto pin_row
	:: d_step { TO_COPY(PIN) == 0 ->
#if !PIN_NO_EPOCH
		moved = moved | reading;
#endif
		printf("process %d has pinned its row\n", me) } goto pin_call
	KILL
	fi;
pin_call:
	if
	:: d_step { if :: OBJ(me, 0) -> pinned[0] = OBJ(me, 0) :: else fi; if :: OBJ(me, 1) ->
		pinned[1] = OBJ(me, 1) :: else fi;
		check(); HIT(CHILD_PINNED); printf("process %d forks a child without a slot\n", me); done() } goto idle
	KILL
	fi;

	/* ---- allocate out of the private ready mask: the own bit is set ---- */
alloc_live:
	if
	:: d_step { st[b] = LIVE; birth[b]++; OBJ(me, b) = birth[b]; check(); HIT(BLOCK_REUSED);
		printf("process %d has birth %d of block %d\n", me, birth[b], b); done() } goto idle
	KILL
	fi;

	/* ---- attach: the own bit is set; now meta ---- */
#define NAMED (inc[b] == NAME(k))
#define GOT   OBJ(me, b) = k; check(); printf("process %d is attached to birth %d of block %d\n", me, k, b); done()
attach_read:
	if
#if BIT_LATE
	:: d_step { NAMED && st[b] == LIVE -> skip } goto attach_late
#else
	:: d_step { NAMED && st[b] == LIVE -> GOT } goto idle
#endif
	:: d_step { NAMED && st[b] == SCANNING -> skip } goto attach_veto
	:: d_step { !NAMED || st[b] == FREE -> skip } goto attach_refuse
	KILL
	fi;
attach_veto:
	if
	:: d_step { VETO_STORES || (NAMED && st[b] == SCANNING) -> HIT(VETO); st[b] = LIVE;
		printf("process %d vetoes the scan\n", me); GOT } goto idle
	:: d_step { !VETO_STORES && !(NAMED && st[b] == SCANNING) -> HIT(VETO_TOO_LATE) } goto attach_read
	KILL_READ
	fi;
attach_refuse:
	if
	:: d_step { if
		:: !was || CLEAR_HELD -> row[me] = row[me] & ~(1 << b)
		:: else -> HIT(REFUSED_BUT_HELD)
		fi;
		check(); printf("process %d is refused: LifetimeError\n", me); done() } goto idle
	KILL_READ
	fi;
#if BIT_LATE
attach_late:
	if
	:: d_step { row[me] = row[me] | (1 << b); GOT } goto idle
	KILL
	fi;
#endif

	/* ---- scan: announced; epoch, pins, used bitmap, rows, epoch, verdict ---- */
#ifdef FINE
scan_read:
	if
	:: d_step { reading = reading | ME } goto scan_pin
	KILL
	fi;
scan_pin:
	if
	:: d_step { !HAS(PIN, b) -> skip } goto scan_used
	:: d_step { HAS(PIN, b) -> skip } goto scan_keep
	KILL
	fi;
scan_used:
	if
	:: d_step { snap = used } goto scan_row
	KILL
	fi;
scan_row:
	if
	:: d_step { snap != 0 && HAS(FIRST(snap), b) -> skip } goto scan_keep
	:: d_step { snap != 0 && !HAS(FIRST(snap), b) -> snap = snap & (snap - 1) } goto scan_row
	:: d_step { snap == 0 && !(moved & ME) -> skip } goto scan_free
	:: d_step { snap == 0 && (moved & ME) -> HIT(EPOCH_MOVED) } goto scan_keep
	KILL
	fi;
scan_free:
	if
	:: d_step { scan_end(FREE, 1) } goto idle
	KILL
	fi;
scan_keep:
	if
	:: d_step { scan_end(LIVE, 0) } goto idle
	KILL
	fi;
#else
scan_read:
	if
	:: d_step { !HAS(PIN, b) -> reading = reading | ME; snap = used } goto scan_row
	:: d_step { HAS(PIN, b) -> scan_end(LIVE, 0) } goto idle
	KILL
	fi;
scan_row:
	if
	:: d_step { snap != 0 && HAS(FIRST(snap), b) -> scan_end(LIVE, 0) } goto idle
	:: d_step { snap != 0 && !HAS(FIRST(snap), b) ->
		printf("process %d reads row %d: no bit of block %d\n", me, FIRST(snap), b);
		snap = snap & (snap - 1) } goto scan_row
	:: d_step { snap == 0 && (!(moved & ME) || NO_EPOCH_CHECK) -> scan_end(FREE, 1) } goto idle
	:: d_step { snap == 0 && (moved & ME) && !NO_EPOCH_CHECK -> HIT(EPOCH_MOVED); scan_end(LIVE, 0) } goto idle
	fi;
#endif

	/* ---- reap a dead slot under its lifeline: chunk disowned; row, then card and used bit ---- */
reap_row:
	if
	:: d_step { row[s] & 1 -> row[s] = row[s] & ~1; check() } goto reap_row
	:: d_step { row[s] == 2 -> row[s] = row[s] & ~2; check() } goto reap_row
	:: d_step { row[s] == 0 -> used = used & ~(1 << s);
		printf("process %d has reaped slot %d\n", me, s);
#ifdef FINE
		} goto reap_unlock
#else
		let_go(); done() } goto idle
#endif
	:: d_step { !last -> if :: row[s] == 2 -> HIT(REAP_HALF_DONE) :: else fi; die() } goto unborn
	fi;
#ifdef FINE
reap_unlock:
	if
	:: d_step { let_go(); done() } goto idle
	KILL
	fi;
#endif

end_recovered:
	false
}

init {
	atomic {
		row[1] = 3; OBJ(1, 0) = 1; OBJ(1, 1) = 1;
		run process(0); run process(1); run process(2);
#if NP > 3
		run process(3)
#endif
	}
}
