/*
 * log.pml - commits, recovery and following, with a crash possible between any two steps.
 *
 * A log has SEGMENTS segments of at most BLOCKS blocks; each block is one commit of one
 * event.  `page` is what every process sees (the page cache), `disk` is what certainly
 * survives a power cut; whatever is dirty may or may not survive.  Two writers, a reader
 * that reads again and again, and the machine run concurrently.  Writers are killed, a
 * sync fails, the power goes, a block is lost.  With SEALER, full segments are sealed
 * meanwhile.  The rules are those of evlog-format(5), "Appending", "Torn or damaged",
 * "Sealing" and "Reading".
 *
 * What must hold:
 *   - whatever was acknowledged, or seen by a reader, is in its place after every recovery;
 *   - a reader always sees a prefix of the log, always the same one, and never less than
 *     a reader before it;
 *   - a log is called damaged only if a block was lost, and then no block is cut off silently.
 *
 * One case does not hold, and is known: a sync fails, its writer is killed before it can
 * record that, a reader takes the clean pages for durable, and the power goes.  The event
 * was never acknowledged.  So the combination of failures, kills and cuts is checked
 * without the reader.
 *
 * Each WITHOUT_... leaves out a rule, and then one of the properties must fail; `run`
 * tries them all.
 */
#ifndef SEGMENTS
#define SEGMENTS 2
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef COMMITS
#define COMMITS 3	/* attempted, by both writers together */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef FAILURES
#define FAILURES 1	/* of a sync */
#endif
#ifndef CUTS
#define CUTS 1		/* of the power */
#endif
#ifndef LOSSES
#define LOSSES 0	/* of a block that a later one attests */
#endif
#define CELLS (SEGMENTS * BLOCKS)
#define AT(s, i) ((s) * BLOCKS + (i))
#define NOBODY 255

/* State of a segment: none, being created, with a complete header. */
#define NONE 0
#define UNFINISHED 1
#define WHOLE 2

byte page[CELLS], disk[CELLS];	/* the event in a block; 0: none */
bit dirty[CELLS];
byte attests[CELLS];		/* blocks of its segment that were durable when it was written */
byte made[SEGMENTS], made_disk[SEGMENTS];
#ifdef SEALER
bit sealed[SEGMENTS];		/* its file was replaced by a sealed one, */
bit renamed[SEGMENTS];		/* and a power cut may bring back the old one, */
byte old[CELLS];		/* in which the disk has this */
#endif
byte before[SEGMENTS];		/* events before the segment, as recorded in its header, */
byte previous[SEGMENTS];	/* and blocks of the previous one, which it attests */

typedef Slot { byte generation, segment, committed, boot; bit poisoned, valid }
Slot head[2], head_disk[2];
bit head_dirty[2];

bit writing;			/* the second lock: whoever has the first one has recovered */
byte boot = 1, lock = NOBODY, commits = COMMITS, kills = KILLS, failures = FAILURES, cuts = CUTS, losses = LOSSES;
byte next_event = 1;
bit damaged;			/* a block was lost, at lost_at */
byte lost_at = NOBODY;
byte acked[CELLS];		/* by place, */
byte seen[CELLS], seen_n;	/* like what the reader has seen */
byte generations[4];		/* of the processes: a killed one starts as another */

/* ---- Shared by all processes ---- */

/* Sets h to the newest valid slot, or to 2 if there is none. */
inline newest(h) {
	if
	:: head[0].valid && (!head[1].valid || head[0].generation > head[1].generation) -> h = 0
	:: !head[0].valid && !head[1].valid -> h = 2
	:: else -> h = 1
	fi
}

/* Sets n to the number of blocks up to the last one present, whether or not there are
 * holes. */
inline length_of(s, n) {
	n = BLOCKS;
	do
	:: n > 0 && page[AT(s, n - 1)] == 0 -> n--
	:: else -> break
	od
}

