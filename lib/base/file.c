/* file.c - reads and writes of whole buffers, locks with a deadline, temporary files. */
#include "base/file.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

ssize_t file_pread(int fd, void *p, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (char *)p + done, n - done, (off_t)(offset + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int file_pwrite(int fd, const void *p, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r =
		    pwrite(fd, (const char *)p + done, n - done, (off_t)(offset + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			errno = EIO;
		if (r <= 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

int file_write(int fd, const void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write(fd, (const char *)p + done, n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			errno = EIO;
		if (r <= 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

/* The same as os_copy, but for any files. */
static ssize_t part_copy(int from, int to, uint64_t at, size_t n)
{
	char piece[16384];

	ssize_t r = file_pread(from, piece, n < sizeof piece ? n : sizeof piece, at);
	return r > 0 && file_pwrite(to, piece, (size_t)r, at) < 0 ? -1 : r;
}

int file_copy(int from, int to, uint64_t n)
{
	bool able = true;

	for (uint64_t at = 0; at < n;) {
		size_t most = n - at < (1u << 30) ? (size_t)(n - at) : 1u << 30;
		ssize_t r =
		    able ? os_copy(from, to, at, most) : part_copy(from, to, at, most);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0 && able) { /* not these files, or not this file system */
			able = false;
			continue;
		}
		if (r == 0)
			errno = EIO;
		if (r <= 0)
			return -1;
		at += (uint64_t)r;
	}
	return 0;
}

int64_t file_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#define WAIT_MOST (INT64_C(1) << 40) /* ms: for ever, and no overflow */

/* Polls, because no blocking lock call takes a deadline. */
static int lock_wait(int fd, bool mark, uint64_t n, int64_t wait_ms)
{
	int64_t deadline =
	    file_clock() + (wait_ms < WAIT_MOST ? wait_ms : WAIT_MOST) * 1000000;
	long pause = 50000;

	while ((mark ? os_mark_try(fd, n) : os_lock_try(fd)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EACCES)
			return -1;
		if (file_clock() >= deadline) {
			errno = EAGAIN;
			return -1;
		}
		nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
		if (pause < 4000000)
			pause += pause / 2;
	}
	return 0;
}

int file_lock(int fd, int64_t wait_ms)
{
	return lock_wait(fd, false, 0, wait_ms);
}

int file_mark(int fd, uint64_t n, int64_t wait_ms)
{
	return lock_wait(fd, true, n, wait_ms);
}

bool boot_is(const unsigned char a[16], const unsigned char b[16])
{
	static const unsigned char none[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return memcmp(a, b, 16) == 0 && memcmp(a, none, 16) != 0;
}

/* Makes one attempt with a random name. */
static int temporary_make(char *template, mode_t mode, bool folder)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	char *x = template + strlen(template) - 6;
	unsigned char random[6];

	if (os_random(random, sizeof random) < 0)
		return -1;
	for (size_t i = 0; i < sizeof random; i++)
		x[i] = letters[random[i] % (sizeof letters - 1)];
	return folder ? mkdir(template, mode)
		      : open(template, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
}

static int temporary(char *template, mode_t mode, bool folder)
{
	for (int i = 0; i < 100; i++) {
		int r = temporary_make(template, mode, folder);
		if (r >= 0 || errno != EEXIST)
			return r;
	}
	return -1;
}

int file_temporary(char *template, mode_t mode)
{
	return temporary(template, mode, false);
}

int folder_temporary(char *template)
{
	return temporary(template, 0777, true);
}

DIR *folder_list(int fd)
{
	/* a duplicate would share its place in the list */
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);

	if (!d && own >= 0) {
		int keep = errno;
		close(own);
		errno = keep;
	}
	return d;
}
