"""Decides which requests the viewer's server answers: those of its own page, under a safe address.

A page of another site can make the browser send requests to this machine. It must not read the answers, neither as
that other site (the browser then sends its Origin) nor by letting its own name point here (DNS rebinding: the browser
then believes that this server is part of that site, and sends its name as the Host).
"""

import ipaddress
import socket
from email.message import Message
from urllib.parse import urlsplit

HEADERS = {
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    # Other sites can load none of it as an image or script, which browsers do without an Origin.
    'Cross-Origin-Resource-Policy': 'same-origin',
}
"""Headers of every answer."""


def refusal(headers: Message, bound_host: str) -> str | None:
    """Why a request is refused, or None.

    Args:
        headers: of the request; names in any case.
        bound_host: name or address that the server was told to listen on.
    """
    host = headers.get('Host', '')
    if not _is_own(host, bound_host):
        return (
            f'this server does not go by the name "{host}": open it by an IP address, localhost, '
            f'the name of its machine, or the name that --serve NAME:PORT gives it'
        )
    origin = headers.get('Origin')
    if origin is not None and origin not in (f'http://{host}', f'https://{host}'):
        return f'{origin} is another site, which may not read this one'
    return None


def _is_own(host: str, bound_host: str) -> bool:
    try:
        name = urlsplit(f'//{host}').hostname or ''
    except ValueError:
        return False
    if name in {'localhost', bound_host.lower(), socket.gethostname().lower()}:
        return True
    try:
        # Only a name can be made to point here; an address already does.
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
