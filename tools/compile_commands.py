#!/usr/bin/env python3
"""compile_commands.py DIR COMMAND FILE... - a compile_commands.json on stdout."""
import json
import sys

directory, command, files = sys.argv[1], sys.argv[2], sys.argv[3:]
json.dump([{"directory": directory, "file": f, "command": command + " -c " + f} for f in files], sys.stdout, indent=1)
