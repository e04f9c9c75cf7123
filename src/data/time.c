/* Calendar time as text, always UTC.
 *
 * The calendar is the proleptic Gregorian one, computed in eras of 400 years (146,097 days) which
 * begin on 1 March, so that the leap day is the last day of its year; source: H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms". The C library's calendar functions are not used:
 * they read the environment and a lock. Everything that is parsed is limited to the years 0000 to
 * 9999, since no text form used here can write others. thread: any. */
#include "data/time.h"

#include "base/assert.h"

#include <errno.h>

enum { DAY_MS = 86400000, HOUR_MS = 3600000, MINUTE_MS = 60000, SECOND_MS = 1000 };
enum { ERA_YEARS = 400, ERA_DAYS = 146097, EPOCH_DAYS = 719468 /* 0000-03-01 to 1970-01-01 */ };

static const int64_t time_min_ms = INT64_C(-62167219200000); /* 0000-01-01T00:00:00.000Z */
static const int64_t time_max_ms = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

void time_civil(int64_t utc_ms, struct civil *out_civil)
{
    int64_t days = floor_div(utc_ms, DAY_MS);
    int in_day = (int) (utc_ms - days * DAY_MS);
    int64_t era = floor_div(days + EPOCH_DAYS, ERA_DAYS);
    int day_of_era = (int) (days + EPOCH_DAYS - era * ERA_DAYS);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153; /* 0 is March */
    *out_civil = (struct civil){
        .year = era * ERA_YEARS + year_of_era + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
        .hour = in_day / HOUR_MS,
        .minute = in_day / MINUTE_MS % 60,
        .second = in_day / SECOND_MS % 60,
        .ms = in_day % SECOND_MS,
        .weekday = (int) (days + 4 - floor_div(days + 4, 7) * 7),
    };
}

int64_t time_utc_ms(const struct civil *civil)
{
    assert(civil->month >= 1 && civil->month <= 12);
    int64_t year = civil->year - (civil->month <= 2);
    int64_t era = floor_div(year, ERA_YEARS);
    int64_t year_of_era = year - era * ERA_YEARS;
    int64_t month = civil->month > 2 ? civil->month - 3 : civil->month + 9;
    int64_t day_of_year = (153 * month + 2) / 5 + civil->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = era * ERA_DAYS + day_of_era - EPOCH_DAYS;
    int64_t in_day = (int64_t) civil->hour * HOUR_MS + (int64_t) civil->minute * MINUTE_MS +
                     (int64_t) civil->second * SECOND_MS + civil->ms;
    return days * DAY_MS + in_day;
}

static void put_digits(struct buf *out, int value, int count)
{
    char digits[4];
    assert(count <= (int) sizeof digits);
    for (int i = count - 1; i >= 0; i--, value /= 10)
        digits[i] = (char) ('0' + value % 10);
    buf_put(out, str_of(digits, (size_t) count));
}

static void put_year(struct buf *out, int64_t year)
{
    if (year >= 0 && year <= 9999)
        put_digits(out, (int) year, 4);
    else
        buf_put_i64(out, year);
}

static void put_clock(struct buf *out, const struct civil *t)
{
    put_digits(out, t->hour, 2);
    buf_put_char(out, ':');
    put_digits(out, t->minute, 2);
    buf_put_char(out, ':');
    put_digits(out, t->second, 2);
}

static void put_date_clock(struct buf *out, const struct civil *t, bool with_ms)
{
    put_year(out, t->year);
    buf_put_char(out, '-');
    put_digits(out, t->month, 2);
    buf_put_char(out, '-');
    put_digits(out, t->day, 2);
    buf_put_char(out, 'T');
    put_clock(out, t);
    if (with_ms) {
        buf_put_char(out, '.');
        put_digits(out, t->ms, 3);
    }
}

void time_put_iso8601(struct buf *out, int64_t utc_ms, bool with_ms)
{
    struct civil t;
    time_civil(utc_ms, &t);
    put_date_clock(out, &t, with_ms);
    buf_put_char(out, 'Z');
}

void time_put_lambda(struct buf *out, int64_t utc_ms)
{
    struct civil t;
    time_civil(utc_ms, &t);
    put_date_clock(out, &t, true);
    buf_put(out, STR("+0000"));
}

