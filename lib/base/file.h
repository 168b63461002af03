/* file.h - reads and writes of whole buffers, locks with a deadline, temporary files. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads up to n bytes at `offset`, retrying short reads and EINTR.  Returns the number of
 * bytes read, less than n only at the end of the file, or -1 with errno. */
ssize_t file_pread(int fd, void *p, size_t n, uint64_t offset);

/* Write all n bytes.  Return 0, or -1 with errno; part may have been written then. */
int file_pwrite(int fd, const void *p, size_t n, uint64_t offset);
int file_write(int fd, const void *p, size_t n);

/* Copies the first n bytes of a file to another.  Returns 0, or -1 with errno: EIO if the
 * file is shorter than that. */
int file_copy(int from, int to, uint64_t n);

/* Waits up to wait_ms for the lock of os_lock_try.  Returns 0, or -1 with errno: EAGAIN
 * if somebody else held it all that time. */
int file_lock(int fd, int64_t wait_ms);
int file_mark(int fd, uint64_t n, int64_t wait_ms); /* the same for os_mark_try */

/* True only if both boot ids are known and equal. */
bool boot_is(const unsigned char a[16], const unsigned char b[16]);

/* Nanoseconds of the monotonic clock. */
int64_t file_clock(void);

/* Replace the XXXXXX at the end of `template` so that the name is new.  The first creates
 * a file with this mode, less umask, and returns its descriptor; the second creates a
 * folder and returns 0.  Both return -1 with errno on failure.  (mkstemp(3) takes no
 * mode, and a process with threads cannot read umask safely.) */
int file_temporary(char *template, mode_t mode);
int folder_temporary(char *template);

/* Opens an open folder for listing, from its beginning; to be closed with closedir.  NULL
 * with errno. */
DIR *folder_list(int fd);

#endif
