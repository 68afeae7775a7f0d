/*
 * html.c - the report as one page that needs nothing else: the template with this run's JSON and text put in.
 * WHY         a browser sorts, zooms and shows values under the pointer better than anything that could be drawn
 *             beforehand; one file, no network, so it can be mailed and kept.
 * SHAPE       page.html is part of the command; two places in it are filled: TEXT, escaped as HTML, and DATA, JSON in
 *             which every '<' is written \u003c, so that no string in it can end the script element.
 * READ NEXT   cli/page.html
 */
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

__asm__(".section .rodata\n"
	"page_template:\n"
	".incbin \"cli/page.html\"\n"
	".byte 0\n"
	".previous\n");
extern const char page_template[];

#define TEXT_MARK "/*QUIRE:TEXT*/"
#define DATA_MARK "/*QUIRE:DATA*/"

static void put_escaped(FILE *f, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '<')
			fputs("&lt;", f);
		else if (s[i] == '&')
			fputs("&amp;", f);
		else
			fputc(s[i], f);
	}
}

static void put_text(FILE *f, const struct report *r)
{
	size_t len = 0;
	char *text = NULL;
	FILE *m = open_memstream(&text, &len);

	if (!m)
		fail("out of memory");
	report_text(m, r, false);
	fclose(m);
	put_escaped(f, text, len);
	free(text);
}

static int put_chunk(const char *s, size_t len, void *arg)
{
	FILE *f = arg;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '<')
			fputs("\\u003c", f);
		else
			fputc(s[i], f);
	}
	return ferror(f) ? -1 : 0;
}

bool report_html(FILE *f, const struct report *r)
{
	const char *text = strstr(page_template, TEXT_MARK), *data = strstr(page_template, DATA_MARK);

	fwrite(page_template, 1, (size_t)(text - page_template), f);
	put_text(f, r);
	text += strlen(TEXT_MARK);
	fwrite(text, 1, (size_t)(data - text), f);
	json_dump_callback(r->root, put_chunk, f, JSON_COMPACT);
	fputs(data + strlen(DATA_MARK), f);
	return !ferror(f);
}
