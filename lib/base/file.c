/* file.c - whole reads and writes, syncing, locking. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
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

int file_sync(int fd)
{
	return fdatasync(fd);
}

int64_t file_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int lock_set(int fd, short type)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &l);
}

/* Polled, since there is no F_OFD_SETLKW with a deadline. */
int file_lock(int fd, int64_t wait_ms)
{
	int64_t deadline = file_clock() + wait_ms * 1000000;
	long pause = 50000;

	while (lock_set(fd, F_WRLCK) < 0) {
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

int file_unlock(int fd)
{
	return lock_set(fd, F_UNLCK);
}

int file_is_locked(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_GETLK, &l) < 0 ? -1 : l.l_type != F_UNLCK;
}

bool file_is_remote(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	switch ((unsigned long)s.f_type & 0xffffffffUL) {
	case 0x6969:	 /* NFS */
	case 0xff534d42: /* CIFS */
	case 0xfe534d42: /* SMB2 */
	case 0x517b:	 /* SMB */
	case 0x01021997: /* 9p */
	case 0x65735546: /* FUSE */ return true;
	default: return false;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void file_boot_id(unsigned char id[16])
{
	char text[64] = "";
	int n = 0, high = -1;

	memset(id, 0xff, 16);
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t len = file_pread(fd, text, sizeof text - 1, 0);
	close(fd);
	for (ssize_t i = 0; i < len && n < 16; i++) {
		int d = hex_digit(text[i]);
		if (d < 0)
			continue;
		if (high < 0) {
			high = d;
		} else {
			id[n++] = (unsigned char)(high << 4 | d);
			high = -1;
		}
	}
}

bool boot_is(const unsigned char a[16], const unsigned char b[16])
{
	static const unsigned char none[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return memcmp(a, b, 16) == 0 && memcmp(a, none, 16) != 0;
}

/* One try: the name, and whether it was free. */
static int temporary_make(char *template, mode_t mode, bool folder)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	char *x = template + strlen(template) - 6;
	unsigned char random[6];

	if (file_random(random, sizeof random) < 0)
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

int file_nameless(void)
{
	char path[4096];
	const char *dir = getenv("TMPDIR");

	snprintf(path, sizeof path, "%s/evlog.XXXXXX", dir && *dir ? dir : "/tmp");
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int file_random(void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = getrandom((char *)p + done, n - done, 0);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}
