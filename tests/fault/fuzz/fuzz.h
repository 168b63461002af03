/* fuzz.h - what the targets share. */
#ifndef FUZZ_H
#define FUZZ_H

#include "evlog.h"
#include "base/buf.h"

#include <stdint.h>
#include <stdlib.h>

#define SEGMENT "0000000000000001.ndjson.zst"

#define MUST(what)                                                                       \
	do {                                                                             \
		if (!(what))                                                             \
			__builtin_trap();                                                \
	} while (0)

/* The targets: `make fuzz` builds each one by its name. */
void fuzz_scan(const uint8_t *p, size_t n);
void fuzz_event(const uint8_t *p, size_t n);
void fuzz_log(const uint8_t *p, size_t n);
void fuzz_index(const uint8_t *p, size_t n);
void fuzz_head(const uint8_t *p, size_t n);
void fuzz_header(const uint8_t *p, size_t n);
void fuzz_time(const uint8_t *p, size_t n);
void fuzz_reducer(const uint8_t *p, size_t n);
void fuzz_decimal(const uint8_t *p, size_t n);
void fuzz_diff(const uint8_t *p, size_t n);
void fuzz_input(const uint8_t *p, size_t n);

/* A string of the input, up to `end` or the next byte `stop`; *p goes behind it. */
char *text_take(const uint8_t **p, const uint8_t *end, int stop);

/* A file with these bytes, by its path; the descriptor is to be closed. */
int file_of(const uint8_t *p, size_t n, char path[64]);

/* This process's log. */
extern char log_dir[64];

/* Opens it, anew. */
evlog_writer *log_make(const struct evlog_writer_options *o);
void log_add(evlog_writer *w, const char *line, size_t len);
void log_commit(evlog_writer *w);

#endif
