/* Tickets: a sender pickles an object, receivers unpickle it, anyone may be killed between any two steps, and the
 * sender's slot is reaped into an estate.
 *
 * Keeps true: the promise (an attach with an unused ticket succeeds while the sender lives or its grace period runs),
 * I1 and I2 for the target, and I5: when nobody is in the middle of anything and graces are over, every hold bit
 * stands for something alive.
 *
 * Process 0 sends, 1 and 2 receive (each message as often as they like), 3 owns the chunk of the target and adopts the
 * chunk of tickets; everyone reaps. Block T is the target, block X the ticket, used for two tickets one after another.
 */
#ifndef TICKETS
#define TICKETS 2    /* tickets issued, all in block X */
#endif
#ifndef KMAX
#define KMAX 2       /* births of T */
#endif

/* Mutants: each must fail. */
#ifndef NO_VETO
#define NO_VETO 0           /* an attach that meets a scan is refused (busy means refuse) */
#endif
#ifndef HOLDS_NOTHING
#define HOLDS_NOTHING 0     /* the sender does not hold the target for the ticket: drop before used */
#endif
#ifndef SWEEP_BLIND
#define SWEEP_BLIND 0       /* the sweep does not look whether the ticket was used */
#endif
#ifndef ISSUE_LATE
#define ISSUE_LATE 0        /* the message is sent before the ticket says UNUSED */
#endif
#ifndef MARK_FIRST
#define MARK_FIRST 0        /* the receiver marks the ticket used before it attaches */
#endif
#ifndef MARK_BLIND
#define MARK_BLIND 0        /* the receiver marks whatever lies at the ticket's place, without attaching to it */
#endif
#ifndef ESTATE_SKIPPED
#define ESTATE_SKIPPED 0    /* a reaper wipes the whole row of a dead sender */
#endif
#ifndef ESTATE_CLAIMED
#define ESTATE_CLAIMED 0    /* a fork takes an estate's slot, since its lifeline is free */
#endif
#ifndef TICKETS_BY_OWNER
#define TICKETS_BY_OWNER 0  /* a reaper looks for tickets in the chunks that the dead one still owns */
#endif
#ifndef SCAN_SKIPS_DEAD
#define SCAN_SKIPS_DEAD 0   /* scans and attaches read the rows of living processes only */
#endif

#define FREE     0
#define LIVE     1
#define SCANNING 2
#define T 0
#define X 1

#define S_FREE   0   /* states of a slot's card */
#define S_LIVE   1
#define S_ESTATE 2

#define NOTHING  0   /* what a ticket says */
#define UNUSED   1
#define USED     2
#define NOBODY   7

/* ---- shared ---- */
byte inc[2] = { 1, 1 };
byte st[2] = { LIVE, FREE };
byte row[4] = { 1, 0, 0, 0 };   /* bit T, bit X */
byte card[4] = { S_LIVE, S_LIVE, S_LIVE, S_LIVE };   /* FREE: the used bit is clear too */
byte says;                      /* the ticket's state word */
byte owner = 0;                 /* of the chunk of tickets */
byte expired;                   /* slots whose grace period is over */
byte sent;                      /* messages in the world: message j names birth 1 of T and incarnation j of X */
/* ---- kernel ---- */
byte alive = 15;
byte locked;                    /* dead slots whose lifeline a reaper has */
/* ---- private ---- */
byte obj[4] = { 1, 0, 0, 0 };   /* birth of the object on T */
bit out;                        /* the sender remembers a ticket, and what it holds for it */
byte busy;
/* ---- ghost ---- */
byte birth = 1;                 /* of T */
byte marked;                    /* messages whose receiver has marked the ticket used, */
byte arrived;                   /* and those with which somebody was attached */
bit I1, I2, I5, PROMISE, TICKET;   /* always 0: they name an assertion in the message of the checker */

#define ME        (1 << me)
#define BIT(p, x) ((row[p] >> (x)) & 1)
#define OK(p)     (obj[p] == 0 || (BIT(p, T) && obj[p] == birth && st[T] != FREE))
#define EXPLAINED(p) (card[p] == S_ESTATE || card[p] == S_FREE || (BIT(p, T) == (obj[p] != 0 || (p == 0 && out && \
		!HOLDS_NOTHING)) && BIT(p, X) == (p == 0 && out)))

