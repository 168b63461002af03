/* error.c - fills the caller's error object. */
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Builds the text in a new object first, because the arguments may point into *err. */
static int error_fill(evlog_error *err, int code, const char *format, va_list ap)
{
	evlog_error fresh = {.code = code};

	if (!err)
		return code;
	vsnprintf(fresh.text, sizeof fresh.text, format, ap);
	snprintf(fresh.reason, sizeof fresh.reason, "%.255s", fresh.text);
	*err = fresh;
	return code;
}

int error_set(evlog_error *err, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	error_fill(err, code, format, ap);
	va_end(ap);
	return code;
}

static int code_of_errno(int e)
{
	switch (e) {
	case ENOENT:
	case ENOTDIR: return EVLOG_ENOINPUT;
	case EACCES:
	case EPERM:
	case EROFS: return EVLOG_EPERM;
	default: return EVLOG_EIO;
	}
}

int error_sys(evlog_error *err, const char *format, ...)
{
	int e = errno;
	int code = code_of_errno(e);
	va_list ap;

	va_start(ap, format);
	error_fill(err, code, format, ap);
	va_end(ap);
	if (!err)
		return code;
	err->sys = e;
	size_t n = strlen(err->text);
	snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(e));
	snprintf(err->reason, sizeof err->reason, "%s", strerror(e));
	return code;
}

int error_memory(evlog_error *err)
{
	error_set(err, EVLOG_EIO, "out of memory");
	if (err)
		err->sys = ENOMEM;
	return EVLOG_EIO;
}

int error_at(evlog_error *err, const char *name, uint64_t line, uint64_t column,
    const char *format, ...)
{
	char where[320];
	va_list ap;

	va_start(ap, format);
	error_fill(err, EVLOG_EDATA, format, ap);
	va_end(ap);
	if (!err)
		return EVLOG_EDATA;
	err->line = line;
	err->column = column;
	snprintf(where, sizeof where, "%.240s:%" PRIu64 ":%" PRIu64, name, line, column);
	snprintf(err->text, sizeof err->text, "%s: %s", where, err->reason);
	return EVLOG_EDATA;
}
