/* The semaphore of src/holdfast/_core/semaphore.h: post, take, wait, give up, and kill -9 between any two steps.
 *
 * Keeps true: no unit is lost or made up (but for the one that a killed taker has just taken), and invariant W: without
 * a kill nobody is left asleep beside a value above zero, though any sleep may end early. After a kill the ends of the
 * sleepers' bounded sleeps put it right.
 *
 * One transition is one access to shared memory, one system call, or a compare-and-swap. The futex wakes any sleeper.
 * Searched as lock.pml; the configurations are in cases.py.
 */
#ifndef TAKERS
#define TAKERS  3
#endif
#ifndef POSTERS
#define POSTERS 1
#endif
#ifndef POSTS
#define POSTS   2  /* of each poster */
#endif
#ifndef KILLS
#define KILLS   0
#endif
#ifndef EARLY
#define EARLY   1  /* sleeps that end early, in all */
#endif

/* Mutants: each must fail. */
#ifndef NO_FLAG_ON_TAKE
#define NO_FLAG_ON_TAKE 0    /* a runner takes the last unit and sets no WAITERS */
#endif
#ifndef NO_FLAG_ON_LEAVE
#define NO_FLAG_ON_LEAVE 0   /* a runner that finds nothing leaves without WAITERS */
#endif
#ifndef NO_CHAIN
#define NO_CHAIN 0           /* a runner that leaves units behind wakes nobody */
#endif
#ifndef FLAG_NOT_EXPECTED
#define FLAG_NOT_EXPECTED 0  /* the sleep compares with the word as read again */
#endif
#ifndef WAKE_FIRST
#define WAKE_FIRST 0         /* the post wakes before it posts */
#endif
#ifndef ENDLESS_SLEEP
#define ENDLESS_SLEEP 0      /* sleeps have no end of their own */
#endif

#define WAITERS 1
#define ONE     2
#define N       (TAKERS + POSTERS) /* takers come first */

byte word;
bit alive[N];
bit asleep[N];
bit woken[N];
bit done[N];
bit UNITS, WAKEUP, HANGS; /* always 0: they name an assertion in the checker's message */
byte early, kills, posted, taken;

#define CAS(old, new, ok) atomic { if :: word == (old) -> word = (new); ok = 1 :: else -> ok = 0 fi }
#define SLEEPER(p)        (p < TAKERS && asleep[p])

inline wake() {
	atomic {
		if
		:: SLEEPER(0) -> asleep[0] = 0; woken[0] = 1
		:: SLEEPER(1) -> asleep[1] = 0; woken[1] = 1
		:: SLEEPER(2) -> asleep[2] = 0; woken[2] = 1
		:: else
		fi
	}
}

proctype taker(byte me) provided (alive[me]) {
	byte w;
	bit ok, runner;

try:    /* hf_semaphore_try */
	w = word;
	if
	:: w >= ONE ->
		CAS(w, w - ONE, ok);
		if :: ok -> goto took :: !ok -> goto try fi
	:: w < ONE
	fi;
	atomic { /* the compare-and-swap of 0 with WAITERS */
		if
		:: word == 0 -> word = WAITERS
		:: word == WAITERS
		:: word >= ONE -> goto try
		fi
	}
	w = WAITERS;
	if :: FLAG_NOT_EXPECTED -> w = word :: !FLAG_NOT_EXPECTED fi;
	atomic { if :: word == w -> asleep[me] = 1 :: word != w -> runner = 1 fi }
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
	:: w >= ONE ->
		CAS(w, (w - ONE == 0 && runner && !NO_FLAG_ON_TAKE -> WAITERS : w - ONE), ok);
		if
		:: !ok -> goto after
		:: ok && w - ONE != 0 && runner && !NO_CHAIN -> wake()
		:: else
		fi;
		goto took
	:: w < ONE && runner && w == 0 && !NO_FLAG_ON_LEAVE ->
		CAS(0, WAITERS, ok);
		if :: ok :: !ok -> goto after fi
	:: else
	fi;
	/* the slice is over: on with the next, or away */
	atomic { runner = 0; w = 0; ok = 0; if :: goto try :: goto over fi }

took:
	atomic { taken++; runner = 0; w = 0; ok = 0; if :: goto try :: goto over fi }

over:
	done[me] = 1
}

proctype poster(byte me) provided (alive[me]) {
	byte w, n;
	bit ok;
	do
	:: n == POSTS -> break
	:: n < POSTS ->
		w = word;
		if :: WAKE_FIRST && (w & WAITERS) -> wake() :: else fi;
		atomic {
			if
			:: word == w -> word = (w & ~WAITERS) + ONE; ok = 1; posted++; n++
			:: word != w -> ok = 0
			fi
		}
		if
		:: ok && (w & WAITERS) && !WAKE_FIRST -> wake()
		:: else
		fi
	od;
	done[me] = 1
}

active proctype killer() {
	byte victim;
	do
	:: kills < KILLS ->
		atomic {
			select (victim : 0 .. N - 1);
			if
			:: alive[victim] && !done[victim] ->
				alive[victim] = 0; asleep[victim] = 0; woken[victim] = 0; kills++
			:: else
			fi;
			victim = 0
		}
	od
}

active proctype watcher() {
	do
	:: timeout ->  /* nothing can go on by itself */
		atomic {
			if
			:: word >= ONE && (SLEEPER(0) || SLEEPER(1) || SLEEPER(2)) ->
				assert(WAKEUP || kills > 0); /* W */
				assert(HANGS || !ENDLESS_SLEEP);
				if
				:: SLEEPER(0) -> asleep[0] = 0
				:: SLEEPER(1) -> asleep[1] = 0
				:: SLEEPER(2) -> asleep[2] = 0
				fi
			:: else ->
				assert(UNITS || (word / ONE + taken <= posted && posted <= word / ONE + taken + kills));
				break
			fi
		}
	od
}

init {
	byte p;
	atomic {
		do
		:: p < TAKERS -> alive[p] = 1; run taker(p); p++
		:: p >= TAKERS && p < N -> alive[p] = 1; run poster(p); p++
		:: p == N -> break
		od;
		p = 0
	}
}
