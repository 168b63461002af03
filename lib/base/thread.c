/* thread.c - threads with a stack large enough for deep nesting. */
#include "base/thread.h"
#include "base/os.h"

#define STACK_SIZE (4 * STACK_NEEDED) /* untouched pages take no memory */

int thread_start(pthread_t *id, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r)
		return r;
	r = pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (!r)
		r = pthread_create(id, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return r;
}

bool thread_is_roomy(void)
{
	static _Thread_local int known; /* 1: roomy, -1: not */

	if (!known)
		known = os_stack_size() >= STACK_NEEDED ? 1 : -1;
	return known > 0;
}
