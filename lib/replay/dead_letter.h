/* dead_letter.h - takes the events out of dead letters, to deliver them again. */
#ifndef REPLAY_DEAD_LETTER_H
#define REPLAY_DEAD_LETTER_H

#include "base/buf.h"
#include "evlog.h"

struct evlog_dead_letters {
	evlog_map_fn *map; /* receives the events next; NULL: none */
	void *map_arg;
	struct buf room; /* the events taken out */
};

#endif
