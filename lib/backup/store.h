/*
 * store.h - the folder that backups are in.
 *
 * Its files never change: each is named by its content.  segments/ has sealed segments,
 * tails/ pieces of segments that are not sealed, and points/ one file for each backup,
 * which says what the log consisted of (backup/point.h).  A file gets its name when it is
 * complete and synced, and a point after all that it needs.
 */
#ifndef BACKUP_STORE_H
#define BACKUP_STORE_H

#include "base/hash.h"
#include "write/writer.h"

#include <sys/stat.h>

enum store_kind { STORE_SEGMENT, STORE_TAIL, STORE_POINT, STORE_KINDS };

#define STORE_NAME_SIZE 160
#define STORE_NEW	".new-" /* begins the name of a file that is being written */

struct store {
	char *path;
	int fd[STORE_KINDS];	 /* the three folders */
	bool fresh[STORE_KINDS]; /* has new names that are not synced */
	struct permissions mode; /* of new files */
	/* Is told each new file, as a path in the store.  NULL: nobody is. */
	int (*added)(void *arg, const char *file, uint64_t bytes);
	void *arg;
	uint64_t files, bytes; /* that were added */
};

/* Opens a store.  make: creates it with this mode if it does not exist; 0: EVLOG_ENOINPUT
 * then.  EVLOG_EDATA: the folder has something else in it. */
int store_open(struct store *s, const char *path, mode_t make, evlog_error *err);
void store_close(struct store *s);

/* The path in the store of a sealed segment with events a to b, or of bytes of the
 * segment that begins with event a, from offset b on. */
void store_name(char out[STORE_NAME_SIZE], enum store_kind kind, uint64_t a, uint64_t b,
    const unsigned char hash[HASH_SIZE]);

/* Gets what store_name was given.  false: it is not such a name. */
bool store_name_read(const char *name, enum store_kind kind, uint64_t *a, uint64_t *b,
    unsigned char hash[HASH_SIZE]);

/* The same for a point with events 1 to `size`, made at a time. */
void store_point_name(char out[STORE_NAME_SIZE], uint64_t size, int64_t time,
    const unsigned char hash[HASH_SIZE]);
bool store_point_read(
    const char *name, uint64_t *size, int64_t *time, unsigned char hash[HASH_SIZE]);

/* Whether a file is there, with that many bytes. */
bool store_has(const struct store *s, const char *name, uint64_t bytes);

/* Adds n bytes of a file, unless the store has them.  Gets their hash.  a, b: as in
 * store_name. */
int store_put(struct store *s, enum store_kind kind, uint64_t a, uint64_t b, int fd,
    uint64_t offset, uint64_t n, unsigned char hash[HASH_SIZE], evlog_error *err);

/* Writes a file, which must have n bytes, to another one, from `offset` on.  Gets the
 * hash of what it wrote.  EVLOG_EDAMAGED: it is not there, or has another size. */
int store_get(const struct store *s, const char *name, uint64_t n, int to,
    uint64_t offset, unsigned char hash[HASH_SIZE], evlog_error *err);

/* Begins a new file; *fd is written to, and then either store_keep gives it its name,
 * after a sync, or store_drop removes it. */
struct store_file {
	int fd;
	enum store_kind kind;
	char name[32];
};
int store_begin(
    struct store *s, enum store_kind kind, struct store_file *f, evlog_error *err);
int store_keep(struct store *s, struct store_file *f, const char *name, evlog_error *err);
void store_drop(struct store *s, struct store_file *f);

/* Removes a file. */
int store_remove(struct store *s, const char *name, evlog_error *err);

/* Marks a point as expired, now: from now on it does not count, but keeps its files. */
#define STORE_EXPIRED ".expired" /* what its name ends in then */
int store_expire(struct store *s, const char *name, evlog_error *err);

/* Calls `each` with the path in the store, and the state, of each regular file of a kind,
 * whatever its name.  A result other than 0 ends the walk and is returned. */
int store_walk(const struct store *s, enum store_kind kind,
    int (*each)(void *arg, const char *name, const struct stat *st, evlog_error *err),
    void *arg, evlog_error *err);

/* Makes all new names durable. */
int store_sync(struct store *s, evlog_error *err);

/* Lists the points, the newest first. */
struct store_points {
	struct store_point {
		char name[STORE_NAME_SIZE];
		uint64_t size;
		int64_t time;
		unsigned char hash[HASH_SIZE];
	} * at;
	size_t n, cap;
};
int store_list(const struct store *s, struct store_points *points, evlog_error *err);

/* Gets the hash of n bytes of a file.  Returns EVLOG_EDATA if it has fewer; name: for
 * messages. */
int bytes_hash(int fd, const char *name, uint64_t offset, uint64_t n,
    unsigned char hash[HASH_SIZE], evlog_error *err);

#endif
