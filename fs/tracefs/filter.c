/*
 * filter.c - the text of a filter becomes terms in postfix order: a recursive-descent parser. kernel/trace.c evaluates them.
 *
 *	or := and { "||" and }	and := unary { "&&" unary }	unary := "!" unary | "(" or ")" | field operator value
 */
#include <abi/errno.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "private.h"

struct parser {
	const char		*p;
	const struct trace_event_type *event;
	struct trace_filter	*out;
	unsigned		depth;
	int			err;
};

#define MAX_TERMS	32
#define MAX_DEPTH	8

static void skip_blanks(struct parser *s)
{
	while (*s->p == ' ' || *s->p == '\t' || *s->p == '\n')
		s->p++;
}

static struct trace_term *new_term(struct parser *s)
{
	if (s->out->nr >= MAX_TERMS) {
		s->err = -EINVAL;
		return &s->out->term[MAX_TERMS - 1];
	}
	return &s->out->term[s->out->nr++];
}

static size_t word_len(const char *p)
{
	size_t n = 0;

	while ((p[n] | 32) - 'a' < 26u || p[n] - '0' < 10u || p[n] == '_')
		n++;
	return n;
}

static bool find_field(struct parser *s, const char *name, size_t n, struct trace_term *t)
{
	if (n == 10 && !strncmp(name, "common_pid", 10)) {
		t->value = 6;
		t->is_signed = true;
		return true;
	}
	if (n == 4 && (!strncmp(name, "comm", 4) || !strncmp(name, "COMM", 4))) {
		t->value = 7;
		return true;
	}
	for (const struct trace_field *f = s->event->fields; f->name; f++)
		if (strlen(f->name) == n && !strncmp(f->name, name, n)) {
			t->value = f->value;
			t->is_signed = f->is_signed;
			return true;
		}
	return false;
}

static bool parse_op(struct parser *s, struct trace_term *t)
{
	static const struct { const char *text; u8 op; } ops[] = {
		{ "==", OP_EQ }, { "!=", OP_NE }, { "<=", OP_LE }, { ">=", OP_GE }, { "<", OP_LT }, { ">", OP_GT }, { "&", OP_MASK },
		{ "~", OP_GLOB },
	};

	skip_blanks(s);
	for (unsigned n = 0; n < ARRAY_SIZE(ops); n++)
		if (!strncmp(s->p, ops[n].text, strlen(ops[n].text))) {
			s->p += strlen(ops[n].text);
			t->op = ops[n].op;
			skip_blanks(s);
			return true;
		}
	return false;
}

static bool parse_text(struct parser *s, struct trace_term *t)
{
	char quote = *s->p == '"' || *s->p == '\'' ? *s->p++ : 0;
	size_t n = 0;

	while (s->p[n] && (quote ? s->p[n] != quote : s->p[n] != ' ' && s->p[n] != ')' && s->p[n] != '\n' && s->p[n] != '&' && s->p[n] != '|'))
		n++;
	if (n >= sizeof(t->text) || (quote && !s->p[n]))
		return false;
	memcpy(t->text, s->p, n);
	t->text[n] = 0;
	s->p += n + (quote ? 1 : 0);
	return true;
}

static void parse_predicate(struct parser *s)
{
	struct trace_term *t = new_term(s);
	size_t n = word_len(s->p);
	const char *end;
	bool negative;

	*t = (struct trace_term){ 0 };
	if (!n || !find_field(s, s->p, n, t)) {
		s->err = -EINVAL;
		return;
	}
	s->p += n;
	if (!parse_op(s, t)) {
		s->err = -EINVAL;
		return;
	}
	if (t->value == 5 || t->value == 7) {
		t->kind = TERM_TEXT;
		if ((t->op != OP_EQ && t->op != OP_NE && t->op != OP_GLOB) || !parse_text(s, t))
			s->err = -EINVAL;
		return;
	}
	t->kind = TERM_NUMBER;
	negative = *s->p == '-';
	t->number = str_to_u64(s->p + negative, &end, 0);
	if (end == s->p + negative || t->op == OP_GLOB)
		s->err = -EINVAL;
	if (negative)
		t->number = -t->number;
	s->p = end;
}

static void parse_or(struct parser *s);

static void parse_unary(struct parser *s)
{
	skip_blanks(s);
	if (++s->depth > MAX_DEPTH || s->err) {
		s->err = -EINVAL;
	} else if (*s->p == '!') {
		s->p++;
		parse_unary(s);
		new_term(s)->kind = TERM_NOT;
	} else if (*s->p == '(') {
		s->p++;
		parse_or(s);
		skip_blanks(s);
		if (*s->p != ')')
			s->err = -EINVAL;
		else
			s->p++;
	} else {
		parse_predicate(s);
	}
	s->depth--;
}

static void parse_and(struct parser *s)
{
	parse_unary(s);
	for (skip_blanks(s); !s->err && s->p[0] == '&' && s->p[1] == '&'; skip_blanks(s)) {
		s->p += 2;
		parse_unary(s);
		new_term(s)->kind = TERM_AND;
	}
}

static void parse_or(struct parser *s)
{
	parse_and(s);
	for (skip_blanks(s); !s->err && s->p[0] == '|' && s->p[1] == '|'; skip_blanks(s)) {
		s->p += 2;
		parse_and(s);
		new_term(s)->kind = TERM_OR;
	}
}
int trace_filter_parse(const char *text, unsigned e, struct trace_filter **out)
{
	struct parser s = { .p = text, .event = &trace_events[e] };

	s.out = kzalloc(sizeof(*s.out) + MAX_TERMS * sizeof(struct trace_term), GFP_KERNEL | GFP_NOACCOUNT);
	if (!s.out)
		return -ENOMEM;
	parse_or(&s);
	skip_blanks(&s);
	if (!s.err && *s.p)
		s.err = -EINVAL;
	if (s.err) {
		kfree(s.out);
		return s.err;
	}
	*out = s.out;
	return 0;
}
