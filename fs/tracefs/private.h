/*
 * private.h - between the parts of tracefs: the table of events, how a record is printed, how a filter's text becomes terms.
 */
#ifndef FS_TRACEFS_PRIVATE_H
#define FS_TRACEFS_PRIVATE_H

#include <kernel/trace.h>
#include <lib/text.h>

struct trace_field {
	const char	*type, *name;
	u8		size;
	bool		is_signed;
	u8		value;		/* which of the record's; 5: its name */
};

struct trace_event_type {
	const char	*system, *name;
	struct trace_field fields[8];
	const char	*print_fmt;
	void		(*print)(struct text *out, const struct trace_record *r);
};

extern const struct trace_event_type trace_events[NR_TRACE_EVENTS];
extern const char *const trace_systems[];
extern const unsigned nr_trace_systems;

/* One record as a line of `trace`, or a stack below its line. */
void trace_print(struct text *out, const struct trace_record *r);

/* "bytes_req > 1000 && comm ~ \"x*\"" of event e. 0 with *out for kfree(), -EINVAL, -ENOMEM. */
int trace_filter_parse(const char *text, unsigned e, struct trace_filter **out) must_check;

#endif
