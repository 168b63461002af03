/* saving.c - restores the files that were saved along with a log. */
#include "backup/saving.h"
#include "base/error.h"
#include "base/file.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path_of(const struct saving *v, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", v->folder, name) < 0 ? NULL : path;
}

int saving_check(struct saving *v, evlog_error *err)
{
	struct stat st;

	for (size_t i = 0; i < v->point->files; i++) {
		char *path = path_of(v, v->point->file[i].name);
		int there = path ? lstat(path, &st) : 0;
		int r = !path ? error_memory(err)
			: there == 0
			    ? error_set(err, EVLOG_ECREATE,
				  "%s: exists already; choose another folder", path)
			    : 0;
		free(path);
		if (r)
			return r;
	}
	return 0;
}

static int begin(struct saving *v, const char *name, evlog_error *err)
{
	struct point *p = v->point;
	size_t i = 0;

	while (i < p->files && strcmp(p->file[i].name, name) != 0)
		i++;
	if (i == p->files || p->file[i].seen)
		return error_set(err, EVLOG_EDAMAGED,
		    "%s/%s: damaged: its manifest does not name %s, or only once",
		    v->store->path, v->at->name, name);
	char *path = path_of(v, name);
	if (!path)
		return error_memory(err);
	v->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    p->file[i].mode | 0600);
	int r = v->fd < 0 ? error_sys(err, "%s: cannot create", path) : 0;
	if (r && err->sys == EEXIST)
		r = err->code = EVLOG_ECREATE;
	free(path);
	if (r)
		return r;
	v->file = &p->file[i];
	v->file->seen = true;
	v->done = 0;
	return 0;
}

static int put(void *arg, const char *name, const char *p, size_t n, evlog_error *err)
{
	struct saving *v = arg;
	int r = v->file ? 0 : begin(v, name, err);

	if (r)
		return r;
	v->done += n;
	if (v->done > v->file->size || (!n && v->done < v->file->size))
		return error_set(err, EVLOG_EDAMAGED,
		    "%s/%s: damaged: %s is not as long as its manifest says",
		    v->store->path, v->at->name, name);
	if (file_write(v->fd, p, n) < 0 || (!n && os_sync_data(v->fd) < 0))
		return error_sys(err, "%s/%s", v->folder, name);
	if (!n) {
		close(v->fd);
		v->file = NULL;
		v->fd = -1;
	}
	return 0;
}

void saving_undo(struct saving *v)
{
	for (size_t i = 0; i < v->point->files; i++) {
		char *path = path_of(v, v->point->file[i].name);
		if (path && v->point->file[i].seen)
			unlink(path);
		free(path);
	}
	if (v->made)
		rmdir(v->folder);
}

static int folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -1 : os_sync(fd);

	if (fd >= 0)
		close(fd);
	return r;
}

int saving_run(struct saving *v, evlog_error *err)
{
	v->begun = true;
	v->made = mkdir(v->folder, 0777) == 0;
	if (!v->made && errno != EEXIST)
		return error_sys(err, "%s", v->folder);
	int r = point_saved(v->store, v->at, put, v, err);
	if (v->fd >= 0)
		close(v->fd);
	for (size_t i = 0; !r && i < v->point->files; i++)
		if (!v->point->file[i].seen)
			r = error_set(err, EVLOG_EDAMAGED,
			    "%s/%s: damaged: %s is not in it", v->store->path,
			    v->at->name, v->point->file[i].name);
	if (!r && folder_sync(v->folder) < 0)
		r = error_sys(err, "%s", v->folder);
	return r;
}
