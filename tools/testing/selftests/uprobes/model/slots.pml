/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may use a slot, and when a site is freed: the protocol of xol.c, thread.c,
 * hit.c and reclaim.c, for spin, which tries every order of its steps.
 *
 * Threads hit two sites over and over (twice, with FINITE); there is one slot, so that each site has to
 * steal it from the other. Meanwhile somebody takes out the first site and frees
 * it. What must hold, in any order:
 *
 *	- a thread executes the copy of the instruction it has hit;
 *	- nobody touches a site that was freed;
 *	- the site that was taken out is freed in the end, also if threads do not
 *	  enter the kernel any more.
 *
 * The copies are boosted: a thread that has left the slot says nothing, and goes
 * on naming it until somebody looks.
 *
 * Each define leaves something out of the protocol; the model must notice:
 *
 *	NO_MB_HIT	no barrier between naming the slot and looking again
 *	NO_MB_STEAL	no barrier between hiding the slot and looking for names
 *	NO_NAME		a thread does not name the slot
 *	NO_SITE_NAME	nor the site
 *	NO_GRACE	the site is freed without a grace period
 *	NO_LOOK		nobody looks where a boosted thread is
 *	NO_CLAIM	who gets a slot names it only when it has let go of the lock
 *	NO_OUT		settle() looks without saying that it does
 */

#ifndef THREADS
#define THREADS	2
#endif
#define HITS	2
#define SITES	2
#define NONE	SITES		/* no site */

#define OUT	0
#define BOOSTED	1

byte slot_of[SITES];		/* site->slot: 1 if the site shows the slot */
byte owner = NONE;		/* whose the slot is, under the lock */
byte text = NONE;		/* whose copy is in the slot */
bool hashed[SITES], freed[SITES];

byte state[THREADS];		/* uprobe_thread->state */
byte names_slot[THREADS];	/* uprobe_thread->slot */
byte names_site[THREADS];	/* uprobe_thread->site */
bool in_slot[THREADS];		/* what the thread's ip says */

bool reader[THREADS];		/* of uprobes_srcu */
bool awaited[THREADS];		/* by the grace period */

bool locked;			/* uprobe_mm->lock */
byte waiting;			/* for it */

#define LOCK	waiting++; atomic { !locked -> locked = true; waiting-- }
#define UNLOCK	locked = false
#define TOUCH(s) assert(!freed[s])

/* release_left(): in one step, as the thread does not run meanwhile */
inline look_at(t)
{
	atomic {
		if
#ifndef NO_LOOK
		:: state[t] == BOOSTED && names_slot[t] && !in_slot[t] ->
			names_slot[t] = 0;
			names_site[t] = NONE
#endif
		:: else
		fi
	}
}

/* uprobe_threads_name_slot() */
inline slot_is_named(yes)
{
	yes = false;
	n = 0;
	do
	:: n < THREADS ->
		if
		:: names_slot[n] ->
			look_at(n);
			yes = yes || names_slot[n]
		:: else
		fi;
		n++
	:: else -> break
	od
}

/* uprobe_threads_name_sites() */
inline site_is_named(s, yes)
{
	yes = false;
	n = 0;
	do
	:: n < THREADS ->
		if
		:: names_site[n] == s ->
			look_at(n);
			yes = yes || names_site[n] == s
		:: else
		fi;
		n++
	:: else -> break
	od
}

/* steal(): hide the slot, barrier, look for names; the other column is in hit */
inline steal(yes)
{
	yes = false;
	TOUCH(owner);
#ifdef NO_MB_STEAL
	if
	:: slot_of[owner] = 0; slot_is_named(yes)
	:: slot_is_named(yes); slot_of[owner] = 0
	fi;
#else
	slot_of[owner] = 0;
	slot_is_named(yes);
#endif
	if
	:: yes -> slot_of[owner] = 1
	:: else -> owner = NONE
	fi
}

