/* os.c - everything that differs between systems. */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

#if defined(__linux__) && !defined(EVLOG_PORTABLE)
#define LINUX 1
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#endif
#ifdef __APPLE__
#include <mach-o/dyld.h>
#include <sys/mount.h>
#include <sys/sysctl.h>
#endif

#if defined(LINUX)
#define CLONE_FILE _IOW(0x94, 9, int) /* FICLONE; linux/fs.h clashes with sys/mount.h */
#endif

/* ---- Files ---- */

int os_sync_data(int fd)
{
#ifdef __APPLE__
	return os_sync(fd);
#else
	return fdatasync(fd);
#endif
}

int os_sync(int fd)
{
#ifdef F_FULLFSYNC /* on macOS, fsync does not flush the disk's cache */
	return fcntl(fd, F_FULLFSYNC) < 0 ? -1 : 0;
#else
	return fsync(fd);
#endif
}

#ifdef LINUX
static int lock_set(int fd, short type, uint64_t n)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_len = (off_t)n};

	return fcntl(fd, F_OFD_SETLK, &l);
}

int os_lock_try(int fd)
{
	return lock_set(fd, F_WRLCK, 0);
}

int os_mark_try(int fd, uint64_t n)
{
	return lock_set(fd, F_RDLCK, n);
}

int os_unlock(int fd)
{
	return lock_set(fd, F_UNLCK, 0);
}

int os_is_locked(int fd, uint64_t from)
{
	struct flock l = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)from};

	return fcntl(fd, F_OFD_GETLK, &l) < 0 ? -1 : l.l_type != F_UNLCK;
}
#else
int os_lock_try(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

int os_mark_try(int fd, uint64_t n)
{
	(void)n;
	return os_lock_try(fd);
}

int os_unlock(int fd)
{
	return flock(fd, LOCK_UN);
}

/* flock has no query: this takes the lock for a moment, and a writer retries
 * meanwhile. */
int os_is_locked(int fd, uint64_t from)
{
	(void)from;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : -1;
	return flock(fd, LOCK_UN);
}
#endif

bool os_is_remote(int fd)
{
#if defined(LINUX)
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
#elif defined(__APPLE__)
	struct statfs s;
	return fstatfs(fd, &s) == 0 && !(s.f_flags & MNT_LOCAL);
#else
	(void)fd;
	return false;
#endif
}

uint64_t os_data_next(int fd, uint64_t offset, uint64_t limit)
{
	if (offset >= limit)
		return limit;
#ifdef SEEK_DATA
	off_t at = lseek(fd, (off_t)offset, SEEK_DATA);
	if (at < 0)
		return errno == ENXIO ? limit : offset;
	return (uint64_t)at < limit ? (uint64_t)at : limit;
#else
	(void)fd;
	return offset;
#endif
}

int os_clone(int from, int to)
{
#if defined(LINUX)
	return ioctl(to, CLONE_FILE, from) < 0 ? -1 : 0;
#else
	(void)from;
	(void)to;
	errno = ENOTSUP;
	return -1;
#endif
}

ssize_t os_copy(int from, int to, uint64_t offset, size_t n)
{
#if defined(LINUX)
	off_t in = (off_t)offset, out = in;

	return copy_file_range(from, &in, to, &out, n, 0);
#else
	(void)from;
	(void)to;
	(void)offset;
	(void)n;
	errno = ENOTSUP;
	return -1;
#endif
}

void os_descriptor_path(int fd, char *path, size_t size)
{
#ifdef LINUX
	snprintf(path, size, "/proc/self/fd/%d", fd);
#else
	snprintf(path, size, "/dev/fd/%d", fd);
#endif
}

struct timespec os_modified(const struct stat *st)
{
#ifdef __APPLE__
	return st->st_mtimespec;
#else
	return st->st_mtim;
#endif
}

/* ---- Descriptors ---- */

void os_pipe_widen(int fd)
{
#ifdef F_SETPIPE_SZ
	/* if it is not a pipe, or may not be that large, it stays as it is */
	(void)fcntl(fd, F_SETPIPE_SZ, 1 << 20);
#else
	(void)fd;
#endif
}

int os_pipe(int end[2])
{
#ifdef LINUX
	return pipe2(end, O_CLOEXEC);
#else
	if (pipe(end) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		fcntl(end[i], F_SETFD, FD_CLOEXEC);
	return 0;
#endif
}

int os_channel(int end[2])
{
#ifdef LINUX
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end);
#else
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, end) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		fcntl(end[i], F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
		setsockopt(end[i], SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
	}
	return 0;
#endif
}

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

int os_channel_write(int end, const void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = send(end, (const char *)p + done, n - done, MSG_NOSIGNAL);
		if (r < 0 && errno != EINTR)
			return -1;
		done += r > 0 ? (size_t)r : 0;
	}
	return 0;
}

