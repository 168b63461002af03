/* options.h - what public functions check before they believe their caller: structs of
 * options, which may be of another version of evlog.h than the library; pointers; the
 * time of the call. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "evlog.h"

/* Fills in our struct of `size` bytes from the caller's; given NULL: all is zero.
 * least: the size that it had in the first version, END_OF the last member of that.
 * EVLOG_EUSAGE: its size is not set, or it uses what this version does not know. */
int options_take(
    void *ours, size_t size, size_t least, const void *given, evlog_error *err);

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* EVLOG_EUSAGE, if something that a public function needs is not there. */
#define NEED(that, err) REFUSE(!(that), "it needs " #that, err)

/* EVLOG_EUSAGE, if a public function is called at the wrong time, or with a value that
 * makes no sense. */
#define REFUSE(that, why, err)                                                           \
	if (that)                                                                        \
	return options_bad(__func__, why, err)

int options_bad(const char *function, const char *why, evlog_error *err);

/* Gives a public function an error object of its own, if its caller wants none. */
#define OWN_ERROR(err)                                                                   \
	evlog_error own_error;                                                           \
	if (!(err))                                                                      \
	(err) = &own_error

/* Whether the strings of a position end, and its hashes are as many as its seq needs. */
bool position_is_sound(const struct evlog_position *at);

#endif
