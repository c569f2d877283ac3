from django.db.migrations import RunPython


def function_of_postgresql(create, drop):
    """An operation that makes a function of PostgreSQL, and does nothing on other databases."""

    def run(statement):
        def on_postgresql(apps, schema_editor):
            if schema_editor.connection.vendor == 'postgresql':
                schema_editor.execute(statement)

        return on_postgresql

    return RunPython(run(create), run(drop))