void time_put_http(struct buf *out, int64_t utc_ms)
{
    struct civil t;
    time_civil(utc_ms, &t);
    buf_put(out, str_of(day_names[t.weekday], 3));
    buf_put(out, STR(", "));
    put_digits(out, t.day, 2);
    buf_put_char(out, ' ');
    buf_put(out, str_of(month_names[t.month - 1], 3));
    buf_put_char(out, ' ');
    put_year(out, t.year);
    buf_put_char(out, ' ');
    put_clock(out, &t);
    buf_put(out, STR(" GMT"));
}

/* The takers below consume from *rest or answer false, after which the text is malformed. */

static bool take_char(struct str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = str_skip(*rest, 1);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_digits(struct str *rest, size_t count, int *out_value)
{
    int value = 0;
    if (rest->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(rest->ptr[i]))
            return false;
        value = value * 10 + (rest->ptr[i] - '0');
    }
    *rest = str_skip(*rest, count);
    *out_value = value;
    return true;
}

static bool take_name(struct str *rest, const char names[][4], int count, int *out_index)
{
    for (int i = 0; i < count; i++) {
        if (!str_starts(*rest, str_of(names[i], 3)))
            continue;
        *rest = str_skip(*rest, 3);
        *out_index = i;
        return true;
    }
    return false;
}

/* ".123456", cut to milliseconds; nothing there is 0. */
static bool take_fraction(struct str *rest, int *out_ms)
{
    *out_ms = 0;
    if (!take_char(rest, '.'))
        return true;
    size_t digits = 0;
    for (int unit = 100; rest->len > 0 && is_digit(rest->ptr[0]); unit /= 10, digits++) {
        *out_ms += (rest->ptr[0] - '0') * unit;
        *rest = str_skip(*rest, 1);
    }
    return digits > 0;
}

/* "21:40:00" with an optional fraction. */
static bool take_clock(struct str *rest, struct civil *t)
{
    return take_digits(rest, 2, &t->hour) && take_char(rest, ':') &&
           take_digits(rest, 2, &t->minute) && take_char(rest, ':') &&
           take_digits(rest, 2, &t->second) && take_fraction(rest, &t->ms) && t->hour <= 23 &&
           t->minute <= 59 && t->second <= 60;
}

static bool is_date(const struct civil *t)
{
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (t->month < 1 || t->month > 12 || t->day < 1)
        return false;
    bool is_leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);
    return t->day <= lengths[t->month - 1] + (t->month == 2 && is_leap);
}

