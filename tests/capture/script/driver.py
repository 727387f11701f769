"""Runs programs as they are and rewritten, in one process that is recorded, and says where they differ.

Reads a JSON list of sources; the folder of the store is the argument.
"""

import contextlib
import io
import json
import linecache
import sys
import traceback

from trilha.capture import context, session
from trilha.capture.script import calls
from trilha.capture.script.rewriting import rewritten


def run(code):
    names = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            exec(code, names)
        except BaseException as error:
            trace = traceback.format_exception(error)
            return output.getvalue(), "".join(trace)
    return output.getvalue(), ""


def main():
    sources = json.load(sys.stdin)
    recorder = session.start("programs", store=sys.argv[1])
    different, recorded = [], 0
    for number, source in enumerate(sources):
        path = f"<program {number}>"
        linecache.cache[path] = len(source), None, source.splitlines(keepends=True), path
        plain = run(compile(source, path, "exec"))
        made = rewritten(source.encode(), path)
        calls.install(made.functions)
        again = run(made.code)
        recorded += sum(calls._functions[key].calls for key in made.functions)
        if plain != again:
            different += [source, "as it is:", *plain, "rewritten:", *again]
    left = len(calls._stack()) + (context.current_activity.get() is not None)
    print(
        json.dumps({"different": different, "left open": left, "lost": recorder.lost, "recorded": recorded})
    )
    session.finish()


main()
