"""Job configurations for the tests of this folder."""

import textwrap

import pytest

from orchestrator.jobs.reading import JobError, parse_job


def job(text, name="job/config.yaml"):
    return parse_job(textwrap.dedent(text), name)


def task_of(text):
    """The one task that has these keys, beside an image."""
    return job(
        "apiVersion: v2\nactions:\n- name: a\n  events: [{name: e}]\n  tasks:\n  - "
        + textwrap.indent(textwrap.dedent(text).strip(), "    ").strip()
    ).configuration.actions[0].tasks[0]  # fmt: skip


def wrong(text, read=job):
    """The mistakes of a text, one line each."""
    with pytest.raises(JobError) as caught:
        read(text)
    return str(caught.value).splitlines()
