from importlib import import_module

from django.db import migrations

from realtime.migrations._functions import function_of_postgresql

# A pass waits for no head. Of a stream whose head another transaction has locked, the function returns one row without
# an epoch, and its caller tries again later. A process of the version before this one takes the row for a stream without
# new events, and leaves these to the sweep. realtime/log/numbering.py has the rest.
CREATE = """
CREATE OR REPLACE FUNCTION realtime_number(wanted text[], ended text, most integer, max_inline integer)
RETURNS TABLE (key text, epoch text, seq bigint, method text, data text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    stream record;
    how_many integer;
    visited text[] := '{}';
BEGIN
    FOR stream IN
        SELECT s.id, s.key, s.epoch, s.head FROM realtime_stream s
        WHERE s.key = ANY(wanted) ORDER BY s.key FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        visited := visited || stream.key::text;
        RETURN QUERY
        WITH pending AS (
            SELECT id, row_number() OVER (ORDER BY id) AS place
            FROM (
                SELECT id FROM realtime_streamevent
                WHERE key = stream.key AND seq IS NULL AND method <> ended
                ORDER BY id LIMIT most
            ) AS first_ones
        ), numbered AS (
            UPDATE realtime_streamevent e
            SET stream_id = stream.id, seq = stream.head + pending.place, key = ''
            FROM pending WHERE e.id = pending.id
            RETURNING e.seq, e.method, e.data, e.data_of_id, e.size
        )
        SELECT stream.key::text, stream.epoch::text, n.seq, n.method::text,
               CASE WHEN n.size <= max_inline THEN coalesce(n.data, o.data) END
        FROM numbered n LEFT JOIN realtime_streamevent o ON o.id = n.data_of_id
        ORDER BY n.seq;
        GET DIAGNOSTICS how_many = ROW_COUNT;
        IF how_many > 0 THEN
            UPDATE realtime_stream SET head = head + how_many WHERE id = stream.id;
        ELSE
            RETURN QUERY SELECT stream.key::text, stream.epoch::text, NULL::bigint, NULL::text, NULL::text;
        END IF;
    END LOOP;
    IF cardinality(visited) < cardinality(wanted) THEN
        RETURN QUERY
        SELECT s.key::text, NULL::text, NULL::bigint, NULL::text, NULL::text FROM realtime_stream s
        WHERE s.key = ANY(wanted) AND s.key <> ALL(visited);
    END IF;
END $$
"""
_before = import_module("realtime.migrations.0002_number_function")


class Migration(migrations.Migration):

    dependencies = [
        ('realtime', '0003_record_function'),
    ]

    operations = [
        function_of_postgresql(CREATE, f"{_before.DROP}; {_before.CREATE}"),
    ]
