"""CycloneDX XML: the same findings and the same BOM as the JSON that says the same."""

import json

import msgspec
import pytest

from orchestrator.findings import cyclonedx
from orchestrator.findings.interface import ReportError
from orchestrator.model import Cvss, Severity
from orchestrator.results.bom.validity import validator

PURL = "pkg:maven/org.apache/log4j-core@2.14.1"
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"
COMPONENT = f"""<component type="library" bom-ref="ref-1">
  <group>org.apache</group><name>log4j-core</name><version>2.14.1</version><purl>{PURL}</purl>
</component>"""


def _bom(content, version="1.5", **namespaces):
    others = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    return f'<?xml version="1.0"?>\n<bom xmlns="http://cyclonedx.org/schema/bom/{version}"{others}>{content}</bom>'.encode()


def _with(content, components=COMPONENT):
    return _bom(f"<components>{components}</components>{content}")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7"])
def test_an_inventory_of_any_version(version):
    report = cyclonedx.parse(_bom(f"<components>{COMPONENT}</components>", version))
    assert report.findings == ()
    assert report.components == 1
    assert report.bom["specVersion"] == version
    assert report.bom["components"] == [
        {
            "type": "library",
            "bom-ref": "ref-1",
            "group": "org.apache",
            "name": "log4j-core",
            "version": "2.14.1",
            "purl": PURL,
        }
    ]


def test_a_vulnerability():
    data = _with(f"""<vulnerabilities><vulnerability bom-ref="v"><id>CVE-2021-44228</id>
      <source><name>NVD</name><url>https://nvd.example</url></source>
      <references><reference><id>GHSA-jfh8-c2jp-5v3q</id><source><name>GitHub</name></source></reference></references>
      <ratings>
        <rating><source><name>NVD</name></source><score>10.0</score><severity>critical</severity>
          <method>CVSSv31</method><vector>{VECTOR}</vector></rating>
        <rating><severity>low</severity><method>OWASP</method></rating>
      </ratings>
      <cwes><cwe>502</cwe></cwes><description>JNDI features &amp; more</description>
      <recommendation>Upgrade log4j-core to version 2.15.0</recommendation>
      <affects><target><ref>ref-1</ref><versions><version><version>2.14.1</version><status>affected</status></version>
        <version><range>vers:maven/&lt;2.14</range></version></versions></target></affects>
    </vulnerability></vulnerabilities>""")
    (finding,) = cyclonedx.parse(data).findings
    assert (finding.id, finding.severity) == ("CVE-2021-44228", Severity.CRITICAL)
    assert finding.cvss == Cvss(score=10.0, version="3.1", vector=VECTOR)
    assert (finding.package, finding.version, finding.purl) == ("log4j-core", "2.14.1", PURL)
    assert (finding.aliases, finding.fixed_version) == (("GHSA-jfh8-c2jp-5v3q",), "2.15.0")
    assert finding.title == "JNDI features & more"


def test_the_fix_that_the_versions_name():
    data = _with("""<vulnerabilities><vulnerability><id>CVE-1</id><affects><target><ref>ref-1</ref><versions>
      <version><version>2.15.0</version><status>unaffected</status></version></versions></target></affects>
    </vulnerability></vulnerabilities>""")
    assert cyclonedx.parse(data).findings[0].fixed_version == "2.15.0"


OLD = """<v:vulnerabilities><v:vulnerability ref="{ref}"><v:id>CVE-2018-7489</v:id>
  <v:source name="NVD"><v:url>https://nvd.example</v:url></v:source>
  <v:ratings>
    <v:rating><v:score><v:base>9.8</v:base><v:impact>5.9</v:impact></v:score><v:severity>Critical</v:severity>
      <v:method>CVSSv3</v:method><v:vector>AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H</v:vector></v:rating>
    <v:rating><v:severity>Low</v:severity><v:method>OWASP Risk</v:method></v:rating>
  </v:ratings><v:cwes><v:cwe>502</v:cwe></v:cwes><v:description>Bad</v:description>
  <v:recommendations><v:recommendation>Upgrade to 2.9.5</v:recommendation></v:recommendations>
  <v:advisories><v:advisory>https://x.example</v:advisory></v:advisories>
</v:vulnerability></v:vulnerabilities>"""
OUTER = "<components><component bom-ref='o'><name>outer</name><components>{}</components>{}</component></components>"
NAMELESS = "<component type='library'><name>zlib</name><version>1</version>{}</component>"


