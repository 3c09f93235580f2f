"""Zones of addresses, whatever way they are written."""

import pytest

from orchestrator.kit.addresses import Zone, literal_zone, may_lead, zone_of

ADDRESSES = {
    Zone.PUBLIC: ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
    Zone.PRIVATE: [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "fc00::1", "fd12::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1",
        "::10.1.2.3",
    ],
    Zone.LOOPBACK: ["127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "2002:7f00:1::"],
    Zone.LINK_LOCAL: [
        "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200",
        "168.63.129.16", "192.0.0.192", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("zone", "address"), [(zone, each) for zone, known in ADDRESSES.items() for each in known])
def test_zones(zone, address):
    assert zone_of(address) is zone


@pytest.mark.parametrize(
    ("host", "zone"),
    [("LOCALHOST", Zone.LOOPBACK), ("a.localhost.", Zone.LOOPBACK), ("[::1]", Zone.LOOPBACK),
     ("10.0.0.1", Zone.PRIVATE),
     ("localhost.example", Zone.PUBLIC), ("registry.example", Zone.PUBLIC), ("", Zone.PUBLIC)],
)  # fmt: skip
def test_hosts_in_urls(host, zone):
    assert literal_zone(host) is zone


def test_who_may_lead_where():
    allowed = {(source, target) for source in Zone for target in Zone if may_lead(source, target)}
    inward = {(Zone.LOOPBACK, Zone.PRIVATE)}
    assert allowed == {(zone, Zone.PUBLIC) for zone in Zone} | {(zone, zone) for zone in Zone} | inward
