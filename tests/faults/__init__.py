"""Nothing is lost, whatever fails: the faults that were thought of, and the test that shows each.

A stage has a PostgreSQL, a Redis and two server processes of its own; workers are processes, too; readers come back as
browsers do; an oracle (history.py, oracle.py) counts what is lost, doubled, out of order, changed or somebody else's.
After each test nobody may have left a socket, stream, subscription, buffered event or task in a server, nor a group in
Redis. `soak.py` plays the same in random mixtures for as long as one likes. Paths
are below tests/; what is *so* is here.

| fault | test |
|---|---|
| a burst of 5,000 to 1 and to 100 sockets | *test_workers*; realtime/test_hub.py |
| two writers on one stream | *test_workers*; stories/test_postgres.py: eight |
| Redis killed for 0.2, 5 (soak: 30) s; FLUSHALL; frozen (soak: 12 s) | *test_redis*; stories/test_dead_redis.py |
| commits and newcomers do not wait for Redis | *test_redis*; realtime/test_announcer.py |
| every layer message dropped; reordered, doubled | *test_redis*; realtime/test_hub.py |
| server kill -9; SIGTERM during a burst; clients move between two | *test_servers*; stories/test_two_processes.py |
| a writer killed before the commit | stories/test_two_processes.py |
| a writer killed before numbering, before announcing, anywhere | *test_workers*; stories/test_two_processes.py |
| rollback after insert | *test_workers*; realtime/test_log.py |
| TCP resets during a burst | *test_readers* |
| a client stops reading, alone, four in turn; trickles; is slow | *test_readers*; realtime/test_server.py |
| memory of sockets that do not read | *test_readers*; realtime/test_consumers.py, test_server.py |
| 200 (soak: 1,000) clients reconnect with 50 to 5,000 missed events | *test_readers*; realtime/test_hub.py |
| PostgreSQL crashes and comes back; freezes | *test_postgres*; stories/test_postgres.py |
| clocks off by a day; a pruned log; a restored backup | *test_log*; realtime/test_retention.py, test_live_stream.py |
| `after` beyond the head, negative, no integer | *test_log*; stories/test_resume.py, realtime/test_resume.py |
| subscribe twice, during a replay; unsubscribe during a replay | *test_subscribing* |
| an exception in each handler | *test_handlers*; realtime/test_consumers.py, test_hub.py, test_sweep.py |
| layer messages of another version | *test_redis*; realtime/test_hub.py |
| all of it at once | stories/test_everything_at_once.py; `make soak` |

What the stack under us is known to do, and where it is shown that nothing comes of it:

| known of | fact | test |
|---|---|---|
| layers | the core layer's capacity loses most of a burst; so does memory's | *test_workers*; realtime/test_hub.py |
| layers | an idle core layer dies every 5 s by redis-py's timeout | stories/test_dead_redis.py: both layers |
| layers | a Redis that was away: closed sockets, lost messages, no error | *test_redis*; stories/test_dead_redis.py |
| layers | FLUSHALL, expiry and clocks empty a group for ever | *test_redis*; realtime/test_groups.py, test_hub.py |
| layers | Redis cuts a subscriber above 32 MB; large data | stories/test_resume.py, realtime/test_announcer.py |
| layers | a frozen Redis holds `group_send` up | *test_redis*; realtime/test_announcer.py |
| layers | an unknown or public type kills the sockets of a group | *test_redis*; realtime/test_hub.py |
| layers | `async_to_sync(group_send)` costs a connection a call | realtime/test_announcer.py |
| consumers | `disconnect()` often does not run | realtime/test_consumers.py; every scene's end |
| consumers | an exception closes the socket | *test_handlers*; realtime/test_consumers.py |
| consumers | a heartbeat waits for another socket's database work | *test_postgres*; realtime/test_consumers.py |
| consumers | NaN, lone surrogates, NUL pass `json.loads` | realtime/test_messages.py |
| Daphne | no back-pressure towards a client that does not read | *test_readers*; realtime/test_server.py |
| Daphne | close codes become 1011 or a reset | realtime/test_server.py, stories/test_who_connects.py |
| Daphne | SIGTERM drops everybody | *test_servers*; realtime/test_server.py |
| Daphne | a day ends a socket; messages of 1 MiB come in | realtime/test_server.py |
"""