@pytest.mark.parametrize(
    ("content", "packages"),
    [
        (f"<components>{COMPONENT}</components>" + OLD.format(ref="ref-1"), ["log4j-core"]),
        (f"<components>{NAMELESS.format(OLD.format(ref='urn:uuid:1')) * 2}</components>", ["zlib", "zlib"]),
        (
            OUTER.format(NAMELESS.format(OLD.format(ref="x")), OLD.format(ref="x")),
            ["outer", "zlib"],
        ),
    ],
)
def test_the_vulnerability_extension_of_old(content, packages):
    report = cyclonedx.parse(_bom(content, "1.2", v="http://cyclonedx.org/schema/ext/vulnerability/1.0"))
    assert [each.package for each in report.findings] == packages
    for finding in report.findings:
        assert (finding.id, finding.severity, finding.fixed_version) == ("CVE-2018-7489", Severity.CRITICAL, "2.9.5")
        assert (finding.cvss.score, finding.cvss.version) == (9.8, "3.0")
        assert finding.title == "Bad"
    (first, *_) = report.bom["vulnerabilities"]
    assert first["ratings"][0] == {
        "score": 9.8,
        "severity": "critical",
        "method": "CVSSv3",
        "vector": "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    }
    assert validator().is_valid({"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [first]})


def test_the_document_is_that_of_json():
    """Everything that is mapped, in one document: valid as JSON, and the same as what JSON would say."""
    data = _bom(
        """
        <metadata><timestamp>2026-01-01T00:00:00Z</timestamp>
          <tools><components><component type="application"><author>anchore</author><name>Syft</name>
            <version>1.18.1</version></component></components></tools>
          <component type="container" bom-ref="subject"><name>app</name></component></metadata>
        <components><component type="library" bom-ref="a" mime-type="text/plain">
          <supplier><name>S</name><url>https://s.example</url><contact><name>C</name></contact></supplier>
          <authors><author><name>A</name></author></authors><name>a</name><version>1</version><scope>required</scope>
          <hashes><hash alg="MD5">2d32aaf6a876f8ac17b77bc3c8a19409</hash></hashes>
          <licenses><license bom-ref="l"><id>MIT</id><text content-type="text/plain">T</text><url>https://m.example</url>
            </license><license></license></licenses>
          <cpe>cpe:2.3:a:a:a:1:*:*:*:*:*:*:*</cpe><purl>pkg:npm/a@1</purl><modified>false</modified>
          <externalReferences><reference type="website"><url>https://a.example</url></reference></externalReferences>
          <properties><property name="syft:location:0:path">/a</property></properties>
          <components><component type="library" bom-ref="b"><name>b</name>
            <licenses><expression>MIT OR Apache-2.0</expression></licenses></component></components>
          <evidence><identity><field>purl</field><confidence>0.5</confidence><methods><method>
            <technique>filename</technique><confidence>0.5</confidence></method></methods></identity>
            <occurrences><occurrence bom-ref="x"><location>/a</location><line>3</line></occurrence></occurrences>
            <copyright><text>me</text></copyright></evidence>
          <signature xmlns="http://www.w3.org/2000/09/xmldsig#"><name>no</name></signature>
        </component></components>
        <dependencies><dependency ref="a"><dependency ref="b"/><dependency ref="b"/></dependency>
          <dependency ref="b"/></dependencies>
        """,
        "1.6",
    )
    report = cyclonedx.parse(data)
    assert (report.scanner, report.scanner_version, report.components) == ("syft", "1.18.1", 2)
    assert validator().is_valid(report.bom)
    assert report.bom["dependencies"] == [{"ref": "a", "dependsOn": ["b"]}, {"ref": "b"}]
    (component,) = report.bom["components"]
    assert component["licenses"] == [
        {
            "license": {
                "bom-ref": "l",
                "id": "MIT",
                "text": {"content": "T", "contentType": "text/plain"},
                "url": "https://m.example",
            }
        }
    ]
    assert component["evidence"]["occurrences"] == [{"bom-ref": "x", "location": "/a", "line": 3}]
    assert component["components"][0]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert (component["modified"], component["properties"][0]["value"]) == (False, "/a")
    again = cyclonedx.parse(json.dumps(report.bom).encode())
    assert msgspec.structs.replace(again, bom_memory=report.bom_memory) == report  # which is estimated from the text


def test_tools_as_a_list():
    data = _bom(
        "<metadata><tools><tool><vendor>anchore</vendor><name>grype</name><version>0.7.0</version></tool></tools></metadata>"
    )
    report = cyclonedx.parse(data)
    assert (report.scanner, report.scanner_version) == ("grype", "0.7.0")


def test_marks_and_blanks_before_it():
    for mark in (b"\xef\xbb\xbf", b"\n  \n"):
        assert cyclonedx.parse(mark + _with("").split(b"\n", 1)[1]).components == 1
    assert cyclonedx.parse(_with("").decode().encode("utf-16")).components == 1


ENTITY = '<!DOCTYPE bom [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><bom>&b;</bom>'


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"<", "truncated"),
        (_with("")[:-4], "truncated"),
        (b"<bom/>", "not a CycloneDX"),
        (b"<html><body/></html>", "not a CycloneDX"),
        (b'<bom xmlns="http://cyclonedx.org/schema/bom/2.0"/>', "not a CycloneDX"),
        (_bom(""), "says nothing"),
        (_with("</x>"), "not well-formed"),
        (_with("&nbsp;"), "not well-formed"),
        (_with("\ud7ff").replace("\ud7ff".encode(), b"\xff"), "not well-formed"),
        (ENTITY.encode(), "document type"),
        (b'<!DOCTYPE bom SYSTEM "file:///etc/passwd"><bom/>', "document type"),
        (b'<?xml version="1.0" encoding="shift_jis"?><bom/>', "encoding"),
        (b'<?xml version="1.0" encoding="none"?><bom/>', "encoding"),
        (b'<?xml version="1.0" encoding="cp037"?><bom/>', "encoding"),
        (b"<a>" * 1000 + b"</a>" * 1000, "deep"),
        (b"<a>" + b"<b/>" * 6_000_001 + b"</a>", "too many"),
        (b"<a" + b" a=''" * 6_000_001 + b"/>", "too many"),
    ],
)
def test_damage_has_its_reason(data, word):
    with pytest.raises(ReportError, match=word):
        cyclonedx.parse(data)


def test_components_within_components_are_read_as_deep_as_anybody_nests_them():
    depth = 60
    nested = "<components><component type='library'><name>x</name>" * depth + "</component></components>" * depth
    assert cyclonedx.parse(_bom(nested)).components == depth


@pytest.mark.parametrize("version", ["9" * 5000, "٣", "-1", "", "x"])
def test_a_version_of_the_document_that_is_no_number_is_not_ours_to_judge(version):
    document = f'<bom xmlns="http://cyclonedx.org/schema/bom/1.5" version="{version}"><components/></bom>'
    assert cyclonedx.parse(document.encode()).findings == ()
