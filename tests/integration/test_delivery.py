"""What `scanmatrix run` does with its results by itself: exports, and telling people what changed, once."""

import json
from pathlib import Path

import pytest
import yaml

from tests.integration.forked import scanmatrix
from tests.tools import layouts, samples
from tests.tools.receivers import Hook, misbehaving, silent, webhook
from tests.tools.s3 import ACCESS_KEY, REGION, SECRET_KEY, start_s3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One image that runs as root, and whose it is."""
    layouts.write_archive(tmp_path / "web.tar", samples.system())
    return tmp_path


def configure(folder: Path, *, exports: dict[str, object] | None = None, hook: str = "", deadline: int = 60) -> None:
    route = {"owners": "team-a", "webhook": {"url": hook, "secret": "a-secret-of-ours"}}
    config = {
        "targets": [{"archive": "web.tar", "owner": "team-a", "scans": "root-user"}],
        "exports": exports or {},
        "notify": {"routes": [route] if hook else [], "deadline": f"{deadline}s"},
    }
    (folder / "scanmatrix.yaml").write_text(yaml.safe_dump(config))


def told(hook: Hook) -> list[dict[str, object]]:
    return [json.loads(body) for _, body in hook.got]


def test_owners_are_notified_about_what_changed_once(folder: Path) -> None:
    with webhook() as hook:
        configure(folder, hook=hook.url)
        done = scanmatrix("run", "--run-id", "first", cwd=folder)
        assert done.returncode == 0, done.stderr
        (message,) = told(hook)
        assert message["run"] == "first"
        # The same again changes nothing, and nobody is notified about it; nor again about what was sent.
        assert scanmatrix("run", "--run-id", "second", cwd=folder).returncode == 0
        assert "nothing changed" in scanmatrix("results", "notify", "second", cwd=folder).stdout
        again = scanmatrix("results", "notify", "first", "--output", "json", cwd=folder)
        assert [one["state"] for one in json.loads(again.stdout)["deliveries"]] == ["sent"]
        assert len(hook.got) == 1
        # Built again without root, it is mended.
        layouts.write_archive(folder / "web.tar", samples.distroless())
        assert scanmatrix("run", "--run-id", "third", cwd=folder).returncode == 0
        assert [message["run"] for message in told(hook)] == ["first", "third"]
        assert "root-user" in json.dumps(told(hook)[1])


def test_exports_that_are_always_made_are_there(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with start_s3(tmp_path_factory.mktemp("s3")) as server:
        server.make_bucket("results")
        s3 = {"bucket": "results", "endpoint": server.url, "addressing": "path", "region": REGION}
        configure(folder, exports={"always": ["sarif", "openvex", "s3"], "s3": s3})
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        done = scanmatrix("run", "--run-id", "first", cwd=folder, environment=keys)
        assert done.returncode == 0, done.stderr
        *_, remark = done.stderr.splitlines()
        assert "no severity rule is set" in remark
        assert {"scanmatrix/first/ledger.json", "scanmatrix/first/report.sarif"} <= set(server.keys("results"))


def test_receivers_in_trouble_are_reported_and_the_run_is_done(folder: Path) -> None:
    with misbehaving(silent) as port:
        s3 = {"bucket": "b", "endpoint": f"http://127.0.0.1:{port}", "timeout": "1s", "attempts": 1, "deadline": "3s"}
        configure(folder, exports={"always": ["s3"], "s3": s3}, hook=f"http://127.0.0.1:{port}/hook", deadline=3)
        keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s3cret-key-of-ours"}
        done = scanmatrix("run", "--run-id", "first", cwd=folder, environment=keys)
    assert done.returncode == 0, done.stderr
    assert (folder / "scanmatrix-data" / "results" / "first" / "ledger.json").exists()
    assert "export s3" in done.stderr
    assert "notification" in done.stderr
    for secret in ("s3cret-key-of-ours", "a-secret-of-ours", "/hook"):
        assert secret not in done.stderr
    # What could not be sent is still there to be sent.
    with webhook() as hook:
        configure(folder, hook=hook.url)
        scanmatrix("results", "notify", "first", cwd=folder)
        assert [message["run"] for message in told(hook)] == ["first"]
