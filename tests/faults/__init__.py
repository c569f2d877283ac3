"""No event is lost under any of these faults. The table lists each fault and its test.

A cluster (cluster.py) is a PostgreSQL, a Redis and two server processes. Workers are processes, too. Readers reconnect
as browsers do. The checkers (history.py for one client, checker.py for the log) count events that are lost, doubled,
out of order, changed, or of another user. After each test no socket, stream, subscription, buffered event or task may
be left in a server, and no group in Redis. `soak.py` runs random combinations of the faults for any time.

Paths are below tests/, tests/realtime/ or its folders. Names in *italics* are files of this folder.

| fault | test |
|---|---|
| a burst of 5,000 events to 1 and to 100 sockets | *test_workers*; hub/test_hub.py |
| two writers on one stream | *test_workers*; stories/test_postgres.py: eight |
| Redis killed for 0.2, 5 (soak: 30) s; FLUSHALL; frozen (soak: 12 s) | *test_redis*; stories/test_dead_redis.py |
| commits and new sockets do not wait for Redis | *test_redis*; publishing/test_announcer_redis.py |
| every layer message dropped; reordered, doubled | *test_redis*; hub/test_hub.py |
| server kill -9; SIGTERM during a burst; clients move between two | *test_servers*; stories/test_two_processes.py |
| a writer killed before the commit | stories/test_two_processes.py |
| a writer killed before numbering, before announcing, anywhere | *test_workers*; stories/test_two_processes.py |
| rollback after insert | *test_workers*; log/test_store.py |
| TCP resets during a burst | *test_readers* |
| one client stops reading, four do in turn; one trickles; one is slow | *test_readers*; server/test_server.py |
| memory of sockets that do not read | *test_readers*; test_consumers.py, server/test_server.py |
| 200 (soak: 1,000) clients reconnect with 50 to 5,000 missed events | *test_readers*; hub/test_hub.py |
| PostgreSQL restarts after a crash; freezes | *test_postgres*; stories/test_postgres.py |
| clocks off by a day; a pruned log; a restored backup | *test_log*; log/test_retention.py, hub/test_watched_stream.py |
| `after` above the head, negative, no integer | *test_log*; stories/test_resume.py, test_start_position.py |
| subscribe twice, during a replay; unsubscribe during a replay | *test_subscribing* |
| an exception in each handler | *test_handlers*; test_consumers.py, hub/test_hub.py, hub/test_sweep.py |
| layer messages of another version | *test_redis*; hub/test_hub.py |
| all faults together | stories/test_everything_at_once.py; `make soak` |

Known behaviour of the libraries, and the tests which show that no event is lost by it:

| library | behaviour | test |
|---|---|---|
| layers | layers with a capacity drop most of a burst | *test_workers*; hub/test_hub.py |
| layers | an idle core layer fails every 5 s with a timeout of redis-py | stories/test_dead_redis.py: both layers |
| layers | after a Redis outage: closed sockets, lost messages, no error | *test_redis*; stories/test_dead_redis.py |
| layers | FLUSHALL, expiry and clocks empty a group for good | *test_redis*; test_group_membership.py, test_hub.py |
| layers | Redis cuts a subscriber above 32 MB; large data | stories/test_resume.py, publishing/test_announcer.py |
| layers | a frozen Redis blocks `group_send` | *test_redis*; publishing/test_announcer_redis.py |
| layers | a message type without a handler closes the sockets of a group | *test_redis*; hub/test_hub.py |
| layers | `async_to_sync(group_send)` costs a connection a call | publishing/test_announcer_processes.py |
| consumers | `disconnect()` often does not run | test_consumers.py; the end of every scenario |
| consumers | an exception closes the socket | *test_handlers*; test_consumers.py |
| consumers | a heartbeat waits for another socket's database work | *test_postgres*; test_consumers.py |
| consumers | NaN, lone surrogates, NUL pass `json.loads` | wire/test_requests.py |
| Daphne | no back-pressure for a client that does not read | *test_readers*; server/test_server.py |
| Daphne | close codes become 1011 or a reset | server/test_server.py, stories/test_who_connects.py |
| Daphne | SIGTERM drops all connections | *test_servers*; server/test_server.py |
| Daphne | a socket ends after a day; messages of 1 MiB are accepted | server/test_server.py |
"""
