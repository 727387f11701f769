"""Apps of Parsl, the begin of scripts that several tests trace."""

APPS = """\
import parsl
from parsl import python_app


@python_app
def twice(number):
    doubled = number * 2
    return doubled


@python_app
def plus(some, more):
    return some + more
"""
