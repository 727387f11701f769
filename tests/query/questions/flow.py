"""A workflow of Parsl with retries, failures, remembered results and a file.

Tasks: sizes(n) for n in 1, 2, 3 (each waits n * 20 ms), one that fails once, one that always fails, one that
depends on it, the same call twice, one that writes a file and one that reads it.
"""

import json
import os
import sys
import time

import parsl
from parsl import File, python_app
from parsl.config import Config
from parsl.executors import ThreadPoolExecutor

os.chdir(sys.argv[1])
pool = ThreadPoolExecutor(label="work", max_threads=1)
parsl.load(Config(executors=[pool], retries=1, run_dir="runinfo", initialize_logging=False))


@python_app
def sized(n):
    time.sleep(n * 0.02)
    return [n]


@python_app
def flaky():
    if not os.path.exists("marker"):
        open("marker", "w").close()
        raise ValueError("the first time")
    return ["ok"]


@python_app
def broken(x):
    raise RuntimeError("never")


@python_app
def total(*parts):
    return [sum(part[0] for part in parts)]


@python_app(cache=True)
def square(x):
    return [x * x]


@python_app
def write(value, outputs=()):
    with open(outputs[0], "w") as file:
        file.write(str(value[0]))


@python_app
def read(inputs=()):
    with open(inputs[0]) as file:
        return [file.read()]


sum_ = total(*(sized(n) for n in (1, 2, 3)))
made = write(sum_, outputs=[File(os.path.abspath("sum.txt"))])
answers = [flaky().result(), read(inputs=[made.outputs[0]]).result()]
answers += [square(5).result(), square(5).result()]
try:
    total(broken(1)).result()
except Exception as error:
    answers.append(type(error).__name__)
parsl.dfk().cleanup()
print(json.dumps(answers))
