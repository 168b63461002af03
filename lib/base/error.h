/* error.h - filling the caller's error object. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "evlog.h"

/* Sets code and text, clears the other fields, and returns code.  err may be NULL. */
int error_set(evlog_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from errno: the text ends in ": No such file or directory", and the code is
 * chosen to match. */
int error_sys(evlog_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* EVLOG_EIO with ENOMEM. */
int error_memory(evlog_error *err);

/* Sets the text "name:line:column: reason" and the code EVLOG_EDATA. */
int error_at(evlog_error *err, const char *name, uint64_t line, uint64_t column,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
