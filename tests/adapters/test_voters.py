"""etcd's members and what makes one anew: commands by equality, settings by what the script makes of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from runbooks.adapters import voters
from runbooks.core.command import Command
from tests.adapters.recorded import recorded

DECLARED = """name: est-bdg-etcd-1
initial-cluster: est-jkt-etcd-1=https://etcd-1.jkt.link:2380,est-bdg-etcd-1=https://etcd-1.bdg.link:2380

# Read at the first start alone, before there is data.
initial-cluster-state: new
initial-cluster-token: est
"""


def test_members_with_one_that_learns() -> None:
    """It has no name before it was started; numbers are as etcdctl takes them."""
    quorum = voters.members().parse(recorded("etcdctl-3.5.16-member-list.json"))
    assert quorum.cluster == "75008ae0476a691d"
    assert [each.name for each in quorum.voters] == ["est-sby-etcd-1", "est-jkt-etcd-1"]
    learner = quorum.at("https://etcd-1.bdg.link:2380")
    assert learner
    assert (learner.id, learner.name, learner.learner) == ("d6b33f1c1ec34007", "", True)
    assert quorum.at("https://etcd-1.elsewhere.link:2380") is None


def test_a_learner_sees_itself_as_one() -> None:
    """With the numbers by which the others list it."""
    itself = voters.standing().parse(recorded("etcdctl-3.5.16-learner-status.json"))
    assert (itself.cluster, itself.id) == ("75008ae0476a691d", "d6b33f1c1ec34007")
    assert (itself.learner, itself.has_leader) == (True, True)


def test_a_new_member_learns_first() -> None:
    """So that adding one never costs the quorum."""
    peer = "https://etcd-1.bdg.link:2380"
    assert voters.add("est-bdg-etcd-1", peer).argv[-5:] == (
        *("member", "add", "est-bdg-etcd-1"),
        *("--learner", f"--peer-urls={peer}"),
    )
    assert voters.remove("d6b3").argv[-3:] == ("member", "remove", "d6b3")
    assert voters.promote("d6b3").argv[-3:] == ("member", "promote", "d6b3")


def carried_out(command: Command[str], settings: Path, *arguments: str) -> None:
    """Do to a file here what the script does in the container."""
    script = command.argv[5].replace("/tmp/", f"{settings.parent}/new-").replace("/config/etcd.yml", str(settings))  # noqa: S108
    subprocess.run(["sh", "-euc", script, "sh", *arguments], check=True)


def test_its_settings_are_put_back_as_they_were_declared(tmp_path: Path) -> None:
    """However often it was told whom it joins, and also where they were declared anew meanwhile."""
    (tmp_path / "there").mkdir()
    settings = tmp_path / "there" / "settings"
    settings.write_text(DECLARED)
    join = voters.join("est-bdg-etcd-1", {"est-sby-etcd-1": "https://s:2380", "est-bdg-etcd-1": "https://b:2380"})
    for _ in range(2):
        carried_out(join, settings, join.argv[6])
        told = [line for line in settings.read_text().splitlines() if not line.startswith("#")]
        assert "initial-cluster: est-bdg-etcd-1=https://b:2380,est-sby-etcd-1=https://s:2380 #joining" in told
        assert "initial-cluster-state: existing #joining" in told
    for _ in range(2):
        carried_out(voters.settle("est-bdg-etcd-1"), settings)
        assert settings.read_text() == DECLARED
