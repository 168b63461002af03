/* error.h - filling the caller's error object. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "evlog.h"

/* Writes code and message, clears the rest, returns code.  err may be NULL. */
int error_set(evlog_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from errno: "what: No such file or directory", and the code that fits. */
int error_sys(evlog_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int error_memory(evlog_error *err);

/* "name:line:column: reason", code EVLOG_EDATA. */
int error_at(evlog_error *err, const char *name, uint64_t line, uint64_t column,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
