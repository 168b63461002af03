/* replace.c - replacing a file atomically: write a temporary file, fsync, rename, fsync
 * the folder. */
#include "base/replace.h"
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int replacement_check(const char *path, evlog_error *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_sys(err, "%s", path);
	return S_ISREG(st.st_mode)
		   ? 0
		   : error_set(err, EVLOG_ECREATE, "%s: not a regular file", path);
}

/* Resolves symbolic links, so that the link's target is replaced and not the link. */
static char *file_of(const char *path)
{
	char *real = realpath(path, NULL);

	return real || errno != ENOENT ? real : strdup(path);
}

/* Gives the new file the owner, group and mode of the old one. */
static int mode_keep(int fd, const struct stat *old)
{
	if (fchown(fd, old->st_uid, old->st_gid) < 0 &&
	    fchown(fd, (uid_t)-1, old->st_gid) < 0 && errno != EPERM)
		return -1;
	return fchmod(fd, old->st_mode & 0777);
}

static int begin(struct replacement *r, mode_t mode)
{
	struct stat old;

	r->file = file_of(r->path);
	if (!r->file || asprintf(&r->temporary, "%s.XXXXXX", r->file) < 0) {
		r->temporary = NULL;
		return -1;
	}
	bool there = stat(r->file, &old) == 0;
	int fd = file_temporary(r->temporary, there ? 0600 : mode ? mode : 0666);
	if (fd < 0) {
		free(r->temporary);
		r->temporary = NULL;
		return -1;
	}
	int bad = there ? mode_keep(fd, &old) : mode ? fchmod(fd, mode) : 0;
	if (!bad && (r->f = fdopen(fd, "w")) != NULL)
		return 0;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

int replacement_begin(
    struct replacement *r, const char *path, mode_t mode, evlog_error *err)
{
	*r = (struct replacement){.path = path};
	int res = replacement_check(path, err);
	if (!res && begin(r, mode) < 0) {
		res = error_sys(err, "%s", path);
		replacement_drop(r);
	}
	return res;
}

static int folder_sync(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = fd < 0 ? -1 : os_sync(fd);
	int why = errno;

	if (fd >= 0)
		close(fd);
	free(copy);
	errno = why;
	return r;
}

int replacement_end(struct replacement *r, evlog_error *err)
{
	bool good = fflush(r->f) == 0 && !ferror(r->f) && os_sync(fileno(r->f)) == 0;
	int why = errno;

	if (fclose(r->f) != 0 && good) {
		why = errno;
		good = false;
	}
	r->f = NULL;
	if (good && rename(r->temporary, r->file) == 0) {
		free(r->temporary);
		r->temporary = NULL;
		good = folder_sync(r->file) == 0;
		why = errno;
	} else if (good) {
		good = false;
		why = errno;
	}
	errno = why;
	int res = good ? 0 : error_sys(err, "%s", r->path);
	replacement_drop(r);
	return res;
}

void replacement_drop(struct replacement *r)
{
	if (r->f)
		fclose(r->f);
	if (r->temporary)
		unlink(r->temporary);
	free(r->temporary);
	free(r->file);
	*r = (struct replacement){0};
}