/* "Z" or "+hh:mm" or "-hh:mm". */
static bool take_offset(struct str *rest, int64_t *out_ms)
{
    *out_ms = 0;
    if (take_char(rest, 'Z') || take_char(rest, 'z'))
        return true;
    int sign = take_char(rest, '+') ? 1 : take_char(rest, '-') ? -1 : 0;
    int hours, minutes;
    if (sign == 0 || !take_digits(rest, 2, &hours) || !take_char(rest, ':') ||
        !take_digits(rest, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *out_ms = sign * ((int64_t) hours * HOUR_MS + (int64_t) minutes * MINUTE_MS);
    return true;
}

/* The instant of t, written at an offset from UTC. A second of 60 is a leap second: the last one of
 * a UTC day, counted as the first of the next. */
static int finish(const struct civil *t, int64_t offset_ms, int64_t *out_utc_ms)
{
    int64_t utc_ms = time_utc_ms(t) - offset_ms;
    if (t->second == 60 && floor_div(utc_ms, SECOND_MS) % (DAY_MS / SECOND_MS) != 0)
        return -EINVAL;
    if (utc_ms < time_min_ms || utc_ms > time_max_ms)
        return -EINVAL;
    *out_utc_ms = utc_ms;
    return 0;
}

int time_parse_iso8601(struct str text, int64_t *out_utc_ms)
{
    struct civil t = {0};
    int year = 0;
    int64_t offset_ms;
    bool is_read = take_digits(&text, 4, &year) && take_char(&text, '-') &&
                   take_digits(&text, 2, &t.month) && take_char(&text, '-') &&
                   take_digits(&text, 2, &t.day) &&
                   (take_char(&text, 'T') || take_char(&text, 't')) && take_clock(&text, &t) &&
                   take_offset(&text, &offset_ms) && text.len == 0;
    t.year = year;
    if (!is_read || !is_date(&t))
        return -EINVAL;
    return finish(&t, offset_ms, out_utc_ms);
}

int time_parse_http(struct str text, int64_t *out_utc_ms)
{
    struct civil t = {0};
    int year = 0, month = 0;
    bool is_read = take_name(&text, day_names, 7, &t.weekday) && take_char(&text, ',') &&
                   take_char(&text, ' ') && take_digits(&text, 2, &t.day) &&
                   take_char(&text, ' ') && take_name(&text, month_names, 12, &month) &&
                   take_char(&text, ' ') && take_digits(&text, 4, &year) && take_char(&text, ' ') &&
                   take_clock(&text, &t) && str_eq(text, STR(" GMT"));
    t.year = year;
    t.month = month + 1;
    if (!is_read || !is_date(&t))
        return -EINVAL;
    return finish(&t, 0, out_utc_ms);
}

/* A decimal number as digits * 10^exponent. More than 18 significant digits are cut: they lie far
 * below a millisecond for every time in range. */
struct decimal {
    uint64_t digits;
    int64_t exponent;
    int count;
};

static void decimal_add(struct decimal *d, char digit, bool is_fraction)
{
    if (d->count < 18) {
        d->digits = d->digits * 10 + (uint64_t) (digit - '0');
        d->count += d->digits > 0;
        d->exponent -= is_fraction;
    } else {
        d->exponent += !is_fraction;
    }
}

static bool take_decimal(struct str *rest, struct decimal *d)
{
    size_t before = rest->len;
    for (; rest->len > 0 && is_digit(rest->ptr[0]); *rest = str_skip(*rest, 1))
        decimal_add(d, rest->ptr[0], false);
    if (rest->len == before)
        return false;
    if (!take_char(rest, '.'))
        return true;
    before = rest->len;
    for (; rest->len > 0 && is_digit(rest->ptr[0]); *rest = str_skip(*rest, 1))
        decimal_add(d, rest->ptr[0], true);
    return rest->len < before;
}

static bool take_exponent(struct str *rest, struct decimal *d)
{
    if (!take_char(rest, 'e') && !take_char(rest, 'E'))
        return true;
    bool is_negative = take_char(rest, '-');
    if (!is_negative)
        (void) take_char(rest, '+'); /* the plus is optional */
    if (rest->len == 0 || !is_digit(rest->ptr[0]))
        return false;
    int64_t value = 0;
    for (; rest->len > 0 && is_digit(rest->ptr[0]); *rest = str_skip(*rest, 1))
        value = value > INT32_MAX ? value : value * 10 + (rest->ptr[0] - '0');
    d->exponent += is_negative ? -value : value;
    return true;
}

int time_parse_epoch(struct str text, int64_t *out_utc_ms)
{
    struct decimal d = {0};
    bool is_negative = take_char(&text, '-');
    if (!take_decimal(&text, &d) || !take_exponent(&text, &d) || text.len > 0)
        return -EINVAL;
    d.exponent += 3; /* seconds to milliseconds */
    if (d.digits == 0)
        d.exponent = 0;
    for (; d.exponent > 0; d.exponent--)
        if (d.digits > (uint64_t) time_max_ms || __builtin_mul_overflow(d.digits, 10, &d.digits))
            return -ERANGE;
    uint64_t removed = 0; /* the last digit cut off; rounding is to the nearest millisecond */
    for (; d.exponent < 0 && (d.digits > 0 || removed > 0); d.exponent++) {
        removed = d.digits % 10;
        d.digits /= 10;
    }
    d.digits += removed >= 5;
    if (d.digits > (uint64_t) time_max_ms)
        return -ERANGE;
    int64_t utc_ms = is_negative ? -(int64_t) d.digits : (int64_t) d.digits;
    if (utc_ms < time_min_ms)
        return -ERANGE;
    *out_utc_ms = utc_ms;
    return 0;
}

int time_from_seconds(double seconds, int64_t *out_utc_ms)
{
    double ms = seconds * 1000;
    if (!(ms >= (double) time_min_ms && ms <= (double) time_max_ms)) /* false for NaN */
        return -ERANGE;
    *out_utc_ms = (int64_t) (ms < 0 ? ms - 0.5 : ms + 0.5);
    return 0;
}
