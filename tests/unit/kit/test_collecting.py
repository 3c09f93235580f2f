"""Garbage is looked for as before once the last thread is out."""

import gc
import threading
import weakref

from orchestrator.kit.collecting import collected_as_served, give_back, seldom_collected


def test_threads_that_overlap_leave_the_thresholds_as_they_were():
    before, inside, ended = gc.get_threshold(), threading.Event(), threading.Event()

    def other():
        with seldom_collected():
            inside.set()
            ended.wait(20)

    thread = threading.Thread(target=other)
    with collected_as_served():
        serving = gc.get_threshold()
        with seldom_collected():
            thread.start()
            assert inside.wait(20)
            seldom = gc.get_threshold()
        assert gc.get_threshold() == seldom
        ended.set()
        thread.join()
        assert gc.get_threshold() == serving
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
    assert before < serving < seldom


class Cycle:
    def __init__(self):
        self.itself = self


def test_cycles_are_freed_when_memory_is_given_back():
    with collected_as_served():
        gone = weakref.ref(Cycle())
        assert gone() is not None
        give_back()
        assert gone() is None
