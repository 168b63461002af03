/* rules.h - Lua rules for each event type: what --upcast and --check have in common. */
#ifndef REPLAY_RULES_H
#define REPLAY_RULES_H

#include "script/sandbox.h"

struct rules {
	struct sandbox box; /* first */
	struct buf text;    /* of the file */
	const char *table;  /* the global that has them */
	const char *sample; /* for messages: how one is defined */
};

/* Loads rules from a file; table and sample must have been set.  limits: NULL: the
 * defaults.  EVLOG_EDATA: they are not valid.  Close them after a failure, too. */
int rules_open(struct rules *r, const char *path, const struct evlog_limits *limits,
    evlog_error *err);
void rules_close(struct rules *r);

/* Pushes the table of the rules. */
void rules_push(lua_State *L);

/* sandbox_run; but an event at which the rules reach a limit is bad input: EVLOG_EDATA.
 */
int rules_run(struct rules *r, lua_CFunction fn, void *arg, evlog_error *err);

#endif
