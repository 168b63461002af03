/* replace.c - temporary, write, fsync, rename, fsync of the folder. */
#include "base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As the file that is replaced, or else as umask says. */
static mode_t mode_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return st.st_mode & 07777;
	mode_t mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

int replacement_begin(struct replacement *r, const char *path)
{
	*r = (struct replacement){.path = path};
	if (asprintf(&r->temporary, "%s.XXXXXX", path) < 0) {
		r->temporary = NULL;
		errno = ENOMEM;
		return -1;
	}
	int fd = mkostemp(r->temporary, O_CLOEXEC);
	if (fd >= 0 && fchmod(fd, mode_of(path)) == 0)
		r->f = fdopen(fd, "w");
	if (r->f)
		return 0;
	int why = errno;
	if (fd >= 0) {
		close(fd);
		unlink(r->temporary);
	}
	free(r->temporary);
	r->temporary = NULL;
	errno = why;
	return -1;
}

static int folder_sync(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = fd < 0 ? -1 : fsync(fd);
	int why = errno;

	if (fd >= 0)
		close(fd);
	free(copy);
	errno = why;
	return r;
}

int replacement_end(struct replacement *r)
{
	bool good = fflush(r->f) == 0 && !ferror(r->f) && fsync(fileno(r->f)) == 0;

	if (!good) {
		int why = errno;
		replacement_drop(r);
		errno = why;
		return -1;
	}
	FILE *f = r->f;
	r->f = NULL;
	good = fclose(f) == 0 && rename(r->temporary, r->path) == 0;
	if (good) {
		free(r->temporary);
		r->temporary = NULL;
		return folder_sync(r->path);
	}
	int why = errno;
	replacement_drop(r);
	errno = why;
	return -1;
}

void replacement_drop(struct replacement *r)
{
	if (r->f)
		fclose(r->f);
	if (r->temporary)
		unlink(r->temporary);
	free(r->temporary);
	*r = (struct replacement){0};
}
