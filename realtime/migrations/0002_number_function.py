from django.db import migrations

from realtime.migrations._functions import function_of_postgresql

# On PostgreSQL one call numbers the events of several streams, in one round trip and one transaction. Under READ
# COMMITTED, each statement of a volatile PL/pgSQL function has its own snapshot. So the read after the lock sees all that
# was committed before the lock was taken. realtime/log/numbering.py has the rest.
CREATE = """
CREATE FUNCTION realtime_number(wanted text[], ended text, most integer, max_inline integer)
RETURNS TABLE (key text, epoch text, seq bigint, method text, data text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    stream record;
    how_many integer;
BEGIN
    FOR stream IN
        SELECT s.id, s.key, s.epoch, s.head FROM realtime_stream s
        WHERE s.key = ANY(wanted) ORDER BY s.key FOR NO KEY UPDATE
    LOOP
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
END $$
"""
DROP = "DROP FUNCTION realtime_number(text[], text, integer, integer)"


class Migration(migrations.Migration):

    dependencies = [
        ('realtime', '0001_initial'),
    ]

    operations = [
        function_of_postgresql(CREATE, DROP),
    ]
