/* work_file.c - a new file for a log that is being made; the lock on it prevents two
 * processes from doing the same work. */
#include "base/error.h"
#include "base/file.h"
#include "write/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int work_file_open(const struct log *l, const char *name, int *out, evlog_error *err)
{
	struct stat ours, named;
	int fd = openat(l->dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = 0;

	*out = -1;
	if (fd < 0)
		return error_sys(err, "%s/%s", l->path, name);
	if (file_lock(fd, 0) < 0)
		r = errno == EAGAIN || errno == EACCES
			? EVLOG_END
			: error_sys(err, "%s/%s", l->path, name);
	else if (fstat(fd, &ours) < 0)
		r = error_sys(err, "%s/%s", l->path, name);
	else if (fstatat(l->dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
		 named.st_ino != ours.st_ino)
		r = EVLOG_END; /* another process has renamed it */
	else if (!S_ISREG(ours.st_mode) || ours.st_nlink != 1)
		r = error_set(err, EVLOG_EPERM,
		    "%s/%s: not a regular file, or it has another name (a hard link); "
		    "remove it",
		    l->path, name);
	else if (ftruncate(fd, 0) < 0)
		r = error_sys(err, "%s/%s", l->path, name);
	if (r)
		close(fd);
	else
		*out = fd;
	return r;
}
