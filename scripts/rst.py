#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: rst.py FILE...
#
# Reads the documents as docutils does, and prints what is wrong with their tables, lists
# and markup. What only Sphinx knows (kernel-doc, toctree) is passed over; kernel-doc
# itself is checked elsewhere.
import sys

from docutils import core
from docutils.parsers.rst import Directive, directives


class Passed(Directive):
    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = {name: directives.unchanged
                   for name in ("export", "identifiers", "maxdepth")}

    def run(self):
        return []


for name in ("kernel-doc", "toctree"):
    directives.register_directive(name, Passed)
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as f:
        core.publish_string(f.read(), source_path=path, writer_name="null",
                            settings_overrides={"report_level": 1, "halt_level": 5})
