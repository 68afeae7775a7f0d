/*
 * pressure.h - memory taken away for a while, on purpose. See mm/pressure.c.
 * Border: open to fs.
 */
#ifndef MM_PRESSURE_H
#define MM_PRESSURE_H

struct text;

/* "at=2s,free=5%,for=3s", several with ';'. Times count from now. 0, -EINVAL, -ENOMEM. */
int pressure_configure(const char *spec);
int pressure_report(struct text *out);

#endif
