from django.db import migrations

from realtime.migrations._functions import function_of_postgresql

# On PostgreSQL an event whose transaction commits next is inserted with its number, in the same round trip. The head of
# its stream must be unlocked, and no earlier event of the stream may wait for a number. realtime/log/numbering.py has the
# rest, and says why this cannot deadlock. It works under READ COMMITTED only: at a higher isolation level, a head that
# another transaction has just raised would make the writer fail. The function returns one row for each stream, in their
# order; the row has no epoch and no number if the event waits for a numbering pass.
CREATE = """
CREATE FUNCTION realtime_record(
    places text[], entities text[], event_method text, event_data text, event_size integer, at timestamptz, silence text
)
RETURNS TABLE (epoch text, seq bigint)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    head record;
    this_id bigint;
    first_id bigint;
    is_numbering boolean := current_setting('transaction_isolation') = 'read committed';
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', silence, true);
    FOR number IN 1 .. cardinality(places) LOOP
        UPDATE realtime_stream s SET head = s.head + 1
        WHERE is_numbering
            AND NOT EXISTS (SELECT FROM realtime_streamevent e WHERE e.key = places[number] AND e.seq IS NULL)
            AND s.id = (SELECT id FROM realtime_stream WHERE key = places[number] FOR NO KEY UPDATE SKIP LOCKED)
        RETURNING s.id, s.epoch::text, s.head INTO head;
        INSERT INTO realtime_streamevent
            (stream_id, seq, key, entity, method, data, data_of_id, size, created_at)
        VALUES (
            head.id, head.head, CASE WHEN head.id IS NULL THEN places[number] ELSE '' END, entities[number],
            event_method, CASE WHEN first_id IS NULL THEN event_data END, first_id, event_size, at
        )
        RETURNING id INTO this_id;
        first_id := coalesce(first_id, this_id);
        RETURN QUERY SELECT head.epoch, head.head;
    END LOOP;
END $$
"""
DROP = "DROP FUNCTION realtime_record(text[], text[], text, text, integer, timestamptz, text)"


class Migration(migrations.Migration):

    dependencies = [
        ('realtime', '0002_number_function'),
    ]

    operations = [
        function_of_postgresql(CREATE, DROP),
    ]
