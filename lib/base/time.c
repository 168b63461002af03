/* time.c - RFC 3339, and the clock. */
#include "base/time.h"
#include "base/error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND	 INT64_C(1000000)
#define DAY	 (86400 * SECOND)
#define EARLIEST (INT64_C(-62167219200) * SECOND)     /* 0000-01-01 */
#define LATEST	 (INT64_C(253402300800) * SECOND - 1) /* end of 9999 */

/* Counts years from March, so that a leap day is the last day of its year. */
int64_t time_days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void civil_of(int64_t days, int *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t m = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Reads n digits; -1 if one of them is not a digit. */
static int digits(const char *p, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

bool time_date_read(const char *p, int64_t *days)
{
	int year = digits(p, 4), month = digits(p + 5, 2), day = digits(p + 8, 2);

	if (year < 0 || p[4] != '-' || p[7] != '-' || month < 1 || month > 12 ||
	    day < 1 || day > days_in_month(year, month))
		return false;
	*days = time_days(year, month, day);
	return true;
}

bool time_clock_read(const char *p, int64_t *seconds)
{
	int h = digits(p, 2), m = digits(p + 3, 2), s = digits(p + 6, 2);

	if (h < 0 || h > 23 || p[2] != ':' || m < 0 || m > 59 || p[5] != ':' || s < 0 ||
	    s > 60)
		return false;
	*seconds = h * 3600 + m * 60 + s;
	return true;
}

bool time_leap_allowed(int64_t t)
{
	int year, month, day;

	t /= SECOND; /* the second after the leap second */
	civil_of(t / 86400, &year, &month, &day);
	return t % 86400 == 0 && day == 1;
}

struct view time_digits_after(const char *p, size_t n)
{
	size_t len = 0;

	while (len < n && isdigit((unsigned char)p[len]))
		len++;
	while (len > 0 && (len <= 6 || p[len - 1] == '0'))
		len--;
	return len ? (struct view){p + 6, len - 6} : (struct view){"", 0};
}

struct view time_digits(const char *p, size_t len)
{
	return len > 20 && p[19] == '.' ? time_digits_after(p + 20, len - 20)
					: (struct view){"", 0};
}

bool time_rfc3339(const char *p, size_t len, int64_t *t)
{
	int64_t days, seconds, fraction = 0, offset = 0;
	size_t i = 19;

	if (len < 20 || !time_date_read(p, &days) || (p[10] | 32) != 't' ||
	    !time_clock_read(p + 11, &seconds))
		return false;
	if (p[i] == '.') {
		int64_t unit = SECOND / 10;
		size_t first = ++i;
		for (; i < len && p[i] >= '0' && p[i] <= '9'; i++, unit /= 10)
			fraction += (p[i] - '0') * unit;
		if (i == first)
			return false;
	}
	if (i + 1 == len && (p[i] | 32) == 'z') {
		offset = 0;
	} else if (i + 6 == len && (p[i] == '+' || p[i] == '-') && p[i + 3] == ':') {
		int h = digits(p + i + 1, 2), m = digits(p + i + 4, 2);
		if (h < 0 || h > 23 || m < 0 || m > 59)
			return false;
		offset = (p[i] == '-' ? -1 : 1) * (h * 3600 + m * 60);
	} else {
		return false;
	}
	*t = days * DAY + (seconds - offset) * SECOND;
	if (p[17] == '6' && !time_leap_allowed(*t))
		return false;
	*t += fraction;
	return true;
}

bool time_stamp_read(const char p[27], int64_t *t)
{
	int64_t days, seconds;
	int micro = digits(p + 20, 6);

	if (p[10] != 'T' || p[19] != '.' || p[26] != 'Z' || micro < 0 || p[17] == '6' ||
	    !time_date_read(p, &days) || !time_clock_read(p + 11, &seconds))
		return false;
	*t = days * DAY + seconds * SECOND + micro;
	return true;
}

static void put_digits(char *p, int n, int64_t v)
{
	while (n-- > 0) {
		p[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void time_stamp_write(char p[27], int64_t t)
{
	int year, month, day;

	t = t < EARLIEST ? EARLIEST : t > LATEST ? LATEST : t;
	int64_t days = t / DAY - (t % DAY < 0);
	int64_t rest = t - days * DAY;
	civil_of(days, &year, &month, &day);
	memcpy(p, "0000-00-00T00:00:00.000000Z", 27);
	put_digits(p, 4, year);
	put_digits(p + 5, 2, month);
	put_digits(p + 8, 2, day);
	put_digits(p + 20, 6, rest % SECOND);
	rest /= SECOND;
	put_digits(p + 11, 2, rest / 3600);
	put_digits(p + 14, 2, rest / 60 % 60);
	put_digits(p + 17, 2, rest % 60);
}

void evlog_time_format(int64_t t, char out[28])
{
	if (!out)
		return;
	time_stamp_write(out, t);
	out[27] = '\0';
}

int64_t evlog_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000;
}