#define UNREAPED(p) (card[p] == S_LIVE && !((alive >> (p)) & 1))
#define SLOTS_DEAD  (UNREAPED(0) || UNREAPED(1) || UNREAPED(2) || UNREAPED(3))

inline check() {
	assert(I1 || ((obj[0] == 0 || BIT(0, T)) && (obj[1] == 0 || BIT(1, T)) && (obj[2] == 0 || BIT(2, T)) &&
		(obj[3] == 0 || BIT(3, T))));
	assert(I2 || (OK(0) && OK(1) && OK(2) && OK(3)));
	assert(TICKET || !out || (BIT(0, X) && st[X] != FREE))
}
inline quiet() {
	if
	:: busy == 0 ->
		assert(I5 || (EXPLAINED(0) && EXPLAINED(1) && EXPLAINED(2) && EXPLAINED(3)) || SLOTS_DEAD)
	:: else
	fi
}

inline done() { s = 0; j = 0; x = 0; keep = 0; tag = 0; busy = busy & ~ME; quiet() }
inline die() {
	alive = alive & ~ME; obj[me] = 0; locked = locked & ~mine;
	if :: me == 0 -> out = 0 :: else fi;
	mine = 0; s = 0; j = 0; x = 0; keep = 0; tag = 0; busy = busy & ~ME;
	printf("process %d is killed\n", me)
}
#define KILL :: d_step { die() } goto dead

#ifdef COUNT
c_decl { \#include "hits.h" }
#define HIT(n) c_code { hits[HIT_ ## n]++; }
#else
#define HIT(n) skip
#endif

#define UNPICKLE(n) d_step { (me == 1 || me == 2) && obj[me] == 0 && sent >= n -> busy = busy | ME; j = n; \
		printf("process %d unpickles message %d\n", me, j) }
#define REAP(n) d_step { n != me && !((alive >> n) & 1) && !((locked >> n) & 1) && \
		(card[n] == S_LIVE || (card[n] == S_ESTATE && (((expired >> n) & 1) || says != UNUSED))) -> \
		busy = busy | ME; s = n; mine = 1 << n; locked = locked | mine; \
		printf("process %d reaps slot %d: lifeline\n", me, s) }
#define SCAN(b) st[b] = SCANNING; x = b; tag = 0; s = 0; printf("process %d scans block %d\n", me, x)
#define ROW_READ(p) (!(SCAN_SKIPS_DEAD && !((alive >> (p)) & 1)))

