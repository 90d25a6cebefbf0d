"""A network back to the data of a document, with everything that was allocated."""

from __future__ import annotations

from triptych.core.model.network import Network
from triptych.core.model.nouns import Bum, Host, L2Gateway, Object, Port, Router, Segment, StaticRoute, Subnet, Tenant


def document_of(network: Network) -> dict[str, list[dict[str, object]]]:
    """Plain data in the format of a document; reading it gives an equal network, port generations aside.

    Lists and fields that are empty or hold their default are left out, except the `ips` of
    a port: a port without `ips` would be given some.
    """
    lists: dict[str, list[dict[str, object]]] = {}
    for item in network:
        lists.setdefault(item.key.kind.value, []).append(fields_of(item))
    return lists


def fields_of(item: Object) -> dict[str, object]:
    """One object as its document item; a port's generation is not in it."""
    fields: dict[str, object]
    match item:
        case Host():
            return {"name": item.name, "underlay": str(item.underlay), "id": item.id}
        case Tenant():
            return {"name": item.name}
        case Router():
            return {"tenant": item.tenant, "name": item.name, "id": item.id, "mac": str(item.mac)}
        case Segment():
            fields = {"tenant": item.tenant, "name": item.name, "vni": item.vni, "router": item.router}
            fields["subnets"] = [_subnet(subnet) for subnet in item.subnets] or None
            fields["bum"] = None if item.bum is Bum.DROP else item.bum.value
        case Port():
            fields = {"tenant": item.tenant, "name": item.name, "segment": item.segment, "host": item.host}
            fields["mac"] = str(item.mac)
            fields["ips"] = [str(ip) for ip in item.ips]
            fields["allowed_addresses"] = [str(prefix) for prefix in item.allowed_addresses] or None
            fields["migrate_to"] = item.migrate_to
        case StaticRoute():
            fields = {"tenant": item.tenant, "router": item.router, "prefix": str(item.prefix)}
            fields["via"] = [str(ip) for ip in item.via] or None
            fields["blackhole"] = item.blackhole or None
        case L2Gateway():
            fields = {"tenant": item.tenant, "name": item.name, "segment": item.segment, "host": item.host}
            fields["interface"] = item.interface
            fields["vlan"] = item.vlan
    return {key: value for key, value in fields.items() if value is not None}


def _subnet(subnet: Subnet) -> dict[str, object]:
    gateway = {} if subnet.gateway is None else {"gateway": str(subnet.gateway)}
    return {"cidr": str(subnet.cidr), **gateway}
