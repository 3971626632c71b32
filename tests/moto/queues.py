"""moto's SQS, quick for long queues and safe from its own threads.

For each message that is sent, and for each that is received, moto 5.2 counts the queue whole, several times and
with dates made anew for each message of it: of 2,400 messages a call gets ten in two seconds, so that a test with
thousands of objects would measure nothing else. And where it deletes a message it puts a new list in the place
of the old: what is sent between the two is lost. What takes their place here answers the same.
"""

import time

from moto.sqs import models


def milliseconds():
    return time.time() * 1000


def visible(queue):
    now = milliseconds()
    return [message for message in queue._messages if message.visible_at < now and message.delayed_until <= now]


def count_visible(queue):
    return len(visible(queue))


def count_not_visible(queue):
    now = milliseconds()
    return sum(message.visible_at >= now for message in queue._messages)


def count_delayed(queue):
    now = milliseconds()
    return sum(message.delayed_until > now for message in queue._messages)


def is_kept(backend, queue_name, message):
    """How long messages are kept is asked of the one attribute, not of all."""
    kept = backend.get_queue(queue_name).message_retention_period
    return kept + message.sent_timestamp / 1000 > time.time()


def delete(queue, receipt_handle):
    """The message goes from the list, which stays."""
    if receipt_handle in queue.deleted_messages:
        return
    for message in list(queue._messages):
        if message.had_receipt_handle(receipt_handle):
            queue.pending_messages.discard(message)
            queue.deleted_messages.update(message.all_receipt_handles)
            try:
                queue._messages.remove(message)
            except ValueError:
                pass  # somebody else deletes it at the same instant
            return
    raise models.ReceiptHandleIsInvalid()


def quicken():
    models.unix_time, models.unix_time_millis = time.time, milliseconds
    models.Queue.messages = property(visible)
    models.Queue.approximate_number_of_messages = property(count_visible)
    models.Queue.approximate_number_of_messages_not_visible = property(count_not_visible)
    models.Queue.approximate_number_of_messages_delayed = property(count_delayed)
    models.Queue.delete_message = delete
    models.SQSBackend.is_message_valid_based_on_retention_period = is_kept
