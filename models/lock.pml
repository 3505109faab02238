/* The lock of src/holdfast/_core/lock.h: grab, wait, release, give up, recover, abandon, and kill -9 between any two
 * steps.
 *
 * Keeps true: one at a time inside; invariant W (without a kill nobody needs the end of a bounded sleep to go on, though
 * any sleep may end early); and whoever is killed wherever, all others come to the end of their rounds, each kill costing
 * the ends of few sleeps.
 *
 * One transition is one access to shared memory, one system call, or a compare-and-swap. The futex wakes any sleeper,
 * not only the longest. The count in the word is kept modulo 4: more acquisitions than that between setting WAITERS and
 * sleeping are what the 30 bits of the real one make impossible.
 *
 * Searched without partial order reduction (the processes are `provided`) and with pan -E (a killed process ends where it
 * is; the watcher says when nothing can go on); the configurations are in cases.py.
 */
#ifndef N
#define N      3  /* processes */
#endif
#ifndef ROUNDS
#define ROUNDS 2  /* attempts of each to get in */
#endif
#ifndef KILLS
#define KILLS  1
#endif
#ifndef ENDS
#define ENDS   (N - 1)  /* sleeps that have to end by themselves for each kill: those of all others */
#endif
#ifndef EARLY
#define EARLY  1  /* sleeps that end early (a signal, a slice, a deadline), of each process */
#endif

/* Mutants: each must fail. */
#ifndef NO_FLAG_ON_ACQUIRE
#define NO_FLAG_ON_ACQUIRE 0  /* a runner gets in without WAITERS */
#endif
#ifndef NO_FLAG_ON_LEAVE
#define NO_FLAG_ON_LEAVE 0    /* a runner leaves without WAITERS */
#endif
#ifndef FLAG_NOT_EXPECTED
#define FLAG_NOT_EXPECTED 0   /* the sleep compares with the word as read again */
#endif
#ifndef STORE_RELEASE
#define STORE_RELEASE 0       /* the release reads WAITERS and stores, in two steps */
#endif
#ifndef WAKE_FIRST
#define WAKE_FIRST 0          /* the release wakes before it lets go */
#endif
#ifndef ENDLESS_SLEEP
#define ENDLESS_SLEEP 0       /* sleeps have no end of their own */
#endif
#ifndef RECOVER_STORES
#define RECOVER_STORES 0      /* recovery looks and stores, in two steps */
#endif

#define NOBODY  0
#define WAITERS 1
#define ORPHAN  2
#define ONE     4
#define COUNT   12
#define LOW     15
#define OWNER(w)    ((w) >> 4)
#define TAKEN(w, p) (((p) << 4) | ((w) & WAITERS) | (((w) + ONE) & COUNT))

byte word;            /* owner << 4 | count << 2 | ORPHAN | WAITERS; processes are 1 to N */
bit alive[N + 1];
bit asleep[N + 1];    /* in the futex's queue */
bit woken[N + 1];     /* taken off the queue by a wake */
bit inside[N + 1];
bit done[N + 1];
bit EXCLUSION, WAKEUP, HANGS; /* always 0: they name an assertion in the checker's message */
byte kills, ends;     /* ends: sleeps that had to end by themselves for anything to go on */

#define CAS(old, new, ok) atomic { if :: word == (old) -> word = (new); ok = 1 :: else -> ok = 0 fi }
#define SLEEPER(p)        (p <= N && asleep[p])

inline wake(all) {
	atomic {
		if
		:: (all) ->
			q = 1;
			do
			:: q <= N -> if :: asleep[q] -> asleep[q] = 0; woken[q] = 1 :: else fi; q++
			:: else -> break
			od
		:: !(all) ->
			if
			:: asleep[1] -> asleep[1] = 0; woken[1] = 1
			:: asleep[2] -> asleep[2] = 0; woken[2] = 1
			:: SLEEPER(3) -> asleep[3] = 0; woken[3] = 1
			:: SLEEPER(4) -> asleep[4] = 0; woken[4] = 1
			:: else
			fi
		fi;
		q = 0
	}
}

