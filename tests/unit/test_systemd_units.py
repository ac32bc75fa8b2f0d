"""The unit and firewall files: what they promise in their comments and in the README."""

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ROOT / "systemd" / "system" / "p2pvaultd.service"
USER = ROOT / "systemd" / "user" / "p2pvaultd.service"
PORT = "47474"

analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")


def directives(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def exposure(unit: Path) -> float:
    arguments = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    verdict = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert verdict is not None, done.stderr
    return float(verdict.group(1))


@analyze
def test_the_system_unit_is_exposed_by_at_most_1_5() -> None:
    assert exposure(SYSTEM) <= 1.5


@analyze
def test_the_user_unit_is_exposed_by_at_most_6_3() -> None:
    assert exposure(USER) <= 6.3


@analyze
@pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])
def test_systemd_knows_every_directive(unit: Path, tmp_path: Path) -> None:
    # The program is not installed where the tests run; the rest of the unit is as shipped.
    copy = tmp_path / unit.name
    text = unit.read_text()
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    arguments = ["systemd-analyze", "verify", "--man=no", str(copy)]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])
def test_the_daemon_can_do_its_work_inside_the_unit(unit: Path) -> None:
    found = directives(unit)
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    (families,) = found["RestrictAddressFamilies"]
    # Without AF_NETLINK the list of interfaces cannot be read, and nothing is discovered.
    assert set(families.split()) == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}
    assert int(found["TimeoutStopSec"][0]) > 5


@pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])
def test_no_reason_covers_more_than_a_handful_of_directives(unit: Path) -> None:
    service = unit.read_text().split("[Service]")[1].split("[Install]")[0]
    first, *groups = re.split(r"(?:^#.*\n)+", service, flags=re.MULTILINE)
    assert not first.strip()
    assert max(group.count("=") for group in groups) <= 6


def test_the_firewall_files_name_the_port_of_the_system_unit_and_the_next_one() -> None:
    (command,) = directives(SYSTEM)["ExecStart"]
    assert command.endswith(f"--listen :{PORT}")
    firewalld = ElementTree.parse(ROOT / "systemd" / "firewalld" / "p2pvault.xml")
    (port,) = firewalld.findall("port")
    following = int(PORT) + 1
    assert port.attrib == {"protocol": "tcp", "port": f"{PORT}-{following}"}
    assert [include.attrib["service"] for include in firewalld.findall("include")] == ["mdns"]
    ufw = (ROOT / "systemd" / "ufw" / "p2pvault").read_text()
    assert f"\nports={PORT}:{following}/tcp\n" in ufw
