"""The devices of the vault, and where they are."""

from typing import cast

from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import NoSuchRecord
from p2pvault.node.port import DeviceAddresses, MemberView
from p2pvaultd.handlers.words import named, up_or_down
from p2pvaultd.host import Host
from p2pvaultd.hostport import read_address
from p2pvaultd.methods import Methods


class DeviceHandlers:
    """`devices`, `device_rename`, `_revoke`, `_reinstate` and the address book."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> Methods:
        """Return the methods by name."""
        calls = {
            "devices": self._devices,
            "device_rename": self._rename,
            "device_revoke": self._revoke,
            "device_reinstate": self._reinstate,
            "addresses": self._addresses,
            "address_add": self._add_address,
            "address_remove": self._remove_address,
        }
        return Methods(calls, {})

    async def _devices(self, params: JsonObject) -> JsonObject:
        del params
        members = await self._host.node().members()
        return {
            "devices": [_member(member) for member in members.members],
            "removed": [named(device, name) for device, name in members.removed],
            "suspended": [named(device, name) for device, name in members.suspended],
            "fallen": [named(device, name) for device, name in members.fallen],
        }

    async def _rename(self, params: JsonObject) -> JsonObject:
        device, name = cast("str", params["device"]), cast("str", params["name"])
        renamed = await self._host.node().rename_device(device, name)
        return {"device": named(renamed.device, renamed.name)}

    async def _revoke(self, params: JsonObject) -> JsonObject:
        revoked = await self._host.node().revoke_device(cast("str", params["device"]))
        return {"device": named(revoked.device, revoked.name)}

    async def _reinstate(self, params: JsonObject) -> JsonObject:
        device = await self._host.node().reinstate_device(cast("str", params["device"]))
        return {"device": named(device.device, device.name)}

    async def _addresses(self, params: JsonObject) -> JsonObject:
        book = await self._host.node().addresses(cast("str | None", params.get("device")))
        return {"devices": [_page(page) for page in book]}

    async def _add_address(self, params: JsonObject) -> JsonObject:
        device, address = (
            cast("str", params["device"]),
            read_address(cast("str", params["address"])),
        )
        return _given(await self._host.node().add_address(device, address))

    async def _remove_address(self, params: JsonObject) -> JsonObject:
        device, address = (
            cast("str", params["device"]),
            read_address(cast("str", params["address"])),
        )
        (page,) = await self._host.node().addresses(device)
        if address not in page.given:
            raise NoSuchRecord(
                f"{address} was not added by hand",
                hint="`p2pvault address` shows what was.",
            )
        return _given(await self._host.node().remove_address(device, address))


def _member(member: MemberView) -> JsonObject:
    return {
        **named(member.device, member.name),
        "role": member.role.value,
        "kind": member.kind,
        "this": member.this,
        "link": None if member.up is None else up_or_down(up=member.up),
        "added_by": member.added_by,
    }


def _page(page: DeviceAddresses) -> Json:
    given: list[Json] = [str(address) for address in page.given]
    seen: list[Json] = [str(address) for address in page.seen]
    return {**named(page.device, page.name), "given": given, "seen": seen}


def _given(page: DeviceAddresses) -> JsonObject:
    addresses: list[Json] = [str(address) for address in page.given]
    return {"device": named(page.device, page.name), "addresses": addresses}