proctype process(byte me) provided (alive[me]) {
	byte w, round, q, early;
	bit ok, runner, recovered;

again:
	atomic {
		runner = 0; recovered = 0; w = 0; ok = 0;
		if
		:: round == ROUNDS -> goto over
		:: round < ROUNDS -> round++
		fi
	}

look:   /* hf_lock_grab and look() */
	w = word;
	if
	:: OWNER(w) == NOBODY ->
		CAS(w, TAKEN(w, me), ok);
		if :: ok -> goto in :: !ok -> goto look fi
	:: OWNER(w) != NOBODY && (w & ORPHAN) -> goto recover
	:: OWNER(w) != NOBODY && !(w & ORPHAN) -> skip
	fi;
	if      /* hf_ask */
	:: alive[OWNER(w)] -> skip
	:: !alive[OWNER(w)] -> goto mark
	fi;
	/* wait_slice() */
	if
	:: w & WAITERS -> skip
	:: !(w & WAITERS) ->
		CAS(w, w | WAITERS, ok);
		if :: ok -> w = w | WAITERS :: !ok -> goto look fi
	fi;
	if :: FLAG_NOT_EXPECTED -> w = word :: !FLAG_NOT_EXPECTED fi;
	atomic {
		if
		:: (word & LOW) == (w & LOW) -> asleep[me] = 1
		:: (word & LOW) != (w & LOW) -> runner = 1
		fi
	}
	if
	:: runner
	:: !runner ->
		atomic {
			if
			:: woken[me] -> woken[me] = 0; runner = 1
			:: asleep[me] && early < EARLY -> early++; asleep[me] = 0
			:: !asleep[me] && !woken[me] /* its end came, see the watcher */
			fi
		}
	fi;

after:  /* after_sleep() */
	w = word;
	if
	:: OWNER(w) == NOBODY ->
		CAS(w, TAKEN(w, me) | (runner && !NO_FLAG_ON_ACQUIRE -> WAITERS : 0), ok);
		if :: ok -> goto in :: !ok -> goto after fi
	:: OWNER(w) != NOBODY && (w & ORPHAN) -> goto recover
	:: OWNER(w) != NOBODY && !(w & ORPHAN) && runner && !(w & WAITERS) && !NO_FLAG_ON_LEAVE ->
		CAS(w, w | WAITERS, ok);
		if :: ok :: !ok -> goto after fi
	:: else
	fi;
	/* the slice is over: on with the next, or away */
	atomic {
		runner = 0; w = 0; ok = 0;
		if
		:: goto look
		:: goto again
		fi
	}

mark:   /* mark_orphan(): w is what was asked about */
	CAS(w, (w | ORPHAN) & ~WAITERS, ok);
	if
	:: !ok -> goto look
	:: ok -> wake(1)
	fi;

recover:
	w = word;
	if
	:: (w & ORPHAN) == 0 -> goto look
	:: w & ORPHAN ->
		if
		:: RECOVER_STORES -> word = TAKEN(w, me); ok = 1
		:: !RECOVER_STORES -> CAS(w, TAKEN(w, me), ok)
		fi;
		if :: ok -> recovered = 1 :: !ok -> goto recover fi
	fi;

in:
	atomic {
		runner = 0; w = 0; ok = 0;
		/* one at a time: others that think they are in are dead, and whoever came in after them was told */
		assert(EXCLUSION || (!(inside[1] && alive[1] && me != 1) && !(inside[2] && alive[2] && me != 2)));
		assert(EXCLUSION || N < 3 || !(inside[N] && alive[N] && me != N));
		inside[me] = 1
	}
	atomic { inside[me] = 0; if :: recovered -> goto abandon :: goto release fi }

release:
	if :: WAKE_FIRST -> w = word; if :: w & WAITERS -> wake(0) :: else fi :: !WAKE_FIRST fi;
	w = word;
	if
	:: STORE_RELEASE -> word = w & COUNT; ok = 1
	:: !STORE_RELEASE -> CAS(w, w & COUNT, ok)
	fi;
	if
	:: !ok -> goto release
	:: ok && (w & WAITERS) && !WAKE_FIRST -> wake(0)
	:: else
	fi;
	goto again;

abandon: /* hf_lock_abandon: an orphan again; its name, here, is its abandoner's */
	w = word;
	CAS(w, (w | ORPHAN) & ~WAITERS, ok);
	if
	:: ok -> wake(1); goto again
	:: !ok -> goto abandon
	fi;

over:
	done[me] = 1
}

active proctype killer() {
	byte victim;
	do
	:: kills < KILLS ->
		atomic {
			select (victim : 1 .. N);
			if
			:: alive[victim] && !done[victim] ->
				alive[victim] = 0; asleep[victim] = 0; woken[victim] = 0; kills++
			:: else
			fi;
			victim = 0
		}
	od
}

#define OVER(p) (p > N || !alive[p] || done[p])

active proctype watcher() {
	do
	:: timeout ->  /* nothing can go on by itself */
		atomic {
			if
			:: OVER(1) && OVER(2) && OVER(3) && OVER(4) -> break
			:: else ->
				/* W: then somebody was killed; and then it is put right when every sleeper has looked once */
				ends++;
				assert(WAKEUP || (kills > 0 && ends <= kills * ENDS));
				if
				:: !ENDLESS_SLEEP && asleep[1] -> asleep[1] = 0
				:: !ENDLESS_SLEEP && asleep[2] -> asleep[2] = 0
				:: !ENDLESS_SLEEP && SLEEPER(3) -> asleep[3] = 0
				:: !ENDLESS_SLEEP && SLEEPER(4) -> asleep[4] = 0
				:: else -> assert(HANGS || false) /* stuck, and nobody sleeps: or for ever */
				fi
			fi
		}
	od
}

init {
	byte p;
	atomic {
		p = 1;
		do
		:: p <= N -> alive[p] = 1; run process(p); p++
		:: else -> break
		od;
		p = 0
	}
}
