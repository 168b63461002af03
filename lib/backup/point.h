/* point.h - a backup of a log at one moment: which files of the store it consists of. */
#ifndef BACKUP_POINT_H
#define BACKUP_POINT_H

#include "backup/store.h"
#include "input/tar.h"

#define MARK_SIZE 100

/* Bytes of a segment from `offset` on. */
struct piece {
	uint64_t offset, size;
	unsigned char hash[HASH_SIZE];
};

/* A segment: one piece if it is sealed, else as many as it took. */
struct stored_segment {
	uint64_t first, last; /* seqs; last < first: it has no events yet */
	uint64_t size;	      /* bytes */
	bool sealed;
	unsigned char root[HASH_SIZE]; /* after `last` */
	unsigned char id[ID_SIZE];
	char mark[MARK_SIZE]; /* of a sealed one: tells whether the log's file is still
			       * the one that was stored */
	struct piece *piece;
	size_t n, cap;
};

/* A file that was saved along with the log. */
struct saved_file {
	char *name;
	uint64_t size;
	mode_t mode;
	bool seen; /* while they are restored */
};

/* Zero-initialise. */
struct point {
	int64_t time;
	struct head head; /* of the log; tree: after its last event */
	unsigned char lineage[HASH_SIZE];
	mode_t mode, dir_mode; /* of the log's files, and of its folder */
	struct stored_segment *segment;
	size_t n, cap;
	uint64_t dropped; /* events before this one were given up; 0: none */
	size_t trimmed; /* how many of these were removed from the log, the first ones */
	struct buf cursors; /* JSON objects, joined by commas */
	struct saved_file *file;
	size_t files;
};

void point_free(struct point *p);

/* Adds a segment; returns NULL if out of memory.  Likewise a piece. */
struct stored_segment *point_segment(struct point *p);
struct piece *segment_piece(struct stored_segment *s);

/* The file that has a piece of a segment. */
void piece_name(char out[STORE_NAME_SIZE], const struct stored_segment *s, size_t i);

/* Adds the point to the store, with these members for its saved files.  Gets its name. */
int point_write(struct point *p, struct store *s, const struct tar_member *saved,
    char name[STORE_NAME_SIZE], evlog_error *err);

/* Reads a point.  Checks the hash in its name, and that its parts fit each other.
 * EVLOG_EDAMAGED: they do not. */
int point_read(struct point *p, const struct store *s, const struct store_point *at,
    evlog_error *err);

/* Calls `put` with each piece of each saved file; len 0: the file ends. */
int point_saved(const struct store *s, const struct store_point *at,
    int (*put)(
	void *arg, const char *name, const char *bytes, size_t len, evlog_error *err),
    void *arg, evlog_error *err);

/* Describes a point for callers of the library; without `files` and `bytes`. */
void point_describe(const struct point *p, const char *file, struct evlog_point *out);

/* Writes a segment to a new file of a log's directory, and compares the hashes.  *fd is
 * that file, to be closed after success.  EVLOG_EDAMAGED: the store lacks a piece, or it
 * is damaged. */
int segment_fetch(const struct store *s, const struct stored_segment *g, int dir_fd,
    const char *dir, int *fd, evlog_error *err);

/* Checks that the store has all files of a point, with the right sizes.  Returns
 * EVLOG_EDAMAGED if not. */
int point_is_whole(const struct point *p, const struct store *s, evlog_error *err);

/* The same for its segments from this one on. */
int segments_are_whole(
    const struct point *p, size_t from, const struct store *s, evlog_error *err);

#endif
