"""Makes `networks.mmdb`, the MaxMind DB that tests look addresses up in.

The networks are those set aside for documentation and what is said of them is invented. Needs
`mmdb_writer` from PyPI: pip install mmdb_writer==0.2.7 && python3 make.py
"""

from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-Networks", description="invented")
writer.insert_network(
    IPSet(["198.51.100.0/24"]),
    {
        "country": {"iso_code": "NL"},
        "location": {"latitude": 52.37, "longitude": 4.9},
        "autonomous_system_number": 64500,
        "tags": ["vpn", "hosting"],
        "traits": {"is_anonymous": True},
    },
)
writer.insert_network(IPSet(["203.0.113.0/25"]), {"country": {"iso_code": "JP"}})
writer.insert_network(IPSet(["203.0.113.128/25"]), {"country": {"iso_code": "BR"}})
writer.insert_network(IPSet(["2001:db8::/32"]), {"country": {"iso_code": "DE"}, "autonomous_system_number": 64501})
writer.to_db_file(str(Path(__file__).with_name("networks.mmdb")))
