/* fuzz.h - shared by the fuzz targets. */
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

/* The targets; `make fuzz` builds one program for each. */
void fuzz_scan(const uint8_t *p, size_t n);
void fuzz_event(const uint8_t *p, size_t n);
void fuzz_log(const uint8_t *p, size_t n);
void fuzz_index(const uint8_t *p, size_t n);
void fuzz_catalogue(const uint8_t *p, size_t n);
void fuzz_head(const uint8_t *p, size_t n);
void fuzz_header(const uint8_t *p, size_t n);
void fuzz_time(const uint8_t *p, size_t n);
void fuzz_reducer(const uint8_t *p, size_t n);
void fuzz_decimal(const uint8_t *p, size_t n);
void fuzz_diff(const uint8_t *p, size_t n);
void fuzz_input(const uint8_t *p, size_t n);

/* Takes a string from the input, up to `end` or the next byte `stop`, and moves *p after
 * it.  The caller frees it. */
char *text_take(const uint8_t **p, const uint8_t *end, int stop);

/* Edits the n bytes by the input, in threes: an offset and a byte; or, if the offset is
 * beyond them, where they end.  Returns how many are left. */
size_t bytes_edit(unsigned char *bytes, size_t n, const uint8_t *p, size_t left);

/* Makes a file with these bytes and gets its path.  The caller closes the descriptor. */
int file_of(const uint8_t *p, size_t n, char path[64]);

/* The log of this process. */
extern char log_dir[64];

/* Opens that log again. */
evlog_writer *log_make(const struct evlog_writer_options *o);
void log_add(evlog_writer *w, const char *line, size_t len);
void log_commit(evlog_writer *w);

#endif
