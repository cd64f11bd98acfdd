"""Leads the connections of Python scripts to the forwarded port of the Gateway, as a .curlrc does with curl's.

Python imports this file when it starts, if PYTHONPATH contains its folder. GATEWAY_ADDRESS is the forwarded host and port.
"""

import os
import socket

create_connection = socket.create_connection


def connect_to_gateway(_address, *arguments, **options) -> socket.socket:
    """Connects to the Gateway, whatever the address."""
    host, _, port = os.environ["GATEWAY_ADDRESS"].rpartition(":")
    return create_connection((host, int(port)), *arguments, **options)


socket.create_connection = connect_to_gateway