proctype process(byte me) {
	byte s, j, x, keep, mine;
	bit tag;

idle:
	if
	/* ---- the sender: pickle; forget the object; look which tickets were used; its chunk of tickets ---- */
	:: d_step { me == 0 && obj[0] != 0 && !out && st[X] == FREE && owner == 0 && sent < TICKETS -> busy = busy | ME;
		row[0] = row[0] | 2; printf("sender allocates ticket %d: own bit\n", inc[X]) } goto issue_live
	:: d_step { me == 0 && out && (says == USED || SWEEP_BLIND) -> busy = busy | ME;
		printf("sender sees ticket %d used\n", inc[X]) } goto sweep_target
	:: d_step { obj[me] != 0 -> obj[me] = 0; if :: me == 0 && out && !HOLDS_NOTHING -> skip :: else ->
		row[me] = row[me] & ~1 fi;
		printf("process %d drops the object\n", me) } goto idle
	:: d_step { owner == me && st[X] == LIVE && !(me == 0 && out) -> busy = busy | ME; SCAN(X) } goto scan_row
	/* ---- receivers ---- */
	:: UNPICKLE(1)
#if MARK_FIRST
		goto mark
#else
		goto attach
#endif
#if TICKETS > 1
	:: UNPICKLE(2)
#if MARK_FIRST
		goto mark
#else
		goto attach
#endif
#endif
	/* ---- the owner of T's chunk ---- */
	:: d_step { me == 3 && st[T] == LIVE -> busy = busy | ME; SCAN(T) } goto scan_row
	:: d_step { me == 3 && st[T] == FREE && birth < KMAX ->
		row[3] = row[3] | 1; st[T] = LIVE; birth++; obj[3] = birth;
		check(); printf("owner allocates birth %d of T\n", birth) } goto idle
	:: d_step { me == 3 && owner == NOBODY -> owner = 3; HIT(TICKETS_ADOPTED);
		printf("owner adopts the chunk of tickets\n") } goto idle
	/* ---- everyone ---- */
	:: REAP(0) goto reap_disown
	:: REAP(1) goto reap_disown
	:: REAP(2) goto reap_disown
	:: REAP(3) goto reap_disown
#if ESTATE_CLAIMED
	:: d_step { me == 3 && card[0] == S_ESTATE && !(locked & 1) -> row[0] = row[3]; card[0] = S_LIVE; check();
		printf("owner forks a child into the estate's slot; it is killed\n") } goto idle
#endif
	:: d_step { die() } goto dead
	fi;

	/* ---- issue: own bit, (zeroed) LIVE, the word UNUSED, and only then the bytes ---- */
issue_live:
	if
	:: d_step { says = NOTHING; st[X] = LIVE } goto issue_unused
	KILL
	fi;
issue_unused:
	if
	:: d_step {
#if ISSUE_LATE
		sent++;
#else
		says = UNUSED; out = 1;
#endif
		printf("sender issues ticket %d\n", inc[X]) } goto issue_send
	KILL
	fi;
issue_send:
	if
	:: d_step {
#if ISSUE_LATE
		says = UNUSED; out = 1;
#else
		sent++;
#endif
		check(); printf("sender sends message %d\n", sent); done() } goto idle
	KILL
	fi;

	/* ---- sweep: what is held for a used ticket goes, then the ticket ---- */
sweep_target:
	if
	:: d_step { if :: obj[0] == 0 -> row[0] = row[0] & ~1 :: else fi; out = 0; check() } goto sweep_ticket
	KILL
	fi;
sweep_ticket:
	if
	:: d_step { row[0] = row[0] & ~2; done() } goto idle
	KILL
	fi;

	/* ---- unpickle: attach to T, mark the ticket used, let go of it ---- */
attach:
	if
	:: d_step { row[me] = row[me] | 1 } goto attach_read
	KILL
	fi;
attach_read:
	if
	:: d_step { inc[T] == 1 && st[T] == LIVE -> s = 0 } goto attach_held
	:: d_step { inc[T] == 1 && st[T] == SCANNING && !NO_VETO -> skip } goto attach_veto
	:: d_step { inc[T] != 1 || st[T] == FREE || (st[T] == SCANNING && NO_VETO) -> skip } goto refused
	KILL
	fi;
attach_veto:
	if
	:: d_step { inc[T] == 1 && st[T] == SCANNING -> st[T] = LIVE; HIT(VETO); s = 0;
		printf("process %d vetoes\n", me) } goto attach_held
	:: d_step { inc[T] != 1 || st[T] != SCANNING -> skip } goto attach_read
	fi;
	/* dropped by everyone, only not found by a scan yet: refused all the same */
attach_held:
	if
	:: d_step { s < 4 && s != me && BIT(s, T) && ROW_READ(s) ->
		obj[me] = 1; s = 0; arrived = arrived | (1 << j); check(); HIT(ARRIVED);
		if :: !(alive & 1) -> HIT(ARRIVED_FROM_THE_DEAD) :: else fi;
		if :: card[0] == S_ESTATE -> HIT(ARRIVED_FROM_AN_ESTATE) :: else fi;
		if :: (marked >> j) & 1 -> HIT(UNPICKLED_TWICE) :: else fi;
		printf("process %d is attached\n", me) }
#if MARK_FIRST
		goto finish
#else
		goto mark
#endif
	:: d_step { s < 4 && !(s != me && BIT(s, T) && ROW_READ(s)) -> s++ } goto attach_held
	:: d_step { s == 4 -> s = 0 } goto refused
	KILL
	fi;
refused:
	if
	:: d_step { assert(PROMISE || (((marked & arrived) >> j) & 1) || (expired & 1));
		row[me] = row[me] & ~1; HIT(REFUSED); printf("process %d is refused\n", me); done() } goto idle
	fi;
mark:
#if MARK_BLIND
	if
	:: d_step { if :: says == UNUSED -> says = USED :: else fi; marked = marked | (1 << j) } goto finish
	KILL
	fi;
#endif
	if
	:: d_step { row[me] = row[me] | 2 } goto mark_read
	KILL
	fi;
mark_read:
	if
	:: d_step { inc[X] == j && st[X] == LIVE -> skip } goto mark_used
	:: d_step { inc[X] == j && st[X] == SCANNING -> st[X] = LIVE } goto mark_used     /* the veto */
	:: d_step { inc[X] != j || st[X] == FREE -> HIT(TICKET_GONE) } goto mark_drop
	KILL
	fi;
mark_used:
	if
	:: d_step { if :: says == UNUSED -> says = USED :: else fi; marked = marked | (1 << j);
		printf("process %d marks ticket %d used\n", me, j) } goto mark_drop
	KILL
	fi;
mark_drop:
	if
	:: d_step { row[me] = row[me] & ~2 }
#if MARK_FIRST
		goto attach
#else
		goto finish
#endif
	KILL
	fi;
finish:
	if
	:: d_step { done() } goto idle
	KILL
	fi;

	/* ---- scan of T or X by the owner of its chunk ---- */
scan_row:
	if
	:: d_step { s < 4 && BIT(s, x) && ROW_READ(s) && card[s] != S_FREE -> if :: st[x] == SCANNING ->
		st[x] = LIVE :: else fi; done() } goto idle
	:: d_step { s < 4 && !(BIT(s, x) && ROW_READ(s) && card[s] != S_FREE) -> s++ } goto scan_row
	:: d_step { s == 4 -> if :: st[x] == SCANNING -> st[x] = FREE; inc[x]++; check();
		printf("block %d is free\n", x) :: else fi; done() } goto idle
	KILL
	fi;

	/* ---- reap: disown, find the tickets, wipe the row but for them, then the card ---- */
reap_disown:
	if
	:: d_step { if :: owner == s -> owner = NOBODY :: else fi } goto reap_find
	KILL
	fi;
reap_find:
	if
	/* the tickets of a row: its bits in chunks of tickets, unused */
	:: d_step { keep = (BIT(s, X) && says == UNUSED && !((expired >> s) & 1) && !ESTATE_SKIPPED &&
		!(TICKETS_BY_OWNER && owner != s) -> 3 : 0) } goto reap_target
	KILL
	fi;
reap_target:
	if
	:: d_step { row[s] = row[s] & (keep | 2); check() } goto reap_ticket
	KILL
	fi;
reap_ticket:
	if
	:: d_step { if :: BIT(s, X) && !(keep & 2) && (row[s] & 1) == 0 ->
		skip :: else fi; row[s] = row[s] & (keep | 1); check() } goto reap_card
	:: d_step { HIT(HALF_REAPED); die() } goto dead
	fi;
reap_card:
	if
	:: d_step { if
		:: keep && row[s] != 0 -> card[s] = S_ESTATE; HIT(ESTATE)
		:: else -> if :: (expired >> s) & 1 -> HIT(ESTATE_OVER) :: else fi; card[s] = S_FREE
		fi;
		locked = locked & ~mine; mine = 0; printf("process %d has reaped slot %d: card %d\n", me, s, card[s]); done() } goto idle
	KILL
	fi;

dead:
end_dead:
	false
}

/* Time: the grace period of an estate may end whenever it likes. */
proctype clock() {
end_clock:
	do
	:: d_step { card[0] == S_ESTATE && !(expired & 1) -> expired = expired | 1;
		printf("the grace of slot 0 is over\n") }
	:: d_step { card[1] == S_ESTATE && !(expired & 2) -> expired = expired | 2 }
	:: d_step { card[2] == S_ESTATE && !(expired & 4) -> expired = expired | 4 }
	od
}

init {
	atomic { run process(0); run process(1); run process(2); run process(3); run clock() }
}
