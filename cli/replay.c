/*
 * replay.c - `quire replay FILE`: a run made with --deterministic once more, instruction for instruction.
 * WHY         such a run depends on its options, arguments, environment, folder and files alone. The report has all but the files, so
 *             it is the recording. What host files have changed since is not noticed but by what it does to the program.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/quire.h"

extern char **environ;

static json_t *texts(char **v, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_string(v[i]) ?: json_string("?"));
	return list;
}

json_t *replay_json(const struct options *o)
{
	json_t *j = json_object();
	char *cwd = getcwd(NULL, 0), memory[32];
	int n = 0;

	while (environ[n])
		n++;
	snprintf(memory, sizeof(memory), "%lluM", (unsigned long long)o->mem_bytes >> 20);
	json_object_set_new(j, "options", texts(o->given, o->nr_given));
	json_object_set_new(j, "memory", json_string(memory)); /* it may have been chosen by what the host had free */
	json_object_set_new(j, "program", texts(o->argv, o->argc));
	json_object_set_new(j, "environment", texts(environ, n));
	json_object_set_new(j, "folder", json_string(cwd ? cwd : "/") ?: json_string("/"));
	free(cwd);
	return j;
}

static size_t add_all(char **argv, size_t at, json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s)
			argv[at++] = (char *)s;
	}
	return at;
}

/* argv[1] is the file; what follows are further options, which come last and so win. */
int command_replay(int argc, char **argv)
{
	json_error_t err;
	json_t *root, *j, *env;
	size_t at = 0, most;
	char **out;
	const char *folder;

	if (argc < 2)
		fail("replay: which report? Try 'quire --help'");
	root = json_load_file(argv[1], 0, &err);
	if (!root)
		fail("replay %s: %s", argv[1], err.text);
	j = json_object_get(root, "replay");
	folder = json_string_value(json_object_get(j, "folder"));
	if (!folder)
		fail("replay %s: not the report of a run with --deterministic", argv[1]);
	if (chdir(folder) < 0)
		fail("replay: %s: %s", folder, strerror(errno));
	env = json_object_get(j, "environment");
	clearenv();
	for (size_t i = 0; i < json_array_size(env); i++)
		if (json_string_value(json_array_get(env, i)))
			putenv((char *)json_string_value(json_array_get(env, i)));
	most = json_array_size(json_object_get(j, "options")) + json_array_size(json_object_get(j, "program")) + (size_t)argc + 10;
	out = must_alloc(calloc(most, sizeof(*out)));
	out[at++] = (char *)"quire";
	out[at++] = (char *)"run";
	at = add_all(out, at, json_object_get(j, "options"));
	out[at++] = (char *)"-m";
	out[at++] = (char *)(json_string_value(json_object_get(j, "memory")) ?: "256M");
	out[at++] = (char *)"--json"; /* not over the recording, unless that is asked for */
	out[at++] = (char *)"/dev/null";
	for (int i = 2; i < argc; i++)
		out[at++] = argv[i];
	out[at++] = (char *)"--";
	at = add_all(out, at, json_object_get(j, "program"));
	execv("/proc/self/exe", out);
	fail("replay: %s", strerror(errno));
}
