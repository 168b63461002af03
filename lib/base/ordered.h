/* ordered.h - jobs that any thread may do, and that are taken in the order in which they
 * were given. */
#ifndef BASE_ORDERED_H
#define BASE_ORDERED_H

#include <stddef.h>

struct ordered;

/* What does a job.  worker: 0 for the thread that gives and takes the jobs, from 1 for
 * the others. */
typedef void ordered_fn(void *arg, void *job, unsigned worker);

/* Starts up to `threads` threads, for jobs of `size` bytes.  There is room for `room` of
 * them, which are zeroed, and then used again and again.  Returns NULL if out of memory.
 */
struct ordered *ordered_new(
    unsigned threads, size_t room, size_t size, ordered_fn *run, void *arg);

/* Waits for what is being done, and calls job_free with each place for a job. */
void ordered_free(struct ordered *q, void (*job_free)(void *job));

/* The place for another job, or NULL if there is no room. */
void *ordered_place(struct ordered *q);

/* Gives the job that has been put there. */
void ordered_give(struct ordered *q);

/* The job to be taken next, which may not be done yet; NULL: there is none. */
void *ordered_first(struct ordered *q);

/* Waits until that job is done, and does others meanwhile.  It stays until ordered_drop.
 */
void *ordered_take(struct ordered *q);
void ordered_drop(struct ordered *q);

#endif
