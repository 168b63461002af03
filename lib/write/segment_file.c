/* segment_file.c - who replaces or removes the file of a segment. */
#include "write/segment_file.h"
#include "base/error.h"
#include "base/file.h"
#include "write/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK "seal-"

void segment_lock_name(char out[SEGMENT_LOCK_NAME], uint64_t first)
{
	snprintf(out, SEGMENT_LOCK_NAME, LOCK "%016" PRIu64, first);
}

int segment_file_remove(const struct log *l, uint64_t first, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE], lock[SEGMENT_LOCK_NAME];
	int fd;

	segment_lock_name(lock, first);
	segment_name(name, first);
	int r = work_file_open(l, lock, &fd, err);
	if (r)
		return r;
	if (unlinkat(l->dir_fd, name, 0) < 0 && errno != ENOENT)
		r = error_sys(err, "%s/%s: cannot be removed", l->path, name);
	unlinkat(l->dir_fd, lock, 0);
	close(fd);
	return r;
}

int segment_locks_remove(const struct log *l, uint64_t first, evlog_error *err)
{
	DIR *d = folder_list(l->dir_fd);
	struct dirent *e;
	uint64_t seq;
	int r = 0;

	if (!d)
		return error_sys(err, "%s", l->path);
	for (errno = 0; r >= 0 && (e = readdir(d)) != NULL; errno = 0)
		if (strncmp(e->d_name, LOCK, strlen(LOCK)) == 0 &&
		    strlen(e->d_name) == strlen(LOCK) + SEQ_DIGITS &&
		    seq_digits_read(e->d_name + strlen(LOCK), &seq) && seq < first)
			r = segment_file_remove(l, seq, err);
	if (r >= 0 && errno)
		r = error_sys(err, "%s", l->path);
	closedir(d);
	return r < 0 ? r : 0;
}

int segment_file_check(const struct log *l, const struct segment *s, evlog_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat old, named;

	segment_name(name, s->first_seq);
	if (fstat(s->fd, &old) < 0)
		return error_sys(err, "%s", s->path);
	if (fstatat(l->dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? EVLOG_END : error_sys(err, "%s", s->path);
	return old.st_ino == named.st_ino ? 0 : EVLOG_END;
}
