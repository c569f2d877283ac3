"""The hub of each event loop. It starts with the first socket and stops with the last, so tests need no set-up."""

import asyncio
from weakref import WeakKeyDictionary

from realtime import asgi_extension
from realtime.aio.tasks import detached
from realtime.hub.hub import Hub
from realtime.hub.sweep import sweep_forever
from realtime.metrics import share
from realtime.publishing import announcer

_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()
# The groups that stopped hubs could not leave, since Redis was away. The next hub of the loop leaves them.
_not_left: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, str]] = WeakKeyDictionary()


def acquire() -> Hub:
    """The hub of the running loop, for one more socket. The first socket starts it."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        asgi_extension.start_background()  # our server has done so already
        hub = _hubs[loop] = Hub()
        announcer.attach(loop)
        hub.start()
        hub.groups.inherit(_not_left.pop(loop, {}))
        hub.sweeping = detached(sweep_forever(hub))
    hub.sockets += 1
    return hub


async def release(hub: Hub) -> None:
    """A socket has gone. The last one stops the hub."""
    hub.sockets -= 1
    if not hub.sockets:
        await stop(hub)


async def stop(hub: Hub) -> None:
    """Ends all tasks of the hub. A socket that connects later gets another hub."""
    loop = asyncio.get_running_loop()
    if _hubs.get(loop) is hub:
        del _hubs[loop]
        announcer.detach(loop)
    sweeping, hub.sweeping = hub.sweeping, None
    if sweeping:
        sweeping.cancel()
        await asyncio.wait({sweeping})
    if not_left := await hub.stop():
        if successor := _hubs.get(loop):
            successor.groups.inherit(not_left)
        else:
            _not_left[loop] = _not_left.get(loop, {}) | not_left
    share(at_once=True)


def hub_of_this_loop() -> Hub | None:
    """The hub of the running loop, for tests and metrics. None if no socket is connected."""
    return _hubs.get(asyncio.get_running_loop())


def live_hubs() -> list[Hub]:
    """All hubs of this process. Any thread may ask."""
    return list(_hubs.values())
