/*
 * os.h - everything that differs between systems.
 *
 * Linux's own calls are used where they are, others' where those are; what a system does
 * not have is done in the way of POSIX.  Built with -DEVLOG_PORTABLE, Linux does
 * everything that way too, so that it can be tested.
 *
 * Tried: Linux with glibc and musl.  Written from the documentation, never run: macOS.
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

/* Makes a file's data durable, with as much of its metadata as is needed to read it back;
 * or data and all metadata, which is the one for folders.  Never call either again after
 * a failure: the kernel may have dropped the pages.  0; -1 with errno. */
int os_sync_data(int fd);
int os_sync(int fd);

/* Tries to take the write lock on a whole file, which belongs to the open file
 * description: closing another descriptor of the file does not drop it.  0; -1 with
 * errno, EAGAIN or EACCES: somebody else has it. */
int os_lock_try(int fd);
int os_unlock(int fd);

/* 1: somebody else has the lock; 0: nobody has; -1 with errno. */
int os_is_locked(int fd);

/* Whether the file is on a file system over a network, or of a process, where locks may
 * be lost. */
bool os_is_remote(int fd);

/* The first offset from `offset` on that is not in a hole of the file, as far as the
 * system knows; `limit` if there is none before that. */
uint64_t os_data_next(int fd, uint64_t offset, uint64_t limit);

/* The path by which an open file can be opened once more. */
void os_descriptor_path(int fd, char *path, size_t size);

struct timespec os_modified(const struct stat *st);

/* ---- Descriptors; all are closed on exec ---- */

/* -1 with errno. */
int os_pipe(int end[2]);

/* Two ends of a channel.  Writing to one whose other end is closed fails with EPIPE, and
 * sends no signal.  os_channel_write writes all n bytes.  -1 with errno. */
int os_channel(int end[2]);
int os_channel_write(int end, const void *p, size_t n);

/* A new file without a name, in TMPDIR or /tmp, for what is kept for a while. */
int os_nameless_file(void);

/* A file in memory or, where there is no such thing, without a name.  -1 with errno. */
int os_memory_file(void);

/* Starts a program in a process group of its own, with these for its standard input and
 * output, and our environment.  0; -1 with errno. */
int os_spawn(pid_t *pid, const char *path, const char *const *argv, int in, int out);

/* Becomes readable when the child has ended; -1: it must be waited for. */
int os_process_watch(pid_t pid);

/* Becomes readable when one of the files that are added has been written to.  -1: there
 * is no such thing; look at the files from time to time. */
int os_watch_open(void);
int os_watch_add(int watch, const char *path);
void os_watch_clear(int watch); /* so that it waits for what comes next */

/* ---- The machine ---- */

/* An id of the time since the machine was started; all bytes 0xff: there is none. */
void os_boot_id(unsigned char id[16]);

/* 0; -1 with errno. */
int os_random(void *p, size_t n);

/* The path of the program that is running.  false: it is not known. */
bool os_program_path(char *path, size_t size);

/* From now on this process opens nothing, reaches no network, starts nothing, and takes
 * at most so many bytes of memory, as far as the system can see to that. */
void os_confine(uint64_t memory);

/* In a child: it gets the signal when its parent ends, where a system can do that. */
void os_die_with_parent(int signal);

/* The size in bytes of this thread's stack; 0: unknown. */
size_t os_stack_size(void);

#endif
