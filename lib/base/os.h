/*
 * os.h - everything that differs between systems.
 *
 * Each system's own calls are used where it has better ones than POSIX.  With
 * -DEVLOG_PORTABLE, Linux uses the POSIX code too, so that it can be tested.
 *
 * Tested on Linux with glibc and musl.  The macOS code follows the documentation and has
 * never been run.
 */
#ifndef BASE_OS_H
#define BASE_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* ---- Files ---- */

/* Make a file durable: os_sync_data its data and the metadata needed to read it back,
 * os_sync all metadata too (use this for folders).  Return 0, or -1 with errno.  After a
 * failure never call either again for that file: the kernel may have dropped the
 * pages. */
int os_sync_data(int fd);
int os_sync(int fd);

/* Tries to take the write lock on a whole file.  The lock belongs to the open file
 * description, so closing another descriptor of the file keeps it.  Returns 0, or -1 with
 * errno: EAGAIN or EACCES if somebody else holds it. */
int os_lock_try(int fd);
int os_unlock(int fd);

/* Tries to take a lock on the first n bytes of a file, or on all of it if n is 0, that
 * others may have at the same time, so that os_is_locked sees it.  It only waits for
 * somebody who has a write lock.  Without Linux's locks, it is the write lock on all. */
int os_mark_try(int fd, uint64_t n);

/* Returns 1 if somebody else holds a lock on a byte from `from` on, 0 if nobody does, -1
 * with errno.  Without Linux's locks, `from` is ignored. */
int os_is_locked(int fd, uint64_t from);

/* Whether the file is on a network or FUSE file system, where locks may be lost. */
bool os_is_remote(int fd);

/* The first offset at or after `offset` that is not known to be in a hole; `limit` if
 * there is none before it. */
uint64_t os_data_next(int fd, uint64_t offset, uint64_t limit);

/* Lets a new file have the content of another one without copying it, if the file system
 * can do that.  -1 with errno. */
int os_clone(int from, int to);

/* Copies up to n bytes at `offset` to the same place in another file, without passing
 * them through this process.  Returns how many it copied, 0 at the end of the file; -1
 * with errno, also if the system cannot do that for these files. */
ssize_t os_copy(int from, int to, uint64_t offset, size_t n);

/* Writes a path that opens the same file again. */
void os_descriptor_path(int fd, char *path, size_t size);

/* The time of the last modification. */
struct timespec os_modified(const struct stat *st);

/* ---- Descriptors; all are close-on-exec ---- */

/* Returns 0, or -1 with errno. */
int os_pipe(int end[2]);

/* Lets a pipe hold a megabyte, where that can be: then its two processes take turns less
 * often. */
void os_pipe_widen(int fd);

/* Two ends of a channel.  Writing to one whose other end is closed fails with EPIPE, and
 * sends no signal.  os_channel_write writes all n bytes.  -1 with errno. */
int os_channel(int end[2]);
int os_channel_write(int end, const void *p, size_t n);

/* Closes this descriptor and all that are higher. */
void os_close_from(int fd);

/* Opens a new unlinked file in TMPDIR or /tmp.  -1 with errno. */
int os_nameless_file(void);

/* Opens a file in memory or, where the system has none, an unlinked one.  -1 with
 * errno. */
int os_memory_file(void);

/* Starts a program in a process group of its own, with these for its standard input and
 * output, and our environment.  0; -1 with errno. */
int os_spawn(pid_t *pid, const char *path, const char *const *argv, int in, int out);

/* Returns a descriptor that becomes readable when the child ends; -1 if there is no such
 * thing, and the child must be polled. */
int os_process_watch(pid_t pid);

/* A watch becomes readable when one of the files added to it is written to.  -1 if there
 * is no such thing, and the files must be polled. */
int os_watch_open(void);
int os_watch_add(int watch, const char *path);
void os_watch_clear(int watch); /* empties it, to wait for the next write */

/* ---- The machine ---- */

/* Gets an id of the current boot; all bytes are 0xff if it is unknown. */
void os_boot_id(unsigned char id[16]);

/* Fills n bytes.  Returns 0, or -1 with errno. */
int os_random(void *p, size_t n);

/* The path of the program that is running.  false: it is not known. */
bool os_program_path(char *path, size_t size);

/* From now on this process opens nothing, reaches no network, starts nothing, and takes
 * at most so many bytes of memory, as far as the system can see to that. */
void os_confine(uint64_t memory);

/* Called in a child: it gets the signal when its parent dies, if the system can do
 * that. */
void os_die_with_parent(int signal);

/* The size in bytes of this thread's stack; 0 if unknown. */
size_t os_stack_size(void);

#endif
