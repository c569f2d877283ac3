"""What other apps can listen to. Every signal is sent inside the transaction of the change, with `send`: a receiver
that raises makes the change fail, and a rolled-back change leaves nothing behind.

Each takes `sender` (the model) and either `event` (one change) or `events` (those of one bulk write, in the order of
the rows' primary keys, or of a batch of reports, in the order of the reports), of the class from `executions.events`
named beside it. With `commits_next=True` nothing but the commit comes after the receivers.
"""

from django.dispatch import Signal

graph_execution_changed = Signal()  # GraphExecutionEvent: a graph execution was created or changed
graph_execution_deleted = Signal()  # GraphExecutionDeleted
node_execution_changed = Signal()  # NodeExecutionEvent: a node execution was created or changed
node_execution_deleted = Signal()  # NodeExecutionDeleted; sent for the nodes of a deleted execution, too
notification_created = Signal()  # NotificationEvent
notification_read = Signal()  # NotificationRead: marked as read, or as unread again
notification_deleted = Signal()  # NotificationDeleted
graph_deleted = Signal()  # GraphDeleted
user_deleted = Signal()  # UserDeleted; sent after those of all that the user had

reports_recorded = Signal()
"""For who must keep the order of changes of both models: `events` are those of one `report_all()`, executions' and node
executions', in the order of the reports. It comes first, without a sender. Then the signals of the models are sent, for
each stretch of one model's events, with `of_reports=True`: who listens to this one passes over those."""
