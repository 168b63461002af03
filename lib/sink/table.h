/* table.h - a sink that is a table of an SQLite database. */
#ifndef SINK_TABLE_H
#define SINK_TABLE_H

#include "sink/sink.h"

struct table_column {
	const char *name;
	const char *type; /* in SQL, with a space before it; "": values of any type */
};

struct table_options {
	const char *file, *name;
	const char *fold; /* what computes the states: 64 hexadecimal digits */
	const struct table_column *column; /* beside key, seq and state */
	size_t columns;
	bool rebuild; /* the table is made anew */
};

/* Opens the database.  EVLOG_EMISMATCH: the table is of another fold; EVLOG_ECREATE:
 * there is such a table, and evlog has not made it. */
int table_open(struct sink **s, const struct table_options *o, evlog_error *err);

/* Where a table is, whoever is writing it.  EVLOG_END: there is no such table yet. */
int table_place(
    const char *file, const char *name, struct evlog_position *at, evlog_error *err);

#endif