/* Advances x to the first block that is missing. */
inline walk(s, x) {
	do
	:: x < BLOCKS && page[AT(s, x)] != 0 -> x++
	:: else -> break
	od
}

/* Raises d to the most blocks attested by any block of a segment, or by the next
 * header. */
inline attested(s, d) {
	i = 0;
	do
	:: i < BLOCKS ->
		if
		:: page[AT(s, i)] != 0 && attests[AT(s, i)] > d -> d = attests[AT(s, i)]
		:: else
		fi;
		i++
	:: else -> break
	od;
	if
	:: s + 1 < SEGMENTS && made[s + 1] == WHOLE && previous[s + 1] > d -> d = previous[s + 1]
	:: else
	fi
}

inline sync_done(s) {
	i = 0;
	do
	:: i < BLOCKS ->
		if
		:: dirty[AT(s, i)] -> disk[AT(s, i)] = page[AT(s, i)]; dirty[AT(s, i)] = 0
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* Each dirty page may or may not have reached the disk, and is clean either way. */
inline sync_failed(s) {
	i = 0;
	do
	:: i < BLOCKS ->
		if
		:: dirty[AT(s, i)] -> disk[AT(s, i)] = page[AT(s, i)]; dirty[AT(s, i)] = 0
		:: dirty[AT(s, i)] -> dirty[AT(s, i)] = 0
		:: !dirty[AT(s, i)]
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

inline head_write(s, n, bad) {
	newest(h);
	i = (h == 2 -> 0 : 1 - h);
	head[i].generation = (h == 2 -> 1 : head[h].generation + 1);
	head[i].segment = s;
	head[i].committed = n;
	head[i].boot = boot;
	head[i].poisoned = bad;
	head[i].valid = 1;
	head_dirty[i] = 1;
	i = 0
}

inline head_sync() {
	i = 0;
	do
	:: i < 2 ->
		if
		:: head_dirty[i] ->
			head_disk[i].generation = head[i].generation;
			head_disk[i].segment = head[i].segment;
			head_disk[i].committed = head[i].committed;
			head_disk[i].boot = head[i].boot;
			head_disk[i].poisoned = head[i].poisoned;
			head_disk[i].valid = 1;
			head_dirty[i] = 0
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* Asserts that everything acknowledged or seen is present, in blocks up to `last` of
 * segment `s` or in earlier segments. */
inline all_is_there(s, last) {
	i = 0;
	do
	:: i < CELLS && (acked[i] != 0 || i < seen_n) ->
		k = 0;
		do
		:: k < s && before[k + 1] <= i -> k++
		:: else -> break
		od;
		assert(i >= before[k] && i - before[k] < BLOCKS);
		assert(acked[i] == 0 || page[AT(k, i - before[k])] == acked[i] || i == lost_at);
		assert(i >= seen_n || page[AT(k, i - before[k])] == seen[i]);
		assert(k < s || i - before[k] < last);
		i++
	:: i < CELLS && acked[i] == 0 && i >= seen_n -> i++
	:: else -> break
	od;
	i = 0
}

/* ---- A writer ---- */

proctype Writer(byte me) {
	byte h, s, n, x, d, size, i, k, event;
	bit bad, lost, changed, refused;
	byte mine;
again:
	mine = boot;
	{
	do
	:: atomic { commits > 0 && lock == NOBODY -> lock = me; commits-- };

		/* ---- recovery ---- */
		d_step {
			newest(h);
			lost = (h == 2);
			bad = 0;
			changed = lost || !head[0].valid || !head[1].valid;
			refused = 0;
			if
			:: lost ->
				s = SEGMENTS - 1;
				do
				:: made[s] == NONE || (made[s] == UNFINISHED && s > 0) -> s--
				:: else -> break
				od;
				n = 0; d = 0
			:: else ->
				s = head[h].segment; n = head[h].committed; d = n;
				bad = head[h].poisoned;
#ifndef WITHOUT_BOOT_ID
				changed = changed || head[h].boot != boot
#endif
				skip
			fi
		};
		do
		:: true ->
			d_step {
				x = n;
				if
				:: bad -> skip	/* what follows was never acknowledged */
				:: else ->
					walk(s, x);
#ifndef WITHOUT_ATTESTING
					attested(s, d)
#endif
				fi;
				length_of(s, size);
				refused = !bad && (x < d || size < d);
				assert(!refused || damaged)
			};
			if
			:: refused -> break
			:: else
			fi;
			if
			:: x > n ->
				/* their writer may have died between a failed sync and
				 * recording it */
#ifndef WITHOUT_REWRITING
				d_step {
					i = n;
					do
					:: i < x -> dirty[AT(s, i)] = 1; i++
					:: else -> break
					od;
					i = 0
				};
#endif
				d_step { sync_done(s) };
				changed = 1
			:: else
			fi;
			if
			:: size > x ->
				d_step {	/* saved elsewhere, cut off, synced */
					i = x;
					do
					:: i < BLOCKS ->
						page[AT(s, i)] = 0; disk[AT(s, i)] = 0;
						dirty[AT(s, i)] = 0; attests[AT(s, i)] = 0;
						i++
					:: else -> break
					od;
					i = 0
				};
				changed = 1
			:: else
			fi;
			n = x;
			if
			:: s + 1 < SEGMENTS && made[s + 1] == UNFINISHED ->
				made[s + 1] = NONE; made_disk[s + 1] = NONE; break
			:: s + 1 < SEGMENTS && made[s + 1] == WHOLE ->
				assert(before[s + 1] == before[s] + n);
				made_disk[s + 1] = WHOLE;	/* the folder is synced */
				s++; n = 0; d = 0; bad = 0; changed = 1
			:: else -> break
			fi
		od;
		if
		:: refused -> goto done	/* status 65: nothing is changed */
		:: else
		fi;
		if
		:: changed ->
			d_step { head_write(s, n, bad) };
			if
			:: lost -> d_step { head_write(s, n, bad) }
			:: else
			fi;
			d_step { head_sync() }
		:: else
		fi;
		d_step { all_is_there(s, n); writing = 1 };

		/* ---- a new segment ---- */
		if
		:: (bad || n == BLOCKS) && s + 1 == SEGMENTS -> goto done
		:: (bad || n == BLOCKS) && s + 1 < SEGMENTS ->
			made[s + 1] = UNFINISHED;
			d_step { before[s + 1] = before[s] + n; previous[s + 1] = n; made[s + 1] = WHOLE };
			made_disk[s + 1] = WHOLE;	/* file and folder are synced */
			s++; n = 0; bad = 0
		:: else
		fi;

		/* ---- a commit ---- */
		d_step {
			event = next_event; next_event++;
			page[AT(s, n)] = event; dirty[AT(s, n)] = 1; attests[AT(s, n)] = n
		};
		if
		:: atomic { true -> sync_done(s) };
			d_step { head_write(s, n + 1, 0) }
		:: atomic { failures > 0 -> failures--; sync_failed(s) };
#ifdef WITHOUT_POISONING
			skip
#else
			d_step { head_write(s, n, 1) };
			d_step { head_sync() }
#endif
			;
			event = 0
		fi;
		/* release the lock and acknowledge the commit */
		d_step {
			lock = NOBODY; writing = 0;
			if
			:: event != 0 -> acked[before[s] + n] = event
			:: else
			fi
		}
done:	skip;
		d_step {
			if
			:: lock == me -> lock = NOBODY; writing = 0
			:: else
			fi
		}
	od
	} unless {
		atomic { generations[me] > 0 || boot != mine ->
			if
			:: lock == me -> lock = NOBODY; writing = 0
			:: else
			fi;
			if
			:: generations[me] > 0 -> generations[me]--
			:: else
			fi
		}
	};
	goto again
}

/* ---- A sealer ---- */

#ifdef SEALER
proctype Sealer() {
	byte s, i, n, copy[BLOCKS];
	do
	:: atomic {
		s = 0;
		do
		:: s + 1 < SEGMENTS && sealed[s] -> s++
		:: else -> break
		od;
		s + 1 < SEGMENTS;
#ifdef WITHOUT_SUCCESSOR
		length_of(s, n);
		n > 0;
#else
		/* the next segment exists, and its header says how far this one goes */
		made[s + 1] == WHOLE && made_disk[s + 1] == WHOLE;
		n = previous[s + 1];
#endif
		i = 0;
		do
		:: i < n -> copy[i] = page[AT(s, i)]; i++
		:: else -> break
		od;
		i = 0
	   };
	   atomic {	/* the new file, with the blocks that were read, takes the name */
		do
		:: i < n && copy[i] != 0 -> i++
		:: else -> break
		od;
		if
		:: i < n	/* damaged: it is left as it is */
		:: else ->
			i = 0;
			do
			:: i < BLOCKS ->
				old[AT(s, i)] = disk[AT(s, i)];
				page[AT(s, i)] = (i < n -> copy[i] : 0);
				attests[AT(s, i)] = (i < n -> i : 0);
#ifdef WITHOUT_SEAL_SYNC
				disk[AT(s, i)] = 0;
				dirty[AT(s, i)] = (i < n);
#else
				disk[AT(s, i)] = page[AT(s, i)];
				dirty[AT(s, i)] = 0;
#endif
				i++
			:: else -> break
			od;
			sealed[s] = 1;
			renamed[s] = 1
		fi;
		i = 0; n = 0
	   };
	   atomic { renamed[s] -> renamed[s] = 0 }	/* the folder is synced */
	od
}
#endif

/* ---- A reader ---- */

#ifdef WITHOUT_SECOND_LOCK
#define BUSY (lock != NOBODY)
#else
#define BUSY writing
#endif

proctype Reader() {
	byte h, s, n, x, size, i, k, at, generation, began;
	bit more, bad, whole, again;
	do
	:: atomic { true ->	/* head is read, */
		newest(h);
		began = boot;
		generation = 0; whole = 0; s = 0; n = 0; bad = 0;
		if
		:: h == 2
		:: else ->
			s = head[h].segment; n = head[h].committed; bad = head[h].poisoned;
			generation = head[h].generation;
			whole = head[0].valid && head[1].valid && head[h].boot == boot
		fi
	   };
	   atomic {		/* and, after the lock, once more */
		newest(h);
		again = began != boot; /* the power cut ended this one */
#ifndef WITHOUT_SECOND_LOOK
		again = again || (h != 2 && head[h].generation != generation);
#endif
		if
		:: again -> goto over
		:: else
		fi;
		if
		:: generation == 0 ->
			s = SEGMENTS - 1;
			do
			:: made[s] != WHOLE && s > 0 -> s--
			:: else -> break
			od;
			n = 0; more = 1; bad = 0
		:: else ->
			length_of(s, size);
			more = !whole ||
			       ((size > n || (s + 1 < SEGMENTS && made[s + 1] != NONE)) && !BUSY)
		fi;
		/* complete commits after that count too, and are synced first */
		do
		:: more ->
			x = n;
			if
			:: bad
			:: else -> walk(s, x)
			fi;
#ifndef WITHOUT_READERS_SYNC
			if
			:: x > n -> sync_done(s)
			:: else
			fi;
#endif
			n = x; bad = 0;
			if
			:: s + 1 < SEGMENTS && made[s + 1] == WHOLE && before[s + 1] == before[s] + n -> s++; n = 0
			:: else -> more = 0
			fi
		:: else -> break
		od;
		/* what was seen is still there; the rest is seen now */
		i = 0;
		at = before[s] + n;
		assert(at >= seen_n);
		do
		:: i < at ->
			k = 0;
			do
			:: k < s && before[k + 1] <= i -> k++
			:: else -> break
			od;
			assert(i >= seen_n || page[AT(k, i - before[k])] == seen[i]);
			seen[i] = page[AT(k, i - before[k])];
			assert(seen[i] != 0);
			i++
		:: else -> break
		od;
		seen_n = at;
over:		h = 0; s = 0; n = 0; i = 0; k = 0; at = 0; x = 0; size = 0;
		generation = 0; began = 0; bad = 0; more = 0; whole = 0; again = 0
	}
	od
}

/* ---- The machine ---- */

proctype Machine() {
	byte i;
	do
	:: atomic { kills > 0 -> kills--; if :: generations[0]++ :: generations[1]++ fi }
	:: atomic { losses > 0 && !damaged ->
		/* of two consecutive acknowledged blocks, lose the first */
		i = 0;
		do
		:: i + 1 < BLOCKS && disk[i] != 0 && disk[i + 1] != 0 && acked[i + 1] != 0 ->
			losses--; damaged = 1; lost_at = i; page[i] = 0; disk[i] = 0; attests[i] = 0; break
		:: i + 2 < BLOCKS -> i++
		:: else -> break
		od;
		i = 0 }
	:: atomic { cuts > 0 -> cuts--;
		lock = NOBODY; writing = 0;
		generations[0] = 0; generations[1] = 0;
		i = 0;
		do
		:: i < CELLS ->
			if
			:: dirty[i] -> disk[i] = page[i]	/* it was written in time */
			:: true -> page[i] = disk[i]
			fi;
			dirty[i] = 0;
			if
			:: page[i] == 0 -> attests[i] = 0
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
#ifdef SEALER
		do
		:: i < CELLS ->
			if
			:: renamed[i / BLOCKS] && i % BLOCKS == 0 ->
				if	/* the old file is back, or not */
				:: true -> sealed[i / BLOCKS] = 0
				:: true
				fi
			:: else
			fi;
			if
			:: renamed[i / BLOCKS] && !sealed[i / BLOCKS] ->
				page[i] = old[i]; disk[i] = old[i];
				attests[i] = (old[i] != 0 -> i % BLOCKS : 0)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < SEGMENTS -> renamed[i] = 0; i++
		:: else -> break
		od;
		i = 0;
#endif
		do
		:: i < SEGMENTS ->
			if
			:: made[i] != made_disk[i] -> made_disk[i] = made[i]
			:: true -> made[i] = made_disk[i]
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < 2 ->
			if
			:: head_dirty[i]	/* the new record survives */
			:: head_dirty[i] -> head[i].valid = 0	/* or half of it */
			:: true ->	/* or the old one */
				head[i].generation = head_disk[i].generation;
				head[i].segment = head_disk[i].segment;
				head[i].committed = head_disk[i].committed;
				head[i].boot = head_disk[i].boot;
				head[i].poisoned = head_disk[i].poisoned;
				head[i].valid = head_disk[i].valid
			fi;
			head_dirty[i] = 0;
			i++
		:: else -> break
		od;
		i = 0;
		boot++ }
	od
}

init {
	atomic {
		made[0] = WHOLE; made_disk[0] = WHOLE;
		head[0].valid = 1; head[0].generation = 1; head[0].boot = 1;
		head[1].valid = 1; head[1].generation = 2; head[1].boot = 1;
		head_disk[0].valid = 1; head_disk[0].generation = 1; head_disk[0].boot = 1;
		head_disk[1].valid = 1; head_disk[1].generation = 2; head_disk[1].boot = 1;

		run Writer(0); run Writer(1); run Machine();
#ifdef SEALER
		run Sealer();
#endif
#ifndef NO_READER
		run Reader()
#endif
		skip
	}
}
