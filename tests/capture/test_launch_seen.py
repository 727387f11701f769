"""A script sees of itself, of Python and of the machine what it sees when it runs by itself."""
# ruff: noqa: E501 -- scripts, as text

import textwrap

import pytest
from tests.capture.launching import GRAINS

SEEN = {
    "its module": """
        '''The docstring.'''
        from __future__ import annotations
        x: int = 1
        import __main__, sys, builtins
        print(list(globals()), __name__, __file__, __doc__, __spec__, __package__, __cached__, __annotations__)
        print(type(__loader__).__qualname__, __loader__.path, __loader__.name, __builtins__ is builtins)
        print(__main__.__dict__ is globals(), sys.modules["__main__"] is __main__, __loader__.is_package("__main__"))
        print(dir())
    """,
    "its arguments and paths": """
        import sys, os
        print(sys.argv, sys.path, os.getcwd(), sys._xoptions, sys.warnoptions, sys.orig_argv[1:])
        print(sys.excepthook is sys.__excepthook__, sys.gettrace(), sys.getprofile(), sys.getrecursionlimit())
        print(sys.flags, sys.displayhook is sys.__displayhook__, hasattr(sys, "last_value"))
    """,
    "its place on the stack": """
        import inspect, sys, traceback
        def f():
            print(len(inspect.stack()), sys._getframe(1).f_code.co_name, sys._getframe(1).f_back)
            traceback.print_stack()
            print([(i.function, i.lineno, i.code_context) for i in inspect.stack()])
        f()
        try:
            sys._getframe(1)
        except ValueError as error:
            print(error)
    """,
    "its descriptors and threads": """
        import os, sys, threading, signal
        def f():
            print(threading.active_count(), threading.current_thread(), threading.main_thread() is threading.current_thread())
            print([s for s in range(1, 32) if signal.getsignal(s) not in (signal.SIG_DFL, None)])
            print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            with open(sys.argv[0]) as file:
                print(file.fileno() < 8, os.get_inheritable(file.fileno()))
        f()
    """,
    "its own functions": '''
        import inspect, dis
        def f(a, /, b, *c, d=1, **e) -> int:
            """What f does."""
            # a comment
            return a
        def only_documented():
            """Only a docstring."""
        def decorate(function):
            def inner(*args):
                return function(*args)
            inner.__wrapped__ = function
            return inner
        @decorate
        @decorate
        def g(x: "int" = 2): return x * 2
        for one in (f, only_documented, g):
            print(inspect.getsource(one), inspect.signature(one), one.__name__, one.__qualname__, one.__module__)
            print(one.__doc__, one.__defaults__, one.__kwdefaults__, one.__annotations__, one.__closure__ is None)
            code = inspect.unwrap(one).__code__
            print(code.co_name, code.co_firstlineno, code.co_filename, code.co_varnames, code.co_argcount, code.co_flags)
            print(code.co_freevars, code.co_cellvars, code.co_nlocals, code.co_kwonlyargcount)
        print(f(1, 2), only_documented(), g(4), repr(f(1, 2, 3, d=4, z=5)))
    ''',
    "its variables": """
        def f(a, b=2, *c, d=3, **e):
            print(locals(), dir(), sorted(vars()))
            x = 1
            print(locals())
            def g():
                return a + x
            print(sorted(locals()), g.__code__.co_freevars)
            del x
            try:
                return locals()
            finally:
                print(sorted(locals()))
        print(f(1, 5, 6, q=7)["e"])
        print(sorted(name for name in globals() if not name.startswith("__")))
    """,
    "control flow": """
        import contextlib
        def loops(n):
            for i in range(n):
                with contextlib.suppress(ZeroDivisionError):
                    try:
                        if i == 3:
                            return i
                        if i == 1:
                            continue
                        1 / (i - 2)
                    finally:
                        print("finally", i)
                print("after", i)
            else:
                return "else"
        print(loops(2), loops(9), loops(0))
        def again():
            while True:
                try:
                    return 1
                finally:
                    break
            return 2
        print(again())
        def overridden():
            try:
                return print("first")
            finally:
                return "second"
        print(overridden())
        def nothing(): pass
        def bare(x):
            if x: return
            return None
        print(nothing(), bare(1), bare(0))
        def matching(x):
            match x:
                case [a, *rest]: return a, rest
                case {"k": v}: return v
                case _: return (yield_ := 5)
        print(matching([1, 2]), matching({"k": 3}), matching(0))
        def handled():
            try:
                raise KeyError
            except KeyError as e:
                return repr(e)
        print(handled())
        def one(): return 1
        def two():
            global z; z = one(); return z
        print(two() + one(), z)
        def nested():
            total = 0
            def add(x):
                nonlocal total
                total += x
                return total
            return [add(i) for i in range(3)], total
        print(nested())
    """,
    "recursion": """
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        print(fib(15))
        def even(n): return True if n == 0 else odd(n - 1)
        def odd(n): return False if n == 0 else even(n - 1)
        print(even(400))
        def deep(n):
            return deep(n + 1)
        try:
            deep(0)
        except RecursionError as error:
            print(error)
        print(fib(10))
    """,
    "generators and coroutines": """
        import asyncio, inspect
        def numbers(n):
            got = yield 0
            for i in range(n):
                got = yield (i, got)
            return "end"
        def both():
            result = yield from numbers(2)
            print(result)
        async def work(x):
            await asyncio.sleep(0)
            return x + 1
        async def stream():
            for i in range(3):
                yield i
        async def main():
            print(await asyncio.gather(work(1), work(2)), [i async for i in stream()], [await work(i) for i in range(2)])
            raise ValueError("in main")
        def lazily(): return (x for x in range(3))
        def hidden():
            def inner(x=(lambda: 3)): return x
            return [y for y in [inner()() for _ in range(2)]]
        print(list(both()), list(lazily()), hidden())
        print(inspect.isgeneratorfunction(numbers), inspect.iscoroutinefunction(work))
        asyncio.run(main())
    """,
    "definitions": """
        if True:
            def f(): return "if"
        else:
            def f(): return "else"
        print(f())
        try:
            import nowhere_at_all
        except ImportError:
            def g(): return "except"
        else:
            def g(): return "else"
        finally:
            def h(): return "finally"
        print(g(), h())
        def f(): return "again"
        print(f())
        for i in range(2):
            def f(i=i): return i
            print(f())
        with open(__file__) as _:
            def w(): return "with"
        print(w())
        class C:
            def method(self): return super().__repr__().startswith("<")
            @staticmethod
            def s(): return 1
        print(C().method(), C.s())
        def ä(ö, *, ü=2): return ö + ü
        print(ä(1), ä(ö=4))
    """,
    "warnings": """
        import warnings
        def f():
            warnings.warn("one")
            warnings.warn("two", stacklevel=2)
            warnings.warn("far", stacklevel=9)
            warnings.warn("old", DeprecationWarning)
        f()
        f()
    """,
    "a tracer of its own": """
        import sys
        def f(a):
            b = a
            for i in range(2):
                b += i
            if b > 3:
                return b
            try:
                return (b,
                        a)
            finally:
                b = 0
        def g():
            raise ValueError
        def h():
            f(1)
            x = 1
        def trace(frame, event, arg):
            print(frame.f_code.co_name, event, frame.f_lineno, arg if event == "return" else "")
            return trace
        sys.settrace(trace)
        f(1); f(9); h()
        try:
            g()
        except ValueError:
            pass
        sys.settrace(None)
        print(f(1))
    """,
    "pickles": """
        import pickle, copy
        class C:
            def __init__(self): self.x = 1
        def f(): return 5
        print(pickle.loads(pickle.dumps(f)) is f, pickle.loads(pickle.dumps(C())).x, copy.deepcopy(f)())
    """,
    "processes": """
        import concurrent.futures, multiprocessing, os, subprocess, sys
        def square(x):
            return x * x
        def fails(x):
            raise ValueError(x)
        def main():
            for method in ("fork", "spawn"):
                context = multiprocessing.get_context(method)
                with context.Pool(2) as pool:
                    print(pool.map(square, range(5)))
                    try:
                        pool.apply(fails, (3,))
                    except ValueError as error:
                        print(repr(error))
                with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
                    print(list(pool.map(square, range(3))))
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                print(list(pool.map(square, range(5))))
            print(subprocess.run([sys.executable, "-c", "print(6)"], capture_output=True).stdout)
            sys.stdout.flush()
            pid = os.fork()
            if not pid:
                print(square(9))
                sys.exit(3)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        if __name__ == "__main__":
            main()
    """,
    "lifetimes": """
        import gc, sys, weakref
        class Big:
            def __del__(self): print("gone")
        def consume(thing):
            del thing
            print("still in")
        def replace(thing):
            thing = None
            print("replaced")
        def give():
            return Big()
        gc.disable()
        consume(Big())
        replace(Big())
        give()
        x = give()
        print("kept")
        del x
        print("end")
    """,
    "hooks that users have": """
        import sys, atexit, threading
        def f(): return 1
        sys.setprofile(lambda *_: None); f(); sys.setprofile(None)
        threading.settrace(None)
        atexit.register(print, "at exit")
        sys.addaudithook(lambda *_: None)
        def handler(signum, frame):
            raise TimeoutError("late")
        import signal
        signal.signal(signal.SIGALRM, handler)
        def slow():
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            try:
                while True: f()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            slow()
        except TimeoutError as error:
            print(error)
        sys.stdout.write("no newline")
    """,
}


def _source(text):
    return textwrap.dedent(text).lstrip("\n")


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("case", SEEN)
def test_a_script_sees_what_it_sees_by_itself(twice, case, grain):
    twice.write("s.py", _source(SEEN[case]))
    twice.same("s.py", "one", "two words", "--three=ü", grain=grain)
    assert twice.store.run()["status"]
