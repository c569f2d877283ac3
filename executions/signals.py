"""The signals of this app. Other apps connect receivers to them.

Every signal of a change is sent with `send()`, inside the transaction of the change. A receiver that raises makes the
change fail. A rolled-back change leaves nothing behind.

The signals of single rows are sent with `sender` (the model class) and either
    event     one event; or
    events    the events of one bulk write in the order of the primary keys, or of one `report_all()` in the order of
              the reports
and may be sent with
    fields=frozenset({…})         the fields that a save or an update has written; not of a new row, and not of reports
    is_last_before_commit=True    the commit comes right after the receivers
    of_reports=True               the events were in `reports_recorded` already
"""

from django.dispatch import Signal

# A graph execution was created or changed. event: GraphExecutionEvent
graph_execution_changed = Signal()

# A graph execution was deleted. event: GraphExecutionDeleted
graph_execution_deleted = Signal()

# A bulk write has written the organization or the team of graph executions. Sent after their `graph_execution_changed`.
# events: GraphExecutionEvent
graph_executions_reassigned = Signal()

# A node execution was created or changed. event: NodeExecutionEvent
node_execution_changed = Signal()

# A node execution was deleted, alone or with its graph execution. event: NodeExecutionDeleted
node_execution_deleted = Signal()

# A notification was created. event: NotificationEvent
notification_created = Signal()

# A notification was marked as read, or as unread again. event: NotificationRead, with the payload of an unread one
notification_read = Signal()

# A notification was deleted. event: NotificationDeleted
notification_deleted = Signal()

# A graph was deleted. Sent after the signals of its executions. event: GraphDeleted
graph_deleted = Signal()

# A user was deleted. Sent after the signals of everything that belonged to the user. event: UserDeleted
user_deleted = Signal()

# One `report_all()` was recorded. sender: None; events: GraphExecutionEvent and NodeExecutionEvent, in the order of the
# reports; is_last_before_commit is not sent. For receivers that need the order of changes across both models. The
# signals of the models follow, with `of_reports=True`: one for each run of consecutive events of the same model. A
# receiver of `reports_recorded` skips these.
reports_recorded = Signal()

# A start was refused because too many executions wait. user_id; limit: the name of the limit. Nothing has changed.
start_refused = Signal()

# A run is about to start, or a report of a worker to be recorded. user_id: whose run it is. Nothing has changed yet. A
# receiver that raises `executions.record_caps.TooMuchRecorded` refuses it.
data_offered = Signal()