/* xol_slot_get() */
inline slot_get(t, s)
{
	LOCK;
	TOUCH(s);
	if
	:: slot_of[s]
	:: else ->
		if
		:: owner != NONE -> steal(busy)
		:: else
		fi;
		if
		:: owner == NONE ->
			text = s;
			owner = s;
			slot_of[s] = 1
		:: else
		fi
	fi;
#if !defined(NO_CLAIM) && !defined(NO_NAME)
	names_slot[t] = slot_of[s];
#endif
	UNLOCK
}

inline leave_slot(t)
{
	names_slot[t] = 0;
	names_site[t] = NONE
}

/*
 * settle(), of a thread that comes in from user mode. For whom is in front of the
 * copy nothing changes.
 */
inline settle(t)
{
	if
	:: state[t] == BOOSTED ->
#ifndef NO_OUT
		state[t] = OUT;
#endif
		if
		:: names_slot[t] && in_slot[t] -> state[t] = BOOSTED
		:: names_slot[t] && !in_slot[t] ->
			/* Its record is looked at, by way of the name. */
			assert(names_site[t] != NONE);
			state[t] = OUT;
			leave_slot(t)
		:: !names_slot[t] -> state[t] = OUT
		fi
	:: else
	fi
}

proctype thread(byte t)
{
	byte s, n, hits;
	bool busy, seen;

	do
	:: hits < HITS ->
		/* Executes an int3. */
#ifdef FINITE
		hits++;
#endif
		if
		:: s = 0
		:: s = 1
		fi;
		settle(t);
		reader[t] = true;
		if
		:: hashed[s] ->
			TOUCH(s);		/* handlers */
#ifndef NO_SITE_NAME
			names_site[t] = s;
#endif
			atomic { reader[t] = false; awaited[t] = false };
			TOUCH(s);
			if
			:: !slot_of[s] -> goto get
			:: else
			fi;
#ifdef NO_NAME
			seen = slot_of[s];
#elif defined(NO_MB_HIT)
			if
			:: names_slot[t] = 1; seen = slot_of[s]
			:: seen = slot_of[s]; names_slot[t] = 1
			fi;
#else
			names_slot[t] = 1;
			seen = slot_of[s];
#endif
			if
			:: seen -> goto go
			:: else -> names_slot[t] = 0
			fi;
get:
			slot_get(t, s);
			if
#ifdef NO_NAME
			:: slot_of[s]
#elif defined(NO_CLAIM)
			:: slot_of[s] -> names_slot[t] = 1
#else
			:: names_slot[t]
#endif
			:: else -> goto get
			fi;
go:
			TOUCH(s);
			in_slot[t] = true;	/* ip */
			state[t] = BOOSTED;
			/* In user mode; it may be asked where it is. */
			if
			:: settle(t)
			:: skip
			fi;
			assert(text == s);
			in_slot[t] = false;
			if
			:: settle(t)
			:: skip
			fi
		:: else ->
			/* Taken out meanwhile. */
			atomic { reader[t] = false; awaited[t] = false }
		fi
	:: else -> break
	od
}

proctype reclaim()
{
	byte n;
	bool named;

	LOCK;
	hashed[0] = false;
	UNLOCK;
#ifndef NO_GRACE
	d_step {
		n = 0;
		do
		:: n < THREADS -> awaited[n] = reader[n]; n++
		:: else -> break
		od;
		n = 0
	};
	do
	:: n < THREADS -> !awaited[n]; n++
	:: else -> break
	od;
#endif
	do
	:: !waiting ->		/* comes back later */
		LOCK;
		site_is_named(0, named);
		if
		:: !named ->
			if
			:: owner == 0 -> slot_of[0] = 0; owner = NONE
			:: else
			fi;
			freed[0] = true;
			UNLOCK;
			break
		:: else
		fi;
		UNLOCK
	od
}

init
{
	byte n;

	atomic {
		hashed[0] = true;
		hashed[1] = true;
		n = 0;
		do
		:: n < THREADS ->
			names_site[n] = NONE;
			run thread(n);
			n++
		:: else -> break
		od;
		run reclaim()
	}
}

/* With FINITE, and weak fairness: in the end all threads stay in user mode. */
ltl goes { <> freed[0] }