void os_close_from(int fd)
{
#if defined(LINUX) && defined(SYS_close_range)
	if (syscall(SYS_close_range, fd, ~0U, 0) == 0)
		return;
#endif
	for (long most = sysconf(_SC_OPEN_MAX); fd < most && fd < 65536; fd++)
		close(fd);
}

int os_nameless_file(void)
{
	char path[4096];
	const char *dir = getenv("TMPDIR");

	snprintf(path, sizeof path, "%s/evlog.XXXXXX", dir && *dir ? dir : "/tmp");
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int os_memory_file(void)
{
#ifdef LINUX
	int fd = memfd_create("evlog", MFD_CLOEXEC);
	if (fd >= 0 || errno != ENOSYS)
		return fd;
#endif
	return os_nameless_file();
}

int os_spawn(pid_t *pid, const char *path, const char *const *argv, int in, int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none, all;
	int r = posix_spawn_file_actions_init(&files);

	if (!r && (r = posix_spawnattr_init(&how)) != 0)
		posix_spawn_file_actions_destroy(&files);
	if (r) {
		errno = r;
		return -1;
	}
	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setsigdefault(&how, &all);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setflags(
	    &how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	if (!r)
		r = posix_spawn(
		    pid, path, &files, &how, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	errno = r;
	return r ? -1 : 0;
}

int os_process_watch(pid_t pid)
{
#if defined(LINUX) && defined(SYS_pidfd_open)
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	return -1;
#endif
}

int os_watch_open(void)
{
#ifdef LINUX
	return inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
#else
	return -1;
#endif
}

int os_watch_add(int watch, const char *path)
{
#ifdef LINUX
	return inotify_add_watch(watch, path, IN_MODIFY) < 0 ? -1 : 0;
#else
	(void)watch;
	(void)path;
	return -1;
#endif
}

void os_watch_clear(int watch)
{
	char events[4096];

	while (read(watch, events, sizeof events) > 0)
		;
}

/* ---- The machine ---- */

#if defined(__linux__) || defined(__APPLE__)
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads 32 hexadecimal digits, ignoring all else. */
static void uuid_read(const char *text, size_t len, unsigned char id[16])
{
	int n = 0, high = -1;

	for (size_t i = 0; i < len && n < 16; i++) {
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
#endif

void os_boot_id(unsigned char id[16])
{
	memset(id, 0xff, 16);
#if defined(__linux__) /* also if EVLOG_PORTABLE: the boot id changes results */
	char text[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text);
	if (fd >= 0)
		close(fd);
	if (len > 0)
		uuid_read(text, (size_t)len, id);
#elif defined(__APPLE__)
	char text[64];
	size_t len = sizeof text;
	if (sysctlbyname("kern.bootsessionuuid", text, &len, NULL, 0) == 0)
		uuid_read(text, len, id);
#endif
}

int os_random(void *p, size_t n)
{
	size_t done = 0;
	ssize_t r;

#ifdef LINUX
	for (; done < n; done += (size_t)r) {
		r = getrandom((char *)p + done, n - done, 0);
		if (r < 0 && errno == EINTR)
			r = 0;
		if (r < 0)
			return -1;
	}
	return 0;
#else
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	for (r = 0; done < n && r >= 0; done += r > 0 ? (size_t)r : 0) {
		r = read(fd, (char *)p + done, n - done);
		if (r < 0 && errno == EINTR)
			r = 0;
	}
	close(fd);
	return done == n ? 0 : -1;
#endif
}

bool os_program_path(char *path, size_t size)
{
#if defined(__linux__)
	ssize_t n = readlink("/proc/self/exe", path, size);
	if (n <= 0 || (size_t)n >= size)
		return false;
	path[n] = '\0';
	return true;
#elif defined(__APPLE__)
	uint32_t n = (uint32_t)size;
	return _NSGetExecutablePath(path, &n) == 0;
#else
	(void)path;
	(void)size;
	return false;
#endif
}

void os_die_with_parent(int signal)
{
#ifdef LINUX
	prctl(PR_SET_PDEATHSIG, signal);
#else
	(void)signal;
#endif
}

size_t os_stack_size(void)
{
	size_t size = 0;

#if defined(__linux__)
	pthread_attr_t attr;
	if (pthread_getattr_np(pthread_self(), &attr) != 0)
		return 0;
	if (pthread_attr_getstacksize(&attr, &size) != 0)
		size = 0;
	pthread_attr_destroy(&attr);
#elif defined(__APPLE__)
	size = pthread_get_stacksize_np(pthread_self());
#endif
	return size;
}
